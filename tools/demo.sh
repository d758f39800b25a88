#!/usr/bin/env bash
# Set up .venv where needed and run the whole method on small generated data. Arguments go to tools/run_grid.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/setup.sh
python=(.venv/bin/python -W ignore)
out=work_dirs/demo
"${python[@]}" tools/make_demo_data.py "$out/data"
"${python[@]}" tools/run_grid.py configs/grids/demo.py --work-dir "$out/grid" "$@"
"${python[@]}" tools/draw_segmentations.py "$out/grid"
"${python[@]}" tools/report.py "$out/grid"
