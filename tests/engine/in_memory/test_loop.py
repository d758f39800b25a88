"""The in-memory loops against mmengine's own."""

from __future__ import annotations

import pytest
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import nn

from sdp_plugin.engine import weight_gradients
from sdp_plugin.engine.in_memory.images import clear_cache
from sdp_plugin.engine.in_memory.step import draws_random_numbers
from sdp_plugin.registry import HOOKS

PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
CRC = 'finetune/resnet34_1xb32-200e_crc.py'
SWIN = 'finetune/swin-tiny_1xb32-100e_pcam.py'


def without_chance(size: int) -> dict:
    """Options that leave of both pipelines what is not random, at a size in pixels."""
    pipeline = [dict(type='sdp_plugin.LoadPatch'), dict(type='Resize', scale=size), dict(type='PackInputs')]
    return {f'{part}_dataloader.dataset.pipeline': pipeline for part in ('train', 'test')}


@pytest.fixture(autouse=True)
def _no_images_from_other_tests():
    clear_cache()


@HOOKS.register_module(force=True)
class LossesHook(Hook):
    """Keep the loss of every iteration, and the gradients of the first."""

    def __init__(self, in_double: bool = False) -> None:
        self.in_double = in_double
        self.losses: list[torch.Tensor] = []
        self.gradients: dict[str, torch.Tensor] = {}

    def before_train(self, runner):
        if self.in_double:
            runner.model.double()
        zero_grad = runner.optim_wrapper.optimizer.zero_grad

        def keeping_gradients(*args, **kwargs):
            if not self.gradients:
                self.gradients = {
                    name: parameter.grad.clone()
                    for name, parameter in runner.model.named_parameters()
                    if parameter.grad is not None
                }
            zero_grad(*args, **kwargs)

        runner.optim_wrapper.optimizer.zero_grad = keeping_gradients

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.losses.append(outputs['loss'].detach().clone())


def trained(cfg, in_double: bool = False) -> tuple[Runner, LossesHook]:
    cfg.default_hooks.checkpoint = None
    runner = Runner.from_cfg(cfg)
    hook = LossesHook(in_double)
    runner.register_hook(hook, 'VERY_LOW')
    runner.train()
    return runner, hook


def both_ways(small_config, in_double: bool, **options) -> tuple[tuple[Runner, LossesHook], tuple[Runner, LossesHook]]:
    ways = {'reference': False, 'in memory': True}
    return tuple(
        trained(small_config(PCAM, name, in_memory=flag, precision='float32', **options), in_double)
        for name, flag in ways.items()
    )


# 12 images in batches of 8: one whole batch and one of 4 in an epoch, with last maps of 2 x 2 pixels. Fewer values in
# a channel would make batch normalisation chaotic: rounding errors would grow tenfold within a few steps.
SIXTEEN_STEPS = dict(batch_size=8, examples_per_class=6, max_epochs=8) | without_chance(36)
FIFTY = dict(max_epochs=25)
SGD = dict(type='SGD', lr=1e-3, momentum=0.9, weight_decay=5e-4)
BY_ITERATION = [dict(type='PolyLR', power=0.9, eta_min=0.0, begin=0, end=20, by_epoch=False)]
AGREEING = {
    'small network': FIFTY,
    'weight decay': {'optim_wrapper.optimizer.weight_decay': 0.1},
    'AdamW, clipped': {'optim_wrapper.optimizer.type': 'AdamW', 'optim_wrapper.clip_grad': dict(max_norm=0.5)},
    'SGD': {'optim_wrapper.optimizer': SGD},
    'schedule by iteration': {'param_scheduler': BY_ITERATION},
    'last batch dropped': {'train_dataloader.drop_last': True, 'max_epochs': 16},
    'BGR images': {'data_preprocessor.to_rgb': False},
    'ResNet-34, narrow': {'model.backbone.depth': 34},
}


