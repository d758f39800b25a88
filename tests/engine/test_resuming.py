"""Whether a resumed training is the one that its checkpoint is of."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from sdp_plugin.apis.train import train
from sdp_plugin.engine.resuming import check_same_training
from sdp_plugin.errors import UserError
from sdp_plugin.settings import load_config

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
SCRIBBLES = 'pretrain/deeplabv2_r18-d8_1xb10-40k_voc12-scribbles-321x321.py'
PCAM = 'finetune/resnet18_1xb32-100e_pcam.py'
CRC = 'finetune/resnet18_1xb32-200e_crc.py'
CLASSES = 'pretrain/resnet34_1xb10-40k_voc12-classes-321x321.py'

# Each entry: a config, and what is another training with one of its settings.
ANOTHER = [
    (PCAM, 'lr', 1e-3),
    (PCAM, 'initialisation', 'other.pth'),
    (PCAM, 'examples_per_class', 50),
    (PCAM, 'batch_size', 16),
    (PCAM, 'input_size', 64),
    (PCAM, 'seed', 1),
    (PCAM, 'precision', 'float32'),
    (PCAM, 'in_memory', False),
    (PCAM, 'optim_wrapper.clip_grad', {'max_norm': 1.0}),
    (PCAM, 'model.backbone.depth', 34),
    (PCAM, 'param_scheduler.0.gamma', 0.9),
    (CRC, 'fold', 3),
    (CRC, 'group_by', 'source_image'),
    (SCRIBBLES, 'crop_size', (97, 97)),
    (SCRIBBLES, 'line_width', 5),
    (SCRIBBLES, 'lr', 1e-3),
    (SCRIBBLES, 'model.decode_head.loss_decode.normalisation', 'all'),
]
THE_SAME = [
    (PCAM, 'max_epochs', 150),
    (PCAM, 'data_root', '/elsewhere'),
    (PCAM, 'num_workers', 7),
    (SCRIBBLES, 'max_iters', 60000),
    (SCRIBBLES, 'data_root', '/elsewhere'),
    (SCRIBBLES, 'scribbles', '/elsewhere'),
    (SCRIBBLES, 'cache_dir', '/elsewhere'),
    (SCRIBBLES, 'decode_first', False),
]
UNSAID = [
    (SCRIBBLES, 'checkpoint_minutes', 1),
    (SCRIBBLES, 'default_hooks.logger.interval', 5),
    (SCRIBBLES, 'log_level', 'WARNING'),
    (SCRIBBLES, 'compile_backbone', True),
    (SCRIBBLES, 'test_dataloader.batch_size', 3),
    (SCRIBBLES, 'test_evaluator', dict(type='IoUMetric', iou_metrics=['mDice'])),
]


def ids(case: object) -> str:
    return case if isinstance(case, str) else ''


@pytest.fixture
def compared(tmp_path):
    """``compared(config, options)``: what differs from the config that a checkpoint carries."""

    def compare(config: str, name: str, value: object) -> list[str]:
        checkpoint = tmp_path / 'iter_2.pth'
        torch.save({'meta': {'cfg': load_config(CONFIGS / config).pretty_text}, 'state_dict': {}}, checkpoint)
        return check_same_training(load_config(CONFIGS / config, {name: value}), checkpoint)

    return compare


@pytest.mark.parametrize(('config', 'name', 'value'), ANOTHER, ids=ids)
def test_another_training_is_refused(compared, config, name, value):
    with pytest.raises(UserError, match='another one than this config') as error:
        compared(config, name, value)
    assert 'in the checkpoint' in str(error.value)


@pytest.mark.parametrize(('config', 'name', 'value'), THE_SAME, ids=ids)
def test_what_may_differ_is_said(compared, config, name, value):
    lines = compared(config, name, value)
    assert lines
    assert all(line.startswith('Resumed with another value of train_') or 'param_scheduler' in line for line in lines)


@pytest.mark.parametrize(('config', 'name', 'value'), UNSAID, ids=ids)
def test_what_trains_nothing_is_not_compared(compared, config, name, value):
    assert compared(config, name, value) == []


@pytest.mark.parametrize('config', [SCRIBBLES, PCAM, CRC, CLASSES])
def test_a_config_is_that_of_its_checkpoint(compared, config):
    assert compared(config, 'log_level', 'INFO') == []


def test_a_checkpoint_without_a_config_is_refused(tmp_path):
    torch.save({'meta': {}, 'state_dict': {}}, tmp_path / 'iter_2.pth')
    with pytest.raises(UserError, match='carries no config'):
        check_same_training(load_config(CONFIGS / PCAM), tmp_path / 'iter_2.pth')


def test_a_training_goes_on_longer_and_says_so_but_never_at_another_rate(small_config, tmp_path):
    options = {'default_hooks.checkpoint.interval': 1, 'input_size': 32}
    train(small_config(PCAM, max_epochs=1, **options))
    with pytest.raises(UserError, match=r'optimizer\.lr'):
        train(small_config(PCAM, max_epochs=2, lr=0.5, **options), resume=True)
    assert json.loads((tmp_path / 'run' / 'results.json').read_text())['settings']['lr'] == 1e-4
    train(small_config(PCAM, max_epochs=2, **options), resume=True)
    log = ''.join(path.read_text() for path in (tmp_path / 'run').glob('*/*.log'))
    assert 'Resumed with another value of train_cfg.max_epochs: 1 in the checkpoint, 2 now' in log


def test_what_has_gone_on_for_longer_is_not_resumed(small_config, tmp_path):
    options = {'default_hooks.checkpoint.interval': 1}
    train(small_config(PCAM, max_epochs=2, **options))
    before = (tmp_path / 'run' / 'results.json').read_text()
    with pytest.raises(UserError, match='max_epochs=2 or more'):
        train(small_config(PCAM, max_epochs=1, **options), resume=True)
    assert (tmp_path / 'run' / 'results.json').read_text() == before
