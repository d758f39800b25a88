"""The initialisation of a classifier and the card in its checkpoints."""

from __future__ import annotations

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from sdp_plugin.apis.train import train
from sdp_plugin.checkpoints.reading import load_checkpoint
from sdp_plugin.conversion.carry_over import carry_over, write
from sdp_plugin.errors import UserError

SCRIBBLES = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
CRC = 'finetune/resnet34_1xb32-200e_crc.py'
TILES = 'finetune/resnet34_1xb32-100e_tile-folder.py'


@pytest.fixture
def initialisation(small_config, tmp_path):
    """A converted checkpoint of a small segmentor that has seen no training."""

    def make(depth: int = 18):
        runner = Runner.from_cfg(small_config(SCRIBBLES, f'source{depth}', **{'model.backbone.depth': depth}))
        source, out = tmp_path / f'source{depth}.pth', tmp_path / f'initialisation{depth}.pth'
        torch.save({'state_dict': runner.model.state_dict(), 'meta': {'cfg': runner.cfg.pretty_text}}, source)
        write(carry_over(source, verified=False), out)
        return out

    return make


def backbone_of(model) -> dict[str, torch.Tensor]:
    return {name: tensor.detach().clone() for name, tensor in model.backbone.state_dict().items()}


@pytest.mark.parametrize('in_memory', [True, False])
def test_training_starts_from_the_initialisation(small_config, initialisation, in_memory):
    path = initialisation()
    runner = Runner.from_cfg(small_config(PCAM, initialisation=str(path), max_epochs=1, in_memory=in_memory))
    stopped = _KeepAndStop()
    runner.register_hook(stopped)
    with pytest.raises(_StopError):
        runner.train()
    given = load_checkpoint(path)['state_dict']
    assert given.keys() == {f'backbone.{name}' for name in stopped.weights}
    assert all(torch.equal(given[f'backbone.{name}'], tensor) for name, tensor in stopped.weights.items())


class _StopError(Exception):
    pass


class _KeepAndStop(Hook):
    """Keep the weights of the backbone as they are before the first iteration."""

    priority = 'LOWEST'

    def before_train_iter(self, runner, batch_idx, data_batch=None):
        self.weights = backbone_of(runner.model)
        raise _StopError


def test_trained_weights_are_tested_and_not_the_initial_ones(small_config, initialisation):
    runner = Runner.from_cfg(small_config(PCAM, initialisation=str(initialisation()), max_epochs=1))
    runner.train()
    trained = backbone_of(runner.model)
    runner.test()
    tested = backbone_of(runner.model)
    assert all(torch.equal(trained[name], tested[name]) for name in trained)


def test_a_resumed_training_keeps_its_weights(small_config, initialisation, tmp_path):
    options = {'initialisation': str(initialisation()), 'default_hooks.checkpoint.interval': 1}
    train(small_config(PCAM, max_epochs=1, **options))
    trained = load_checkpoint(tmp_path / 'run' / 'epoch_1.pth')['state_dict']
    train(small_config(PCAM, max_epochs=1, **options), resume=True)
    again = load_checkpoint(tmp_path / 'run' / 'epoch_1.pth')['state_dict']
    assert all(torch.equal(trained[name], again[name]) for name in trained)


def test_an_initialisation_of_another_depth_is_refused(small_config, initialisation):
    with pytest.raises(UserError, match='does not fit the backbone'):
        train(small_config(PCAM, initialisation=str(initialisation(34))))


def test_an_unconverted_checkpoint_is_refused(small_config, tmp_path):
    torch.save({'state_dict': {'backbone.conv1.weight': torch.zeros(8, 3, 7, 7)}}, tmp_path / 'iter_2.pth')
    with pytest.raises(UserError, match=r'tools/convert_weights\.py'):
        train(small_config(PCAM, initialisation=str(tmp_path / 'iter_2.pth')))


def test_the_seed_makes_random_initialisations_differ_and_repeat(small_config):
    first, again, other = (Runner.from_cfg(small_config(PCAM, seed=seed)).model for seed in (0, 0, 1))
    assert torch.equal(first.backbone.conv1.weight, again.backbone.conv1.weight)
    assert not torch.equal(first.backbone.conv1.weight, other.backbone.conv1.weight)


@pytest.mark.parametrize(
    ('config', 'options', 'size', 'mpp', 'first'),
    [
        (PCAM, {}, [96, 96], 0.972, 'normal'),
        (PCAM, {'input_size': 48}, [48, 48], 1.944, 'normal'),
        (CRC, {}, [150, 150], 0.495, 'TUMOR'),
        (TILES, {'input_size': 32}, [32, 32], None, '01_TUMOR'),
        (TILES, {'input_size': 32, 'mpp': 0.5}, [32, 32], 0.5, '01_TUMOR'),
    ],
)
def test_checkpoints_say_how_to_apply_them(small_config, tmp_path, config, options, size, mpp, first):
    cfg = small_config(config, max_epochs=1, **options)
    train(cfg)
    card = load_checkpoint(tmp_path / 'run' / 'epoch_1.pth')['meta']['model_card']
    assert card['input_size'] == size
    assert card['mpp'] == mpp
    assert card['classes'][0] == first
    assert len(card['classes']) == cfg.model.head.num_classes
    assert card['mean'] == [123.675, 116.28, 103.53]
    assert card['std'] == [58.395, 57.12, 57.375]
    assert card['channel_order'] == 'rgb'


def test_another_number_of_classes_than_the_data_has_is_refused(small_config):
    with pytest.raises(UserError, match='num_classes=8'):
        train(small_config(CRC, num_classes=3))
