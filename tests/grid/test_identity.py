"""Ids change with what influences a result, and with nothing else."""

from __future__ import annotations

import copy

import pytest

from sdp_plugin.grid.identity import cell_id, digest, training_digest, versions
from sdp_plugin.settings import load_config

CONFIG = 'finetune/resnet34_1xb32-200e_crc.py'
VERSIONS = {'torch': '2.13.0', 'numpy': '2.4.6'}


@pytest.fixture(scope='module')
def config() -> dict:
    from sdp_plugin.shipped import config_path

    return load_config(config_path(CONFIG)).to_dict()


def identity(config: dict, initialisation: str | None = 'i', **changes) -> str:
    values = dict(work='a:b', data=['d1', 'd2'], versions=VERSIONS) | changes
    return cell_id(training_digest(config, **values), initialisation)


def change(config: dict, path: str, value: object) -> dict:
    changed = copy.deepcopy(config)
    *parents, last = path.split('.')
    node = changed
    for part in parents:
        node = node.setdefault(part, {})
    node[last] = value
    return changed


COUNTS = {
    'optim_wrapper.optimizer.lr': 0.3,
    'optim_wrapper.optimizer.weight_decay': 0.1,
    'train_dataloader.batch_size': 33,
    'train_dataloader.dataset.seed': 3,
    'train_dataloader.dataset.examples_per_class': 13,
    'train_dataloader.dataset.fold': 1,
    'test_dataloader.dataset.fold': 1,
    'train_dataloader.dataset.group_by': 'source_image',
    'train_dataloader.dataset.pipeline': [],
    'train_cfg.max_epochs': 3,
    'randomness.seed': 1,
    'model.backbone.depth': 50,
    'model.backbone.frozen_stages': 4,
    'default_hooks.param_scheduler.type': 'Another',
    'custom_hooks': [dict(type='Another')],
    'test_evaluator': [],
    'load_from': 'weights.pth',
}
DOES_NOT_COUNT = {
    'data_root': '/elsewhere',
    'train_dataloader.dataset.data_root': '/elsewhere',
    'train_dataloader.dataset.data_prefix': {'img_path': '/elsewhere'},
    'work_dir': '/elsewhere',
    'experiment_name': 'x',
    'num_workers': 9,
    'cache_dir': 'elsewhere',
    'train_dataloader.dataset.decode_first': False,
    'train_dataloader.dataset.cache_dir': 'elsewhere',
    'train_dataloader.num_workers': 9,
    'train_dataloader.persistent_workers': False,
    'test_dataloader.num_workers': 9,
    'default_hooks.logger.interval': 3,
    'default_hooks.checkpoint.interval': 3,
    'visualizer.vis_backends': [dict(type='TensorboardVisBackend')],
    'vis_backends': [dict(type='WandbVisBackend')],
    'log_level': 'ERROR',
    'resume': True,
    'launcher': 'pytorch',
    'initialisation': 'elsewhere.pth',
    'default_hooks.initialisation.checkpoint': 'elsewhere.pth',
    'env_cfg.mp_cfg.mp_start_method': 'spawn',
}


@pytest.mark.parametrize(('path', 'value'), COUNTS.items())
def test_counts(config, path, value):
    assert identity(change(config, path, value)) != identity(config)


@pytest.mark.parametrize(('path', 'value'), DOES_NOT_COUNT.items())
def test_does_not_count(config, path, value):
    assert identity(change(config, path, value)) == identity(config)


@pytest.mark.parametrize(
    'changes',
    [
        {'work': 'c:d'},
        {'data': ['d1', 'd3']},
        {'data': None},
        {'initialisation': 'j'},
        {'initialisation': None},
        {'versions': VERSIONS | {'torch': '2.14.0'}},
    ],
    ids=str,
)
def test_what_is_beside_the_config_counts(config, changes):
    assert identity(config, **changes) != identity(config)


def test_places_of_data_count_while_nobody_knows_what_is_there(config):
    moved = change(config, 'train_dataloader.dataset.data_root', '/elsewhere')
    assert identity(moved, data=None) != identity(config, data=None)


def test_order_and_tuples_do_not_count(config):
    turned = {key: config[key] for key in reversed(config)}
    assert identity(turned) == identity(config)
    assert digest({'a': (1, 2), 'b': 3}) == digest({'b': 3, 'a': [1, 2]})
    assert digest([1, 2]) != digest([2, 1])


def test_ids_are_twelve_hexadecimal_digits_and_the_same_for_ever(config):
    assert len(identity(config)) == 12
    assert int(identity(config), 16)
    # A change here makes every finished result of every user stale.
    assert identity({'lr': 0.1}, initialisation=None, data=['x'], versions={}) == '22339f4f4955'


def test_a_set_is_the_same_in_every_process():
    assert digest({'b', 'a', 'c'}) == digest(['a', 'b', 'c'])


def test_the_config_is_not_changed(config):
    before = copy.deepcopy(config)
    identity(config)
    assert config == before


def test_versions_of_all_that_computes_are_found():
    found = versions()
    assert set(found) == {
        *('sdp_plugin', 'torch', 'torchvision', 'numpy', 'mmengine', 'mmcv', 'mmseg', 'mmpretrain'),
    }
    assert 'none' not in found.values()
    assert not any('+' in version for version in found.values())
