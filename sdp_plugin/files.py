"""Writing files so that a reader never meets half of one, and reading those of others within bounds."""

from __future__ import annotations

import os
import stat
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends without an exception.

    The temporary file has the suffix of ``path``, so that libraries which choose a format by suffix choose the same
    one. It is removed if the block raises. Missing parent folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.stem}.{os.getpid()}.{uuid.uuid4().hex[:8]}{path.suffix}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text_atomically(path: str | os.PathLike, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, all of it or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding='utf-8')


def read_regular_file(path: str | os.PathLike, most: int) -> bytes:
    """Read a regular file of bounded size, without waiting for what is none, such as a pipe.

    Args:
        path (str | os.PathLike): The file.
        most (int): Bytes.

    Raises:
        OSError: It cannot be opened or read.
        ValueError: It is no regular file, or is larger.
    """
    with open(os.open(path, os.O_RDONLY | os.O_NONBLOCK), 'rb') as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError('no regular file')
        if status.st_size > most:
            raise ValueError(f'{status.st_size:,} bytes, more than {most:,}')
        return file.read(most)
