"""How far long work is: a bar with the time left on a terminal, a line every so often in a log."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

SECONDS_BETWEEN_LINES = 10.0
T = TypeVar('T')


def duration_text(seconds: float) -> str:
    """A duration as people say it: ``'35 s'``, ``'12 min'``, ``'3 h 20 min'``, ``'2 d 4 h'``."""
    minutes = round(seconds / 60)
    if seconds < 90:
        return f'{seconds:.0f} s'
    if minutes < 90:
        return f'{minutes} min'
    if minutes < 48 * 60:
        return f'{minutes // 60} h {minutes % 60} min'
    return f'{minutes // 1440} d {minutes % 1440 // 60} h'


class Bar:
    """How far one piece of work is, told in a line every so often; short work says nothing.

    Args:
        title (str): What is done.
        total (int | None): Steps, or bytes; None where nobody knows how many.
        say (Callable[[str], None] | None): Is told the lines; None tells nobody.
        in_bytes (bool): Whether bytes are counted. Defaults to False.
        done (int): How many are there already. Defaults to 0.
    """

    def __init__(
        self,
        title: str,
        total: int | None,
        say: Callable[[str], None] | None,
        in_bytes: bool = False,
        done: int = 0,
    ) -> None:
        self.title, self.total, self.done = title, total, done
        self._say, self._in_bytes = say, in_bytes
        self._begun = self._told = time.monotonic()
        self._new = 0

    def advance(self, count: int = 1) -> None:
        """So many steps or bytes more; may be called from any thread."""
        self.done += count
        self._new += count
        self.show()

    def restart(self, done: int = 0, total: int | None = None) -> None:
        """So many are there already, of so many (None: as before)."""
        self.done, self._new, self._begun = done, 0, time.monotonic()
        self.total = total or self.total
        self.show()

    def show(self) -> None:
        """Say how far it is if it is time to."""
        now = time.monotonic()
        if self._say is not None and now - self._told >= SECONDS_BETWEEN_LINES:
            self._told = now
            self._say(f'{self.title}: {self._words(now)}')

    def _words(self, now: float) -> str:
        rate = self._new / max(now - self._begun, 1e-9)
        parts = [f'{self.done / 1e6:,.0f} MB', f'{rate / 1e6:.1f} MB/s'] if self._in_bytes else []
        parts += [f'{self.done / self.total:.0%}'] if self.total else []
        parts += [f'{duration_text(max(self.total - self.done, 0) / rate)} left'] if self.total and rate else []
        return ', '.join(parts)


class _DrawnBar(Bar):
    """One of the bars that stand on a terminal until their work has ended."""

    def __init__(self, bars: Progress, title: str, total: int | None, done: int) -> None:
        super().__init__(title, total, None, done=done)
        self._bars, self._task = bars, bars.add_task(title, total=total, completed=done)

    def show(self) -> None:
        self._bars.update(self._task, completed=self.done, total=self.total)


class Board:
    """Where progress and messages are shown: standard error, through rich on a terminal.

    Args:
        console (Console | None): Another place. Defaults to None.
        in_bytes (bool): Whether the bars count bytes. Defaults to False.
    """

    def __init__(self, console: Console | None = None, in_bytes: bool = False) -> None:
        self.console = console or Console(stderr=True, highlight=False)
        self.in_bytes = in_bytes
        self._lock = threading.Lock()
        counts = (DownloadColumn(), TransferSpeedColumn()) if in_bytes else (MofNCompleteColumn(),)
        columns = (TextColumn('{task.description}'), BarColumn(), *counts, TimeRemainingColumn())
        self._bars = Progress(*columns, console=self.console) if self.console.is_terminal else None

    def say(self, line: str) -> None:
        """Print a line above the bars."""
        with self._lock:
            self.console.print(line, markup=False, soft_wrap=True)

    @contextmanager
    def bar(self, title: str, total: int | None = None, done: int = 0) -> Iterator[Bar]:
        """A bar while the block runs, of a total and with what is done already."""
        if self._bars is None:
            yield Bar(title, total, self.say, self.in_bytes, done)
            return
        bar = _DrawnBar(self._bars, title, total, done)
        try:
            yield bar
        finally:
            self._bars.remove_task(bar._task)

    def __enter__(self) -> Board:
        if self._bars:
            self._bars.start()
        return self

    def __exit__(self, *error: object) -> None:
        if self._bars:
            self._bars.stop()


def over(items: Iterable[T], title: str, total: int | None = None) -> Iterator[T]:
    """The items, with their progress on standard error while they are gone through.

    Args:
        items (Iterable[T]): The items.
        title (str): What is done with them.
        total (int | None): How many they are; None asks for their length.
    """
    with Board() as board, board.bar(title, len(items) if total is None else total) as bar:
        for item in items:
            yield item
            bar.advance()
