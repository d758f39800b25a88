"""Memory order, compilation, fused optimisers, weight gradients."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from mmengine.optim import OptimWrapper
from torch import nn

from sdp_plugin.engine.hooks import PrepareModelHook


def runner_of_a_model() -> SimpleNamespace:
    model = nn.Module()
    model.backbone = nn.Conv2d(3, 4, 3)
    optimiser = torch.optim.SGD(model.parameters(), lr=0.1)
    return SimpleNamespace(model=model, optim_wrapper=OptimWrapper(optimiser))


@pytest.mark.parametrize('channels_last', [False, True])
def test_weights_take_the_order(channels_last):
    runner = runner_of_a_model()
    before = runner.model.backbone.weight.detach().clone()
    PrepareModelHook(channels_last=channels_last).before_train(runner)
    weight = runner.model.backbone.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert torch.equal(weight, before)


def test_the_backbone_is_compiled_in_place(monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, 'compile', lambda self: compiled.append(self), raising=False)
    runner = runner_of_a_model()
    names = list(runner.model.state_dict())
    PrepareModelHook(compile_backbone=True).before_train(runner)
    assert compiled == [runner.model.backbone]
    assert list(runner.model.state_dict()) == names
    PrepareModelHook().before_train(runner)
    assert len(compiled) == 1


@pytest.mark.parametrize('channels_last', [False, True])
def test_weight_gradients_are_products_until_the_training_ends(channels_last):
    runner = runner_of_a_model()
    runner.model.backbone = nn.Conv2d(32, 32, 3)
    hook = PrepareModelHook(channels_last=channels_last)
    hook.before_train(runner)
    assert (type(runner.model.backbone) is not nn.Conv2d) == channels_last
    hook.after_train(runner)
    assert type(runner.model.backbone) is nn.Conv2d


def test_the_optimiser_is_fused_where_its_class_can_be():
    runner = runner_of_a_model()
    PrepareModelHook().before_train(runner)
    try:
        torch.optim.SGD(runner.model.parameters(), lr=0.1, fused=True)
    except (RuntimeError, TypeError):
        pytest.skip('this version of PyTorch has no fused SGD on a CPU')
    assert all(group['fused'] for group in runner.optim_wrapper.optimizer.param_groups)
