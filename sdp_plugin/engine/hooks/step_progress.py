"""Telling how far a training is to whoever shows it."""

from __future__ import annotations

from collections.abc import Mapping

from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch import Tensor

from sdp_plugin.step_progress import StepProgressFile


class StepProgressHook(Hook):
    """Write the iteration, the loss and the time left into the work directory, once a second at most.

    On a GPU the loss is the last that was logged, as reading another would make the host wait.
    """

    priority = 'LOWEST'

    def before_run(self, runner: Runner) -> None:
        """Begin anew."""
        self._file = StepProgressFile(runner.work_dir)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: Mapping | None = None
    ) -> None:
        """Say that an iteration is done."""
        self._file.step('training', runner.iter + 1, runner.max_iters, lambda: _loss(runner, outputs or {}))

    def before_test(self, runner: Runner) -> None:
        """The hook may be met by a test alone."""
        self._file = getattr(self, '_file', None) or StepProgressFile(runner.work_dir)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Say that a batch is tested."""
        self._file.step('test', batch_idx + 1, len(runner.test_dataloader))


def _loss(runner: Runner, outputs: Mapping) -> float | None:
    loss = outputs.get('loss')
    if isinstance(loss, Tensor) and loss.device.type != 'cpu':
        logged = runner.message_hub.log_scalars.get('train/loss')
        return float(logged.current()) if logged and len(logged.data[0]) else None
    return loss.item() if isinstance(loss, Tensor) else loss
