"""What ends a training in the middle, before what follows can react."""

from __future__ import annotations

from mmengine.hooks import Hook

from sdp_plugin.registry import HOOKS


class PowerCutError(Exception):
    """The power is off."""


@HOOKS.register_module(force=True)
class PowerCutHook(Hook):
    """End the training after an iteration, when all that belongs to it is written."""

    priority = 'LOWEST'

    def __init__(self, after: int) -> None:
        self.after = after

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.after:
            raise PowerCutError


@HOOKS.register_module(force=True)
class EpochCutHook(Hook):
    """End the training after an epoch, when all that belongs to it is written."""

    priority = 'LOWEST'

    def __init__(self, after: int) -> None:
        self.after = after

    def after_train_epoch(self, runner):
        if runner.epoch + 1 == self.after:
            raise PowerCutError
