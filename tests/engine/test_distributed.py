"""Two processes train together, without a GPU."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from mmengine.config import Config

from sdp_plugin.checkpoints.reading import load_checkpoint
from sdp_plugin.engine.distributed import prepare_cpu_group

ROOT = Path(__file__).parents[2]
PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'


def test_a_single_process_is_left_alone():
    cfg = Config(dict(launcher='none'))
    prepare_cpu_group(cfg)
    assert 'model_wrapper_cfg' not in cfg


@pytest.mark.slow
def test_two_processes_train_and_test(small_options, tmp_path):
    options = small_options(PCAM, examples_per_class=4, max_epochs=1)
    command = [sys.executable, '-m', 'torch.distributed.run', '--nproc_per_node=2', '--master_port=0', '--standalone']
    command += [str(ROOT / 'tools' / 'train.py'), str(ROOT / 'configs' / PCAM), '--launcher', 'pytorch']
    command += ['--work-dir', str(tmp_path / 'run'), '--cfg-options', *(f'{k}={v}' for k, v in options.items())]
    environment = {**os.environ, 'OMP_NUM_THREADS': '1', 'CUDA_VISIBLE_DEVICES': ''}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=400)
    assert done.returncode == 0, done.stderr[-3000:]
    # Eight examples in batches of two on two processes.
    assert load_checkpoint(tmp_path / 'run' / 'epoch_1.pth')['meta']['iter'] == 2
    assert 'accuracy/top1' in json.loads((tmp_path / 'run' / 'results.json').read_text())['metrics']
