"""Writing files so that a reader never meets half of one, and reading those of others within bounds."""

from __future__ import annotations

import csv
import hashlib
import json
import math
import os
import re
import socket
import stat
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

_STEM_BYTES = 100
_DAY = 24 * 3600
_TEMPORARY = re.compile(r'\..*\.([\w-]*)\.(\d+)\.[0-9a-f]{8}(?:\.[^.]+)?')
_NUMBER = re.compile(r'[-+]?[\d.]+(e[-+]?\d+)?', re.IGNORECASE)


def sha256_of(path: str | os.PathLike) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal."""
    with open(path, 'rb') as file:
        return hashlib.file_digest(file, 'sha256').hexdigest()


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends without an exception.

    The temporary file has the suffix of ``path``, so that libraries which choose a format by suffix choose the same
    one. It is removed if the block raises. Missing parent folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name may be as long as the file system allows; the temporary one adds to it.
    stem = f'.{os.fsencode(path.stem)[:_STEM_BYTES].decode(errors="ignore")}'
    _remove_left_over(path.parent.absolute())
    temporary = path.with_name(f'{stem}.{_host()}.{os.getpid()}.{uuid.uuid4().hex[:8]}{path.suffix}')
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        # What fails here is not what went wrong.
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


@lru_cache(maxsize=256)
def _remove_left_over(folder: Path) -> None:
    """Remove what killed processes left half-written in a folder: those of this machine at once, others after a day.

    Once a process and folder: a folder may hold tens of thousands of files, each of which is written like this.
    """
    with suppress(OSError):
        for entry in os.scandir(folder):
            if not (found := _TEMPORARY.fullmatch(entry.name)):
                continue
            with suppress(OSError):
                is_dead = found[1] == _host() and not _is_running(int(found[2]))
                if is_dead or entry.stat(follow_symlinks=False).st_mtime < time.time() - _DAY:
                    os.unlink(entry.path)


def _host() -> str:
    return re.sub(r'[^\w-]', '', socket.gethostname(), flags=re.ASCII)[:30]


def _is_running(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        pass
    return True


def is_hidden(path: str | os.PathLike) -> bool:
    """Whether a file is none of the data: half-written ones, and what macOS puts beside images (``._x.png``)."""
    return Path(path).name.startswith('.')


def write_text_atomically(path: str | os.PathLike, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, all of it or nothing; of names that are not UTF-8 it shows the bytes."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding='utf-8', errors='backslashreplace')


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


def write_json_atomically(path: str | os.PathLike, value: Any, indent: int | None = 2) -> None:
    """Write JSON to ``path``, all of it or nothing. A number that is none becomes ``null``: JSON knows no NaN."""
    text = json.dumps(_finite(value), indent=indent, ensure_ascii=False, allow_nan=False)
    write_text_atomically(path, text + '\n')


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, (list, tuple)) else value


class CsvWriter:
    """Writes rows of which no cell is a formula to a spreadsheet.

    Names of files and classes are others' text, and ``=cmd|...`` is run by the program that opens the table. Such text
    gets an apostrophe in front, which spreadsheets take for "this is text".

    Args:
        file (TextIO): Open for writing, with ``newline=''``.
        **kwargs: Of :func:`csv.writer`.
    """

    def __init__(self, file: TextIO, **kwargs: Any) -> None:
        self._writer = csv.writer(file, **kwargs)

    def writerow(self, row: Iterable[Any]) -> None:
        """Write one row."""
        self._writer.writerow([_no_formula(cell) for cell in row])

    def writerows(self, rows: Iterable[Iterable[Any]]) -> None:
        """Write rows."""
        for row in rows:
            self.writerow(row)


def _no_formula(cell: Any) -> Any:
    if isinstance(cell, str) and cell[:1] in tuple('=+-@\t\r') and not _NUMBER.fullmatch(cell):
        return f"'{cell}"
    return cell


def without_apostrophe(cell: str) -> str:
    """The text that :class:`CsvWriter` made a cell of."""
    return cell[1:] if cell[:1] == "'" and _no_formula(cell[1:]) == cell else cell
