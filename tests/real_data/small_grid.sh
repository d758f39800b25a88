#!/usr/bin/env bash
# Run small_grid.py on the real images in SDP_REAL_DATA (see CONTRIBUTING.md) and report: minutes on two cores.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
out=work_dirs/real_small
source="$(realpath "${SDP_REAL_DATA:?names the folder of the real images}")"
python=(.venv/bin/python -W ignore)

mkdir -p "$out/voc/masks"
ln -sfn "$source" "$out/data"
voc="$source/VOCdevkit/VOC2012"
ln -sfn "$voc/JPEGImages" "$out/voc/JPEGImages"
ln -sfn "$voc/SegmentationClassAug" "$out/voc/SegmentationClassAug"
awk 'NR % 26 == 1' "$voc/ImageSets/Segmentation/train_aug.txt" >"$out/voc/train.txt"
awk 'NR % 25 == 1' "$voc/ImageSets/Segmentation/val.txt" >"$out/voc/val.txt"
# Few people's scribbles are at hand, so these are drawn after the masks of the images that are trained on.
while read -r id; do
    ln -sfn "$voc/SegmentationClassAug/$id.png" "$out/voc/masks/$id.png"
done <"$out/voc/train.txt"
"${python[@]}" tools/scribbles.py synthesize --overwrite "$out/voc/masks" "$out/voc/scribbles"

"${python[@]}" tools/run_grid.py tests/real_data/small_grid.py --work-dir "$out/grid" "$@"
"${python[@]}" tools/draw_segmentations.py "$out/grid"
"${python[@]}" tools/report.py "$out/grid"
