#!/usr/bin/env bash
# What to do with the minutes of a GPU, in stages that go on where they were: see gpu_day.py --help.
#
#   bash tools/benchmarks/gpu_day.sh pack                     here, with internet: what the GPU's machine lacks
#   bash tools/benchmarks/gpu_day.sh right|fast|true ...      there
#   bash tools/benchmarks/gpu_day.sh unpack FOLDER            here: the trunks that came back
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
python=${PYTHON:-$([ -x .venv/bin/python ] && echo .venv/bin/python || command -v python3)}
wheels=${SDP_WHEELS:-work_dirs/gpu_wheels}
site=${SDP_SITE:-work_dirs/gpu_site}
export PYTHONPATH="$PWD:$PWD/tools/benchmarks:$PWD/$site${PYTHONPATH:+:$PYTHONPATH}"
if ! "$python" -c 'import mmpretrain, mmseg, pydantic' >/dev/null 2>&1 && [ -d "$wheels" ]; then
    "$python" -m pip install --quiet --no-index --no-deps --upgrade --target "$site" "$wheels"/*.whl
fi
exec "$python" -W ignore tools/benchmarks/gpu_day.py "$@"
