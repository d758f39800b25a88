"""One line of progress on the terminal, for runs whose log goes to a file."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from pathlib import Path

from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.runner import Runner

from sdp_plugin.registry import HOOKS


@HOOKS.register_module()
class ProgressLineHook(Hook):
    """Print how far training and testing are, every few seconds, whatever becomes of the log.

    On a terminal the line is overwritten; in a file each takes its own line.

    Args:
        interval (float): Seconds between two lines. Defaults to 5.0 on a terminal and 20.0 elsewhere.
    """

    priority = 'LOW'

    def __init__(self, interval: float | None = None) -> None:
        self.on_terminal = sys.__stdout__.isatty()
        self.interval = interval if interval is not None else (5.0 if self.on_terminal else 20.0)
        self._start_phase(0)

    def _start_phase(self, done: int) -> None:
        self._started = self._printed = time.monotonic()
        self._done_at_start = done

    def before_train(self, runner: Runner) -> None:
        """Start the clock, at the iteration where a resumed run goes on."""
        self._start_phase(runner.iter)

    def before_test(self, runner: Runner) -> None:
        """Start the clock of the test."""
        self._start_phase(0)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: dict | None = None
    ) -> None:
        """Print the iteration, the loss and the time left."""
        if self._is_due():
            loss = '' if not outputs or 'loss' not in outputs else f', loss {float(outputs["loss"]):.3f}'
            self._print('training: iteration', runner.iter + 1, runner.max_iters, loss)

    def after_test_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: object = None
    ) -> None:
        """Print the batch and the time left."""
        if self._is_due():
            self._print('testing: batch', batch_idx + 1, len(runner.test_dataloader), '')

    def _is_due(self) -> bool:
        return time.monotonic() - self._printed >= self.interval

    def _print(self, what: str, done: int, total: int, more: str) -> None:
        self._printed = time.monotonic()
        left = (self._printed - self._started) / max(done - self._done_at_start, 1) * (total - done)
        line = f'    {what} {done} of {total}{more}, {left // 60:.0f}:{left % 60:02.0f} left'
        print(f'\r{line:<78}' if self.on_terminal else line, end='' if self.on_terminal else '\n', file=sys.__stdout__)
        sys.__stdout__.flush()

    def after_run(self, runner: Runner) -> None:
        """Leave a line that was overwritten."""
        if self.on_terminal:
            print('\r' + ' ' * 78, end='\r', file=sys.__stdout__)


@contextmanager
def output_to(path: Path) -> Iterator[None]:
    """Append what is printed within the block to a file; a :class:`ProgressLineHook` still reaches the terminal."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'a', encoding='utf-8') as log, redirect_stdout(log), redirect_stderr(log):
        try:
            yield
        finally:
            # The run's logger outlives the block, and must not write to a file that is closed by then.
            logger = MMLogger.get_current_instance()
            logger.handlers = [handler for handler in logger.handlers if getattr(handler, 'stream', None) is not log]
