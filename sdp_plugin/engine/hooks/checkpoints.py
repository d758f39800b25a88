"""Checkpoints by wall clock beside those by iteration or epoch, each written whole or not at all."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from mmengine.dist import is_main_process
from mmengine.hooks import CheckpointHook
from mmengine.runner import Runner

from sdp_plugin.errors import UserError
from sdp_plugin.files import atomic_path, write_text_atomically
from sdp_plugin.registry import HOOKS

KEPT_BY_TIME = 2
"""Checkpoints by time that stay where those by interval all do."""


@HOOKS.register_module()
class TimedCheckpointHook(CheckpointHook):
    """MMEngine's ``CheckpointHook``, which also saves when a number of minutes have passed since it last did.

    On a slow machine 2,000 iterations take hours, all of which a killed training would lose. The clock is looked at
    after each iteration, or each epoch with ``by_epoch``. A checkpoint is written beside its place and moved there
    when it is complete; only then an older one is removed.

    Args:
        minutes (float | None): Between two checkpoints, at most; None saves by ``interval`` alone. Defaults to 5.
        max_keep_ckpts (int): How many to keep, of both kinds together. With -1 those by interval all stay, and the
            newest two of those by time. Defaults to 2.
        **kwargs: Of :class:`mmengine.hooks.CheckpointHook`.

    Raises:
        UserError: If ``minutes`` is negative.
    """

    def __init__(self, minutes: float | None = 5, max_keep_ckpts: int = 2, **kwargs) -> None:
        super().__init__(max_keep_ckpts=max_keep_ckpts, **kwargs)
        if minutes is not None and not minutes >= 0:
            raise UserError(
                'checkpoint_minutes is no time.', looked_for='a number from 0, or None', found=f'{minutes!r}'
            )
        self.seconds = float('inf') if minutes is None else 60 * minutes
        self._saved_at = time.monotonic()
        self._saved_step: int | None = None
        self._may_go: list[int] = []

    def before_train(self, runner: Runner) -> None:
        """Start the clock, and clear up after a training that was killed here."""
        keep, self.max_keep_ckpts = self.max_keep_ckpts, -1  # MMEngine's bookkeeping removes before it writes
        super().before_train(runner)
        self.max_keep_ckpts = keep
        self._may_go = list(runner.message_hub.runtime_info.get('keep_ckpt_ids', ()))
        self._saved_at = time.monotonic()
        if is_main_process():
            for half_written in Path(self.out_dir).glob(f'.{self.filename_tmpl.format("*")}'):
                half_written.unlink(missing_ok=True)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Mapping | Sequence | None = None,
        outputs: Mapping | None = None,
    ) -> None:
        """Save if it is due by iteration or by time."""
        if self.by_epoch:
            return
        super().after_train_iter(runner, batch_idx, data_batch, outputs)
        self._save_if_due_by_time(runner, runner.iter + 1, dict(epoch=runner.epoch, iter=runner.iter + 1))

    def after_train_epoch(self, runner: Runner) -> None:
        """Save if it is due by epoch or by time."""
        if not self.by_epoch:
            return
        super().after_train_epoch(runner)
        self._save_if_due_by_time(runner, runner.epoch + 1, dict(epoch=runner.epoch + 1, iter=runner.iter))

    def _save_if_due_by_time(self, runner: Runner, step: int, meta: dict) -> None:
        if time.monotonic() - self._saved_at >= self.seconds and step != self._saved_step:
            self._save(runner, step, meta, may_go=True)

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict) -> None:
        self._save(runner, step, meta, may_go=self.max_keep_ckpts > 0)

    def _save(self, runner: Runner, step: int, meta: dict, may_go: bool) -> None:
        if may_go and step not in self._may_go:
            self._may_go.append(step)
        # In the checkpoint itself, so that a resumed training goes on removing what this one wrote.
        runner.message_hub.update_info('keep_ckpt_ids', list(self._may_go))
        if is_main_process():
            self._write(runner, step, meta)
        self._saved_step, self._saved_at = step, time.monotonic()

    def _write(self, runner: Runner, step: int, meta: dict) -> None:
        path = self._file(step)
        self.last_ckpt = str(path)
        runner.message_hub.update_info('last_ckpt', self.last_ckpt)
        with atomic_path(path) as temporary:
            runner.save_checkpoint(
                str(temporary.parent),
                temporary.name,
                save_optimizer=self.save_optimizer,
                save_param_scheduler=self.save_param_scheduler,
                meta=meta,
                by_epoch=self.by_epoch,
                **self.args,
            )
        write_text_atomically(Path(runner.work_dir, 'last_checkpoint'), self.last_ckpt)
        keep = self.max_keep_ckpts if self.max_keep_ckpts > 0 else KEPT_BY_TIME
        self._may_go, too_old = self._may_go[-keep:], self._may_go[:-keep]
        for old in too_old:
            self._file(old).unlink(missing_ok=True)

    def _file(self, step: int) -> Path:
        return Path(self.out_dir, self.filename_tmpl.format(step))
