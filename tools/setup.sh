#!/usr/bin/env bash
# Make .venv with a matched, pinned stack and the plugin in it, or leave it as it is where that has been done.
# PYTHON names the interpreter (default: the first of python3.11, python3.12, python3 that is 3.11 or newer).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

is_recent() { "$1" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
    for candidate in ${PYTHON:-python3.11 python3.12 python3}; do
        if is_recent "$candidate"; then
            echo "$candidate"
            return
        fi
    done
    echo "error: no Python 3.11 or newer found (looked for ${PYTHON:-python3.11, python3.12, python3})." >&2
    echo "       Install one, or name it: PYTHON=/path/to/python3.11 bash $0" >&2
    exit 1
}

fingerprint() { cat requirements/openmmlab.txt requirements/extras.txt requirements/tests.txt setup.cfg tools/setup.sh | cksum; }

done_before=.venv/.sdp_plugin_setup
if [ -f "$done_before" ] && [ "$(cat "$done_before")" = "$(fingerprint)" ] && is_recent .venv/bin/python; then
    exit 0
fi
python=$(find_python)
echo "Setting up .venv with $("$python" --version) (some gigabytes of PyTorch; once)"
is_recent .venv/bin/python || "$python" -m venv --clear .venv
.venv/bin/python -m pip install --quiet --disable-pip-version-check uv
.venv/bin/uv pip install --quiet --python .venv/bin/python -r requirements/openmmlab.txt -r requirements/extras.txt \
    -r requirements/tests.txt
.venv/bin/uv pip install --quiet --python .venv/bin/python --no-deps -e .
# Else each process compiles some thousand modules where nothing may write them. Templates among them are no Python.
.venv/bin/python -m compileall -q -j 0 .venv/lib/python*/site-packages >/dev/null || true
fingerprint >"$done_before"
echo "Set up: .venv/bin/python"
