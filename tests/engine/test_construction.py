"""A config that does not fit its classes: one error before the first step, whatever the classes raise."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from power_cut import PowerCutError

from sdp_plugin.apis import train as run
from sdp_plugin.engine.construction import faults_of
from sdp_plugin.errors import UserError

ROOT = Path(__file__).parents[2]
PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
SCRIBBLES = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'

# Path in the config, value, and a word that the message has.
FAULTS_OF_CLASSIFIER = [
    ('model', 3, ''),
    ('model.type', 'Nope', 'Nope'),
    ('model.backbone.type', 'Nope', 'ImageClassifier > Nope'),
    ('model.backbone.depth', 19, 'invalid depth 19'),
    ('model.backbone.typo', 1, "'typo'"),
    ('model.head.loss.type', 'Nope', 'Nope'),
    ('model.head.in_channels', 7, ''),
    ('model.data_preprocessor', 5, ''),
    ('model.data_preprocessor', dict(mean=['a']), 'mean'),
    ('train_dataloader.dataset', None, ''),
    ('train_dataloader.dataset.type', 'Nope', 'Nope'),
    ('train_dataloader.dataset.pipeline', ['a'], ''),
    ('train_dataloader.dataset.pipeline', [dict(type='Nope')], 'Nope'),
    ('train_dataloader.dataset.pipeline', [dict(type='PackInputs')], ''),
    ('train_dataloader.sampler.type', 'Nope', 'Nope'),
    ('train_dataloader.collate_fn', dict(type='nope'), ''),
    ('train_cfg', dict(type='Nope'), 'Nope'),
    ('optim_wrapper.optimizer.type', 'Nope', 'Nope'),
    ('optim_wrapper.optimizer.betas', 3, ''),
    ('optim_wrapper.paramwise_cfg', 3, ''),
    ('param_scheduler', ['a'], 'param_scheduler'),
    ('param_scheduler', [dict(type='Nope')], 'Nope'),
    ('custom_hooks', ['a'], ''),
    ('custom_hooks', [dict()], 'type'),
    ('custom_hooks', [dict(type='NopeHook')], 'NopeHook'),
    ('default_hooks.logger', 'a', ''),
    ('test_evaluator', dict(type='Nope'), 'Nope'),
    ('test_evaluator', None, ''),
    ('test_dataloader.dataset.pipeline', [dict(type='PackInputs')], 'test set'),
    ('visualizer', 3, 'visualizer'),
    ('log_processor', 3, ''),
    ('env_cfg', 3, ''),
    ('randomness', 3, ''),
    ('default_scope', 3, ''),
    ('default_scope', 'nope', 'ImageClassifier'),
    ('load_from', 5, ''),
    ('log_level', 'NOPE', 'NOPE'),
]
FAULTS_OF_SEGMENTOR = [
    ('model.decode_head.type', 'Nope', 'EncoderDecoder > Nope'),
    ('model.decode_head.in_channels', 7, ''),
    ('model.decode_head.in_index', 9, ''),
    ('model.decode_head.loss_decode.type', 'Nope', 'Nope'),
    ('model.decode_head.loss_decode.class_weight', [1.0, 2.0], 'weight'),
    ('model.auxiliary_head', 3, ''),
    ('model.test_cfg', dict(mode='slide'), ''),
]


@pytest.mark.parametrize(
    ('config', 'path', 'value', 'word'),
    [(PCAM, *fault) for fault in FAULTS_OF_CLASSIFIER] + [(SCRIBBLES, *fault) for fault in FAULTS_OF_SEGMENTOR],
)
def test_a_config_that_does_not_fit_is_one_error(small_config, config, path, value, word):
    cfg = small_config(config)
    *parents, last = path.split('.')
    node = cfg
    for part in parents:
        node = node[part]
    node[last] = value
    with pytest.raises(UserError) as caught:
        run.train(cfg)
    assert word in str(caught.value)
    assert not list(Path(cfg.work_dir).glob('*.pth'))


def test_what_is_raised_after_the_first_step_stays_what_it_is(small_config):
    cfg = small_config(SCRIBBLES, max_iters=4)
    cfg.custom_hooks = [dict(type='sdp_plugin.PowerCutHook', after=2)]
    with pytest.raises(PowerCutError):
        run.train(cfg)


class OutOfMemoryHook(Hook):
    def before_train_iter(self, runner, batch_idx, data_batch=None):
        raise torch.cuda.OutOfMemoryError('CUDA out of memory')


def test_a_device_without_memory_is_no_fault_of_the_config(small_config):
    """Trainings side by side start again, fewer at once; one by itself ends in an error of memory."""
    runner = run.build_runner(small_config(PCAM, 'grid'))
    runner.register_hook(OutOfMemoryHook())
    with pytest.raises(torch.cuda.OutOfMemoryError):
        run.run_training(runner)
    cfg = small_config(PCAM, 'tool')
    cfg.custom_hooks = [OutOfMemoryHook()]
    with pytest.raises(MemoryError, match='CUDA out of memory'):
        run.train(cfg)


@pytest.mark.parametrize('error', [UserError('a'), OSError(28, 'full'), MemoryError()])
def test_what_has_an_error_of_its_own_passes(error):
    with pytest.raises(type(error)) as caught, faults_of(Config()):
        raise error
    assert caught.value is error


def test_a_worker_of_a_loader_is_quoted_by_its_last_line():
    text = 'Caught KeyError in DataLoader worker process 0.\nOriginal Traceback (most recent call last):\nKeyError: 17'
    with pytest.raises(UserError, match='found:      KeyError: 17'), faults_of(Config()):
        raise KeyError(text)


def test_where_it_was_raised_is_shown_on_request(small_options, tmp_path):
    options = small_options(PCAM) | {'model.backbone.depth': 19}
    words = [f'{key}={value}' for key, value in options.items()]
    command = [
        sys.executable,
        'tools/train.py',
        f'configs/{PCAM}',
        '--work-dir',
        str(tmp_path),
        '--cfg-options',
        *words,
    ]
    done = [
        subprocess.run(command, cwd=ROOT, env=os.environ | {'SDP_TRACEBACK': value}, capture_output=True, text=True)
        for value in ('0', '1')
    ]
    assert [each.returncode for each in done] == [2, 2]
    assert ['Traceback' in each.stderr for each in done] == [False, True]
    assert all('invalid depth 19' in each.stderr for each in done)
