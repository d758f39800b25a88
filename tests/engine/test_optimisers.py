"""Optimisers made fast: what they compute stays the same."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from sdp_plugin.engine.optimisers import can_be_captured, fuse

CPU = torch.device('cpu')
HAS_FUSED_ADAM = tuple(map(int, torch.__version__.split('.')[:2])) >= (2, 4)  # on CPUs
FORMATS = [torch.contiguous_format, torch.channels_last]


def _stepped(model: nn.Module, optimiser: torch.optim.Optimizer) -> nn.Module:
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        # The same values at the same places, whatever the memory order.
        parameter.grad = torch.empty_like(parameter).copy_(torch.randn(parameter.shape, generator=generator))
    optimiser.step()
    return model


@pytest.mark.parametrize('written', FORMATS, ids=['written contiguous', 'written channels last'])
@pytest.mark.parametrize('resumed', FORMATS, ids=['resumed contiguous', 'resumed channels last'])
def test_a_state_in_another_memory_order_is_understood(written, resumed):
    model = nn.Conv2d(4, 6, 3).to(memory_format=written)
    optimiser = torch.optim.Adam(model.parameters(), lr=0.1)
    _stepped(model, optimiser)
    state, weights = copy.deepcopy(optimiser.state_dict()), copy.deepcopy(model.state_dict())
    expected = _stepped(model, optimiser)

    again = nn.Conv2d(4, 6, 3)
    again.load_state_dict(weights)
    again.to(memory_format=resumed)
    optimiser = torch.optim.Adam(again.parameters(), lr=0.1)
    optimiser.load_state_dict(state)
    fuse(optimiser, CPU, capturable=False)
    assert bool(optimiser.param_groups[0]['fused']) == HAS_FUSED_ADAM
    torch.testing.assert_close(_stepped(again, optimiser).state_dict(), expected.state_dict())


def test_a_config_may_forbid_it():
    optimiser = torch.optim.Adam(nn.Linear(2, 2).parameters(), fused=False)
    fuse(optimiser, CPU, capturable=False)
    assert not optimiser.param_groups[0]['fused']


def test_which_can_be_captured():
    weights = [nn.Parameter(torch.zeros(2))]
    assert can_be_captured(torch.optim.Adam(weights))
    assert not can_be_captured(torch.optim.SGD(weights, lr=0.1))
