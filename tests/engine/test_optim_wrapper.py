"""The number format of pre-training."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from sdp_plugin.engine.optim_wrapper import AutocastOptimWrapper
from sdp_plugin.errors import UserError


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 3)


@pytest.mark.parametrize(('precision', 'dtype'), [('float32', torch.float32), ('bfloat16', torch.bfloat16)])
def test_the_forward_pass_computes_in_the_precision(precision, dtype):
    model = Model()
    wrapper = AutocastOptimWrapper(precision, optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    before = model.backbone.weight.detach().clone()
    with wrapper.optim_context(model):
        outputs = model.backbone(torch.randn(1, 3, 8, 8))
        loss = outputs.float().square().mean()
    assert outputs.dtype == dtype
    wrapper.update_params(loss)
    assert model.backbone.weight.dtype == torch.float32
    assert not torch.equal(model.backbone.weight, before)


def test_an_unknown_precision_is_one_error():
    model = Model()
    wrapper = AutocastOptimWrapper('float8', optimizer=torch.optim.SGD(model.parameters(), lr=0.1))
    with pytest.raises(UserError, match='float8'), wrapper.optim_context(model):
        pass
