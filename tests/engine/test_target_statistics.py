"""Batch-norm statistics from unlabelled images of the target."""

from __future__ import annotations

import shutil

import h5py
import pytest
import torch
from mmengine.hooks import Hook
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner

from sdp_plugin.engine.target_statistics import reestimate_on_target
from sdp_plugin.errors import UserError

PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
CRC = 'finetune/resnet34_1xb32-200e_crc.py'


def classifier(cfg) -> torch.nn.Module:
    torch.manual_seed(0)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return MODELS.build({'data_preprocessor': cfg.data_preprocessor, **cfg.model})


def reestimated(cfg, count: int) -> torch.nn.Module:
    model = classifier(cfg)
    reestimate_on_target(model, cfg, count)
    return model


@pytest.mark.parametrize('config', [PCAM, CRC])
def test_the_whole_training_part_gives_the_statistics(small_config, config):
    cfg = small_config(config)
    assert cfg.examples_per_class == 1
    model = classifier(cfg)
    said = reestimate_on_target(model, cfg, 1000)
    images = {PCAM: 16, CRC: 24}[config]
    assert said == f'Batch-norm statistics: of 20 layers, from {images} unlabelled images of the training part'
    features = []
    model.backbone.conv1.register_forward_hook(lambda *arguments: features.append(arguments[2]))
    reestimate_on_target(model, cfg, 1000)
    (features,) = features
    assert len(features) == images
    torch.testing.assert_close(model.backbone.bn1.running_mean, features.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.backbone.bn1.running_var, features.var((0, 2, 3)), rtol=1e-4, atol=1e-5)


def test_the_seed_draws_the_images(small_config):
    first, again, other = (
        reestimated(small_config(PCAM, seed=seed), 6).backbone.bn1.running_mean for seed in (0, 0, 1)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_labels_are_not_looked_at(small_config, small_data, tmp_path):
    shutil.copytree(small_data.pcam, tmp_path / 'pcam')
    with h5py.File(tmp_path / 'pcam' / 'camelyonpatch_level_2_split_train_y.h5', 'r+') as file:
        file['y'][:] = 1 - file['y'][:]
    usual, other = (
        reestimated(small_config(PCAM, **{'data_root': str(root)}), 6) for root in (small_data.pcam, tmp_path / 'pcam')
    )
    assert all(torch.equal(tensor, other.state_dict()[name]) for name, tensor in usual.state_dict().items())


class _StopError(Exception):
    pass


class _KeepAndStop(Hook):
    priority = 'LOWEST'

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.state = {name: tensor.clone() for name, tensor in runner.model.state_dict().items()}
        raise _StopError


@pytest.mark.parametrize('in_memory', [True, False])
def test_fine_tuning_begins_with_them(small_config, in_memory):
    cfg = small_config(PCAM, batch_norm_images=6, in_memory=in_memory)
    runner = Runner.from_cfg(cfg)
    runner.register_hook(stopped := _KeepAndStop())
    with pytest.raises(_StopError):
        runner.train()
    model = classifier(cfg)
    model.load_state_dict(stopped.state)
    model.backbone.bn1.reset_running_stats()
    reestimate_on_target(model, cfg, 6)
    assert model.backbone.bn1.running_mean.abs().max() > 0.01
    for name, tensor in model.state_dict().items():
        torch.testing.assert_close(tensor, stopped.state[name], msg=name)


@pytest.mark.parametrize('count', [1, -3, True, 2.5, 'many'])
def test_a_senseless_number_is_refused(small_config, count):
    cfg = small_config(PCAM)
    with pytest.raises(UserError, match='at least 2'):
        reestimate_on_target(classifier(cfg), cfg, count)


def test_a_config_without_a_test_pipeline_is_refused(small_config):
    cfg = small_config(PCAM)
    cfg.test_dataloader = None
    with pytest.raises(UserError, match='test pipeline'):
        reestimate_on_target(classifier(cfg), cfg, 6)
