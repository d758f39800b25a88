"""How far long work is: bars with rate and time left on a terminal, a line now and then in a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

_LOG_EVERY = 15.0


class Bar:
    """The progress of one piece of work, in bytes; to be told of from any thread."""

    def __init__(self, board: Board, title: str, total: int | None) -> None:
        self._board = board
        self._title, self._total = title, total
        self._done, self._new = 0, 0
        self._begin = self._said = time.monotonic()
        self._task = board.bars.add_task(title, total=total) if board.bars else None

    def advance(self, count: int) -> None:
        """So many bytes more."""
        self._done += count
        self._new += count
        self._show()

    def restart(self, done: int = 0, total: int | None = None) -> None:
        """So many bytes are there already, of so many (None: as before)."""
        self._done, self._new, self._begin = done, 0, time.monotonic()
        self._total = total or self._total
        self._show()

    def _show(self) -> None:
        if self._task is not None:
            self._board.bars.update(self._task, completed=self._done, total=self._total)
        elif time.monotonic() - self._said > _LOG_EVERY:
            self._said = time.monotonic()
            self._board.say(f'{self._title}: {self._words()}')

    def _words(self) -> str:
        rate = self._new / max(time.monotonic() - self._begin, 1e-9)
        words = f'{self._done / 1e6:,.0f} MB, {rate / 1e6:.1f} MB/s'
        if not self._total or not rate:
            return words
        left = max(self._total - self._done, 0) / rate
        time_left = f'{left / 60:.0f} min' if left > 120 else f'{left:.0f} s'
        return f'{words}, {self._done / self._total:.0%}, {time_left} left'

    def close(self) -> None:
        """The work has ended."""
        if self._task is not None:
            self._board.bars.remove_task(self._task)


class Board:
    """Where progress and messages are shown: standard error, through rich on a terminal."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self._lock = threading.Lock()
        columns = (TextColumn('{task.description}'), BarColumn(), DownloadColumn(), TransferSpeedColumn())
        self.bars = (
            Progress(*columns, TimeRemainingColumn(), console=self.console) if self.console.is_terminal else None
        )

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        with self._lock:
            self.console.print(line, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, title: str, total: int | None = None) -> Iterator[Bar]:
        """A bar while the block runs."""
        bar = Bar(self, title, total)
        try:
            yield bar
        finally:
            bar.close()

    def __enter__(self) -> Board:
        if self.bars:
            self.bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self.bars:
            self.bars.stop()
