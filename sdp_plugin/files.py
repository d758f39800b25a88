"""Writing files so that a reader never meets half of one, and reading those of others within bounds."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import json
import math
import os
import re
import socket
import stat
import sys
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any, TextIO

from sdp_plugin.errors import UserError, first_of, printed_by

_STEM_BYTES = 100
_BLOCK = 1 << 20
_DAY = 24 * 3600
_TEMPORARY = re.compile(r'\..*\.([\w-]*)\.(\d+)\.[0-9a-f]{8}(?:\.[^.]+)?')
_NUMBER = re.compile(r'[-+]?[\d.]+(e[-+]?\d+)?', re.IGNORECASE)


def sha256_of(path: str | os.PathLike, advance: Callable[[int], object] = lambda count: None) -> str:
    """The SHA-256 of a file's bytes, in hexadecimal.

    Args:
        path (str | os.PathLike): The file.
        advance (Callable[[int], object]): Told how many bytes more have been read. Defaults to nobody.

    Raises:
        OSError: It cannot be read.
    """
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        while block := file.read(_BLOCK):
            digest.update(block)
            advance(len(block))
    return digest.hexdigest()


@contextmanager
def naming(path: str | os.PathLike) -> Iterator[None]:
    """Give what the system refuses in the block the name of a file or folder: the error of a write has none.

    It is the first error that is raised: what could not be written fails once more as it is closed, with PyTorch in
    words that say nothing.
    """
    before = sys.exc_info()[1]
    try:
        yield
    except (OSError, RuntimeError) as error:
        first = first_of(error, before)
        if not isinstance(first, OSError):
            raise
        if first.errno is None:
            # Its text is all it has, and a name would take the place of that.
            number, named = printed_by(first)
            if number is not None and named is None:
                first = OSError(number, os.strerror(number), str(path))
        elif first.filename is None:
            first.filename = str(path)
        if first is error:
            raise
        raise first from None


@contextmanager
def atomic_path(path: str | os.PathLike) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that takes its place when the block ends without an exception.

    The temporary file has the suffix of ``path``, so that libraries which choose a format by suffix choose the same
    one. It is removed if the block raises. Missing parent folders are made.

    Raises:
        OSError: What the system refuses, with the name of ``path``.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    # A name may be as long as the file system allows; the temporary one adds to it.
    stem = f'.{os.fsencode(path.stem)[:_STEM_BYTES].decode(errors="ignore")}'
    _remove_left_over(path.parent.absolute())
    temporary = path.with_name(f'{stem}.{_host()}.{os.getpid()}.{uuid.uuid4().hex[:8]}{path.suffix}')
    try:
        with naming(path):
            yield temporary
            os.replace(temporary, path)
    except OSError as error:
        if error.filename is not None and os.fspath(error.filename) == str(temporary):
            error.filename, error.filename2 = str(path), None
        raise
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


@contextmanager
def sole_use(path: str | os.PathLike, work: str, elsewhere: str) -> Iterator[None]:
    """Keep other processes from the same work in a folder, within the block.

    The operating system lets go of the lock when the process ends, however it ends; a file that is left says nothing.
    Worker processes do not inherit it. Where the file system has no locks, nothing is kept out.

    Args:
        path (str | os.PathLike): The lock's file in that folder: made, with its folders, and removed at the end.
        work (str): What is done, for messages.
        elsewhere (str): How a user has it done in another folder, for messages.

    Raises:
        UserError: Another process is at this work there, or nothing can be written there.
    """
    path = Path(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _locked(path)
    except OSError as error:
        raise UserError(
            f'{path.parent} cannot be written to.', found=error.strerror, remedy=f'{elsewhere}, or make room there'
        ) from error
    if isinstance(file, str):
        raise UserError(
            f'Another {work} is at work in {path.parent}.',
            found=file,
            remedy=f'wait for its end, or {elsewhere}',
        )
    try:
        yield
    finally:
        # Before the lock goes with the file: nobody else can have it yet.
        path.unlink(missing_ok=True)
        file.close()


def _locked(path: Path) -> TextIO | str:
    """The file, locked; or who has locked it."""
    while True:
        file = open(path, 'a+', encoding='utf-8')  # noqa: SIM115
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            with file:
                file.seek(0)
                return file.read(200).strip() or str(path)
        except OSError:  # no locks on this file system
            return file
        with suppress(FileNotFoundError):
            if os.path.samestat(path.stat(), os.fstat(file.fileno())):
                # What it says is for messages alone; what a full disk refuses comes to light with the first real file.
                with suppress(OSError):
                    os.truncate(file.fileno(), 0)
                    os.write(file.fileno(), f'process {os.getpid()} on {socket.gethostname()}\n'.encode())
                return file
        # Whoever held the lock has removed the file since it was opened.
        file.close()


def is_hidden(path: str | os.PathLike) -> bool:
    """Whether a file is none of the data: half-written ones, and what macOS puts beside images (``._x.png``)."""
    return Path(path).name.startswith('.')


def write_text_atomically(path: str | os.PathLike, text: str) -> None:
    """Write ``text`` as UTF-8 to ``path``, all of it or nothing; of names that are not UTF-8 it shows the bytes."""
    write_bytes_atomically(path, text.encode(errors='backslashreplace'))


def write_bytes_atomically(path: str | os.PathLike, content: bytes) -> None:
    """Write ``content`` to ``path``, all of it or nothing."""
    with atomic_path(path) as temporary:
        temporary.write_bytes(content)


def read_regular_file(path: str | os.PathLike, most: int) -> bytes:
    """Read a regular file of bounded size, without waiting for what is none, such as a pipe.

    Args:
        path (str | os.PathLike): The file.
        most (int): Bytes.

    Raises:
        OSError: It cannot be opened or read.
        ValueError: It is no regular file, or is larger.
    """
    # An opener, so that an error names the file and not the number of its descriptor.
    with open(path, 'rb', opener=lambda name, flags: os.open(name, flags | os.O_NONBLOCK)) as file:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode):
            raise ValueError('no regular file')
        if status.st_size > most:
            raise ValueError(f'{status.st_size:,} bytes, more than {most:,}')
        return file.read(most)


def write_json_atomically(path: str | os.PathLike, value: Any) -> None:
    """Write JSON to ``path``, all of it or nothing. A number that is none becomes ``null``: JSON knows no NaN."""
    text = json.dumps(_finite(value), indent=2, ensure_ascii=False, allow_nan=False)
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
