"""Number format, memory order, compilation and deferred logging."""

from __future__ import annotations

import pytest
import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmengine.logging import MessageHub
from torch import nn

from sdp_plugin.engine.hooks.acceleration import AutocastOptimWrapper, DeferredRuntimeInfoHook, PrepareModelHook
from sdp_plugin.errors import UserError


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Conv2d(3, 4, 3)


class Runner:
    """What the hooks look at."""

    def __init__(self, interval: int = 4, iterations: int = 10) -> None:
        self.model = Model()
        self.message_hub = MessageHub(f'hub-{id(self)}')
        self.hooks = [LoggerHook(interval=interval)]
        self.iter, self.epoch, self.max_iters, self.max_epochs = 0, 0, iterations, 1
        self.train_dataloader = type('', (), dict(dataset=object(), __len__=lambda self: iterations))()


def train(hook: RuntimeInfoHook, runner: Runner, losses: list[torch.Tensor]) -> list[int]:
    """Run the hook as a loop does. Returns how many losses the hub held after each iteration."""
    hook.before_train(runner)
    known = []
    for runner.iter, loss in enumerate(losses):
        hook.after_train_iter(runner, runner.iter, outputs=dict(loss=loss, acc_seg=loss * 2))
        scalars = runner.message_hub.log_scalars
        known.append(len(scalars['train/loss'].data[0]) if 'train/loss' in scalars else 0)
    return known


LOSSES = [torch.tensor(float(i), requires_grad=True) for i in range(10)]


def test_losses_are_handed_on_when_they_are_logged():
    assert train(DeferredRuntimeInfoHook(), Runner(interval=4), LOSSES) == [0, 0, 0, 4, 4, 4, 4, 8, 8, 10]


def test_the_log_is_that_of_mmengine():
    ours, theirs = Runner(), Runner()
    train(DeferredRuntimeInfoHook(), ours, LOSSES)
    train(RuntimeInfoHook(), theirs, LOSSES)
    for name in ('train/loss', 'train/acc_seg'):
        for found, expected in zip(
            ours.message_hub.get_scalar(name).data, theirs.message_hub.get_scalar(name).data, strict=True
        ):
            assert found.tolist() == expected.tolist()


def test_nothing_is_read_from_the_device_between(monkeypatch):
    read = []
    monkeypatch.setattr(torch.Tensor, 'item', lambda self: read.append(1))
    monkeypatch.setattr(torch.Tensor, 'tolist', lambda self: read.append(1) or [0.0])
    hook, runner = DeferredRuntimeInfoHook(), Runner(interval=100, iterations=1000)
    train(hook, runner, LOSSES)
    assert read == []
    assert not any(value.requires_grad for value in hook._waiting['loss'])


def test_a_checkpoint_holds_the_log_up_to_it():
    hook, runner = DeferredRuntimeInfoHook(), Runner(interval=100, iterations=1000)
    train(hook, runner, LOSSES)
    checkpoint = dict(message_hub=runner.message_hub.state_dict())
    hook.before_save_checkpoint(runner, checkpoint)
    assert len(checkpoint['message_hub']['log_scalars']['train/loss'].data[0]) == 10


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


@pytest.mark.parametrize('channels_last', [False, True])
def test_weights_take_the_order(channels_last):
    runner = Runner()
    before = runner.model.backbone.weight.detach().clone()
    PrepareModelHook(channels_last=channels_last).before_train(runner)
    weight = runner.model.backbone.weight
    assert weight.is_contiguous(memory_format=torch.channels_last) == channels_last
    assert torch.equal(weight, before)


def test_the_backbone_is_compiled_in_place(monkeypatch):
    compiled = []
    monkeypatch.setattr(nn.Module, 'compile', lambda self: compiled.append(self), raising=False)
    runner = Runner()
    names = list(runner.model.state_dict())
    PrepareModelHook(compile_backbone=True).before_train(runner)
    assert compiled == [runner.model.backbone]
    assert list(runner.model.state_dict()) == names
    PrepareModelHook().before_train(runner)
    assert len(compiled) == 1
