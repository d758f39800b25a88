#!/usr/bin/env bash
# Run the tests with the last upstream releases of OpenMMLab instead of the maintained forks: mmengine 0.10.7,
# mmcv 2.1.0, mmsegmentation 1.2.2, mmpretrain 1.2.0 on torch 2.1 and numpy 1.26. It makes .venv-upstream; mmcv compiles
# for some 13 minutes on two cores. Needs Python 3.11 and a C++ compiler. Arguments go to pytest.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
venv=.venv-upstream
if [ ! -f "$venv/.complete" ]; then
    "${PYTHON:-python3.11}" -m venv --clear "$venv"
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check uv
    install() { "$venv/bin/uv" pip install --quiet --python "$venv/bin/python" -c requirements/upstream.txt "$@"; }
    # mmcv's build needs torch, and a setuptools that still brings pkg_resources.
    install 'setuptools<70' wheel psutil torch torchvision numpy
    MMCV_WITH_OPS=1 install --no-build-isolation mmcv
    install -r requirements/upstream.txt pytest pytest-xdist hypothesis jsonschema statsmodels baycomp build \
        'transformers<4.50'
    install -e '.[timm,slides,export,ray]'
    touch "$venv/.complete"
fi
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
exec "$venv/bin/python" -m pytest -n "${SDP_TEST_WORKERS:-2}" "$@"
