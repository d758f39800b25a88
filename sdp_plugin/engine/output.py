"""What a training prints, into its own log file, also where several threads train."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO


class _ByThread:
    """A stream that leads to the file of the thread that writes, and elsewhere where that has none."""

    def __init__(self, elsewhere: TextIO) -> None:
        self.elsewhere = elsewhere

    def __getattr__(self, name: str) -> object:
        return getattr(getattr(_mine, 'file', None) or self.elsewhere, name)


_mine = threading.local()
_installing = threading.Lock()
_blocks = 0
_outer: tuple[TextIO, TextIO] | None = None


@contextmanager
def output_to(path: Path) -> Iterator[None]:
    """Append what this thread prints within the block to a file. Other threads print where they did.

    Args:
        path (Path): The file; its folder is made if missing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with open(path, 'a', encoding='utf-8', buffering=1) as file:
        _enter()
        before, _mine.file = getattr(_mine, 'file', None), file
        try:
            yield
        finally:
            _mine.file = before
            _leave()


def _enter() -> None:
    global _blocks, _outer
    with _installing:
        if not _blocks:
            _outer = sys.stdout, sys.stderr
            sys.stdout, sys.stderr = map(_ByThread, _outer)
        _blocks += 1


def _leave() -> None:
    global _blocks
    with _installing:
        _blocks -= 1
        if not _blocks:
            sys.stdout, sys.stderr = _outer
