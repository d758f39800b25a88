"""Batch-norm statistics of other images than a network was trained on."""

from __future__ import annotations

import torch
from torch import nn

from sdp_plugin.models.batch_norm import reestimate_batch_norm


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Dropout(0.5), nn.Conv2d(4, 2, 3), nn.BatchNorm2d(2))


def batches(count: int) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    return [5 + 3 * torch.randn(6, 3, 9, 9, generator=generator) for _ in range(count)]


def test_one_batch_gives_its_own_statistics():
    model, (images,) = network(), batches(1)
    model[1].momentum = 0.3
    assert reestimate_batch_norm(model, [images]) == 2
    with torch.no_grad():
        first = model[0](images)
        normed = (first - first.mean((0, 2, 3), keepdim=True)) / (
            first.var((0, 2, 3), correction=0, keepdim=True) + model[1].eps
        ).sqrt()
        second = model[3](normed)  # no dropout
    for norm, features in ((model[1], first), (model[4], second)):
        torch.testing.assert_close(norm.running_mean, features.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(norm.running_var, features.var((0, 2, 3)), rtol=1e-4, atol=1e-5)


def test_several_batches_are_averaged():
    several, single = network(), []
    reestimate_batch_norm(several, batches(3))
    for images in batches(3):
        model = network()
        reestimate_batch_norm(model, [images])
        single.append(model[4].running_var)
    torch.testing.assert_close(several[4].running_var, torch.stack(single).mean(0))


def test_nothing_else_changes():
    model, reference = network(), network()
    model.train()
    model[1].eval()
    model[1].momentum = 0.3
    reestimate_batch_norm(model, batches(2))
    assert [module.training for module in model] == [True, False, True, True, True]
    assert (model[1].momentum, model[4].momentum) == (0.3, 0.1)
    changed = {
        name for name, tensor in model.state_dict().items() if not torch.equal(tensor, reference.state_dict()[name])
    }
    assert changed == {
        f'{norm}.{part}' for norm in (1, 4) for part in ('running_mean', 'running_var', 'num_batches_tracked')
    }
    assert all(parameter.grad is None for parameter in model.parameters())


def test_it_does_not_depend_on_earlier_statistics_and_repeats():
    model, again = network(), network()
    again[1].running_mean += 100
    for one in (model, again):
        reestimate_batch_norm(one, batches(2))
    assert all(torch.equal(tensor, again.state_dict()[name]) for name, tensor in model.state_dict().items())


def test_a_network_without_batch_norm_is_left_alone():
    assert reestimate_batch_norm(nn.Sequential(nn.Conv2d(3, 2, 3), nn.GroupNorm(1, 2)), iter([None])) == 0
