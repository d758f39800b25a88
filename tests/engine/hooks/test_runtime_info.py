"""Deferred logging."""

from __future__ import annotations

import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmengine.logging import MessageHub

from sdp_plugin.engine.hooks import DeferredRuntimeInfoHook


class Runner:
    """What the hooks look at."""

    def __init__(self, interval: int = 4, iterations: int = 10) -> None:
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
