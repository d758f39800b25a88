"""Telling how far a long pass over files is."""

from __future__ import annotations

import time
from collections.abc import Callable

SECONDS_BETWEEN_REPORTS = 10.0


class PassProgress:
    """Tells every few seconds how far a long pass is; short ones say nothing.

    Args:
        title (str): What is passed over.
        total (int): Steps of the pass.
        report (Callable[[str], None] | None): Is told; None tells nobody.
    """

    def __init__(self, title: str, total: int, report: Callable[[str], None] | None) -> None:
        self.title, self.total, self.report = title, total, report
        self.done = 0
        self._started = self._told = time.monotonic()

    def advance(self, steps: int = 1) -> None:
        """So many steps more are done."""
        self.done += steps
        now = time.monotonic()
        if self.report is None or now - self._told < SECONDS_BETWEEN_REPORTS:
            return
        self._told = now
        left = (now - self._started) / self.done * (self.total - self.done)
        self.report(f'{self.title}: {self.done / self.total:.0%}, {left:.0f} s left')
