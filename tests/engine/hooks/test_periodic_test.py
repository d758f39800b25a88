"""Tests along a training: seen, kept over a resumption, and without any influence on the training."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from power_cut import PowerCutError

from sdp_plugin.apis.train import build_runner, run_training, train
from sdp_plugin.checkpoints.reading import load_checkpoint
from sdp_plugin.engine.hooks.periodic_test import PeriodicTestHook, metrics_along
from sdp_plugin.grid.train_cells import curve_of

SCRIBBLES = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
CLASSES = 'pretrain/resnet34_1xb10-40k_voc12-classes-321x321.py'
SHORT = {'max_iters': 4, 'default_hooks.checkpoint.interval': 2, 'lr': 0.01}


@pytest.mark.parametrize(('config', 'metric'), [(SCRIBBLES, 'mIoU'), (CLASSES, 'multi-label/mAP')])
def test_a_training_that_is_tested_ends_as_one_that_is_not(small_config, tmp_path, config, metric):
    ends = {}
    for interval in (0, 1):
        cfg = small_config(config, **SHORT, test_interval=interval)
        cfg.test_dataloader.dataset.pipeline.insert(2, dict(type='mmseg.RandomFlip', prob=0.5))
        cfg.work_dir = str(tmp_path / str(interval))
        runner = build_runner(cfg)
        run_training(runner)
        ends[interval] = load_checkpoint(tmp_path / str(interval) / 'iter_4.pth')['state_dict']
        tests = metrics_along(runner.message_hub)
        assert list(tests) == ([1, 2, 3] if interval else [])
        assert all(metric in metrics for metrics in tests.values())
    for name, tensor in ends[0].items():
        assert torch.equal(tensor, ends[1][name]), name


def test_random_numbers_and_modes_stay_as_they_were(small_config):
    cfg = small_config(SCRIBBLES, **SHORT)
    cfg.test_dataloader.dataset.pipeline.insert(2, dict(type='mmseg.RandomFlip', prob=0.5))
    runner = build_runner(cfg)
    runner.call_hook('before_run')
    runner.model.train()
    numpy_state, torch_state = np.random.get_state()[1:3], torch.get_rng_state()
    PeriodicTestHook(1).after_train_iter(runner, 0)
    assert list(metrics_along(runner.message_hub)) == [1]
    assert all(np.array_equal(*states) for states in zip(numpy_state, np.random.get_state()[1:3], strict=True))
    assert torch.equal(torch_state, torch.get_rng_state())
    assert runner.model.training


def test_the_curve_of_a_resumed_training_has_all_tests(small_config):
    cut = small_config(SCRIBBLES, **SHORT, test_interval=1)
    cut.custom_hooks = [dict(type='sdp_plugin.PowerCutHook', after=3)]
    with pytest.raises(PowerCutError):
        train(cut)
    runner = build_runner(small_config(SCRIBBLES, **SHORT, test_interval=1), resume=True)
    run_training(runner)
    assert [row['step'] for row in curve_of(runner) if 'mIoU' in row] == [1, 2, 3]
