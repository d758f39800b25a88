"""Losses for the log without a wait for the device in each iteration."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from mmengine.hooks import LoggerHook, RuntimeInfoHook
from mmengine.runner import Runner

from sdp_plugin.registry import HOOKS


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """MMEngine's ``RuntimeInfoHook``, which reads losses from the device only when they are logged.

    MMEngine reads each value in each iteration, for which the host waits until the device has caught up. Here the
    values stay on the device until the logger's turn and then come over in one piece; the log shows the same numbers.
    """

    def __init__(self) -> None:
        self.interval = 1
        self._waiting: dict[str, list[torch.Tensor]] = {}

    def before_train(self, runner: Runner) -> None:
        """Learn when the logger has its turn."""
        super().before_train(runner)
        self.interval = next((hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)), 1)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: Mapping | None = None
    ) -> None:
        """Keep the iteration's values, and hand them on when they are due."""
        for name, value in (outputs or {}).items():
            self._waiting.setdefault(name, []).append(torch.as_tensor(value).detach())
        is_due = self.every_n_inner_iters(batch_idx, self.interval) or self.is_last_train_iter(runner)
        if is_due or self.end_of_epoch(runner.train_dataloader, batch_idx):
            self._hand_on(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Checkpoints hold the log's history, so that it goes on where it ended."""
        if self._waiting:
            self._hand_on(runner)
            checkpoint['message_hub'] = runner.message_hub.state_dict()

    def _hand_on(self, runner: Runner) -> None:
        for name, values in self._waiting.items():
            for value in torch.stack(values).tolist():
                runner.message_hub.update_scalar(f'train/{name}', value)
        self._waiting.clear()
