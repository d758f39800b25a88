"""Which hooks hear of every iteration of the in-memory loop, and which of epochs alone."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.hooks import CheckpointHook, Hook, IterTimerHook, LoggerHook, ParamSchedulerHook, RuntimeInfoHook
from mmengine.runner import Runner

from sdp_plugin.engine.hooks.divergence import DivergenceHook

REPORTING = (RuntimeInfoHook, DivergenceHook, LoggerHook)
"""Hooks that look at values of the device, in the order in which they are called, once an epoch."""


def hooks_of_iterations(runner: Runner) -> list[Hook]:
    """The hooks that are to hear of every iteration."""
    return [hook for hook in runner.hooks if _acts_on_iterations(hook) and not _is_served_otherwise(hook, runner)]


def _acts_on_iterations(hook: Hook) -> bool:
    names = ('before_train_iter', 'after_train_iter', '_before_iter', '_after_iter')
    return any(getattr(type(hook), name) is not getattr(Hook, name) for name in names)


def _is_served_otherwise(hook: Hook, runner: Runner) -> bool:
    if isinstance(hook, ParamSchedulerHook):
        return all(scheduler.by_epoch for scheduler in runner.param_schedulers or ())
    if isinstance(hook, CheckpointHook):
        return hook.by_epoch
    return isinstance(hook, (*REPORTING, IterTimerHook))


def hooks_of_epochs(runner: Runner) -> list[Hook]:
    """The hooks that are to hear of the last iteration of an epoch, for all of them."""
    return [hook for kind in REPORTING for hook in runner.hooks if isinstance(hook, kind)]


def call(hooks: Sequence[Hook], name: str, runner: Runner, **arguments: Any) -> None:
    """Call a method of some hooks."""
    for hook in hooks:
        getattr(hook, name)(runner, **arguments)
