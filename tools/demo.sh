#!/usr/bin/env bash
# Set up .venv where needed and run the whole method on small data: drawn scenes, and real tiles that travel with the
# package. Interrupt it whenever you like: the next start goes on. Arguments go to tools/run_grid.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/setup.sh
python=(.venv/bin/python -W ignore)
out=work_dirs/demo
"${python[@]}" tools/make_demo_data.py "$out/data"
if [ ! -d "$out/strokes" ]; then
    "${python[@]}" tools/browse_dataset.py configs/pretrain/deeplabv2_r18-d8_1xb10-40k_voc12-scribbles-321x321.py \
        --out "$out/strokes" --small --cfg-options "data_root=$out/data/VOCdevkit/VOC2012" \
        scribbles=../../scribbles/pascal_2012 crop_size=65 num_workers=0 decode_first=False
    echo "To look at meanwhile, the strokes that the segmentor learns from: $out/strokes"
fi
"${python[@]}" tools/run_grid.py configs/grids/demo.py --work-dir "$out/grid" "$@"
"${python[@]}" tools/draw_segmentations.py "$out/grid"
"${python[@]}" tools/report.py "$out/grid"
echo
echo "Made: three pre-trainings on drawn scenes, their trunks in classifiers of real tiles, fine-tuned and probed."
echo "Look: $out/grid/report/index.html"
echo "Next, with data of your own: README.md, \"The real thing in six steps\" and \"Your own\"."
