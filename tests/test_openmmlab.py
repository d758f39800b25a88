from __future__ import annotations

import subprocess
import sys

import pytest


@pytest.mark.slow
@pytest.mark.parametrize('module', ['sdp_plugin.apis', 'sdp_plugin.grid.train_cells', 'sdp_plugin.datasets.transforms'])
def test_imports_print_nothing(module):
    code = f'import {module}; from mmengine.registry import DATASETS; import mmseg.datasets, mmpretrain.datasets'
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (0, ''), done.stderr
    assert 'MultiScaleDeformableAttention' not in done.stderr