@pytest.mark.parametrize(
    'options',
    [
        *(pytest.param(options, id=name) for name, options in AGREEING.items()),
        pytest.param(FIFTY | {'small_model': False}, id='ResNet-34', marks=pytest.mark.slow),
    ],
)
def test_steps_in_double_precision_agree_with_the_reference(small_config, options, monkeypatch):
    # Also the narrow convolutions of the small networks get their weight gradients as the wide ones do.
    monkeypatch.setattr(weight_gradients, 'LEAST_CHANNELS', 1)
    monkeypatch.setattr(weight_gradients, '_has_avx512', lambda: False)
    (reference, wanted), (fast, found) = both_ways(small_config, in_double=True, **SIXTEEN_STEPS | options)
    assert len(found.losses) == len(wanted.losses) == (50 if options.items() >= FIFTY.items() else 16)
    assert found.losses[0].dtype == torch.float64
    torch.testing.assert_close(torch.stack(found.losses), torch.stack(wanted.losses), rtol=1e-9, atol=0)
    for (name, one), other in zip(reference.model.state_dict().items(), fast.model.state_dict().values(), strict=True):
        torch.testing.assert_close(other, one, rtol=1e-8, atol=1e-8, msg=lambda text, name=name: f'{name}: {text}')
    assert fast.optim_wrapper.get_lr() == reference.optim_wrapper.get_lr()


@pytest.mark.parametrize(
    ('options', 'product'),
    [({}, True), ({'train_cfg.channels_last': False}, False), ({'precision': 'bfloat16'}, True)],
)
def test_weight_gradients_are_products_while_it_trains(small_config, monkeypatch, options, product):
    monkeypatch.setattr(weight_gradients, 'LEAST_CHANNELS', 1)
    cfg = small_config(PCAM, max_epochs=1, **{'precision': 'float32'} | options)
    seen = []
    monkeypatch.setattr(
        LossesHook,
        'after_train_iter',
        lambda self, runner, *args, **kwargs: seen.extend(type(module) for module in _convolutions(runner)),
    )
    runner, _ = trained(cfg)
    assert seen
    assert {kind is not nn.Conv2d for kind in seen} == {product}
    assert {type(module) for module in _convolutions(runner)} == {nn.Conv2d}


MOMENTUM = [dict(type='CosineAnnealingMomentum', T_max=2, by_epoch=True)]


@pytest.mark.parametrize(('options', 'can'), [({}, True), ({'param_scheduler': MOMENTUM}, False)])
def test_only_schedules_of_the_learning_rate_can_be_recorded(small_config, options, can):
    runner, _ = trained(small_config(PCAM, max_epochs=1, **options))
    assert runner.train_loop._can_be_captured() == can


@pytest.mark.parametrize(
    ('module', 'draws'),
    [
        (nn.Conv2d(2, 2, 1), False),
        (nn.Dropout(0.0), False),
        (nn.Dropout(0.1), True),
        (nn.MultiheadAttention(4, 1), False),
        (nn.MultiheadAttention(4, 1, dropout=0.1), True),
    ],
    ids=str,
)
def test_which_networks_draw_random_numbers(module, draws):
    assert draws_random_numbers(nn.Sequential(module)) == draws


def _convolutions(runner: Runner) -> list[nn.Module]:
    return [module for module in runner.model.modules() if isinstance(module, nn.Conv2d)]


@pytest.mark.parametrize('small_model', [True, False], ids=['small network', 'ResNet-34'])
def test_the_first_step_in_single_precision_agrees_with_the_reference(small_config, small_model):
    # Channels last rounds otherwise, and a deep network in training mode amplifies that: see docs/speed.md.
    options = (
        {'train_cfg.channels_last': False}
        | dict(batch_size=4, examples_per_class=4, max_epochs=1, small_model=small_model)
        | without_chance(96)
    )
    (_, wanted), (_, found) = both_ways(small_config, in_double=False, **options)
    torch.testing.assert_close(found.losses[0], wanted.losses[0], rtol=1e-5, atol=0)
    assert wanted.gradients.keys() == found.gradients.keys()
    scale = max(gradient.abs().max() for gradient in wanted.gradients.values())
    for name, gradient in wanted.gradients.items():
        torch.testing.assert_close(
            found.gradients[name], gradient, rtol=1e-4, atol=1e-4 * scale, msg=lambda text, name=name: f'{name}: {text}'
        )
