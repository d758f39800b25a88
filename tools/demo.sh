#!/usr/bin/env bash
# Set up .venv where needed and run the whole method on small generated data. Arguments go to tools/demo.py.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
bash tools/setup.sh
exec .venv/bin/python -W ignore tools/demo.py "$@"
