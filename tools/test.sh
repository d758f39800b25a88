#!/usr/bin/env bash
# Set up .venv where needed, check the style and run the tests. Arguments go to pytest; -m '' adds the slow tests.
# SDP_REAL_DATA=/path/to/data also runs the tests on real images (see CONTRIBUTING.md).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/setup.sh
.venv/bin/ruff check .
.venv/bin/ruff format --check .
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
exec .venv/bin/python -m pytest -n "${SDP_TEST_WORKERS:-2}" "$@"
