"""Memory order and compilation."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from torch import nn

from sdp_plugin.engine.hooks import PrepareModelHook


def runner_of_a_model() -> SimpleNamespace:
    model = nn.Module()
    model.backbone = nn.Conv2d(3, 4, 3)
    return SimpleNamespace(model=model)


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
