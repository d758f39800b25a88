"""Files that are made once from other files, and then read by many processes."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import DTypeLike

from sdp_plugin.errors import UserError
from sdp_plugin.files import atomic_path
from sdp_plugin.hardware import readable_size

try:
    import fcntl
except ImportError:  # not on Windows, where two processes may then both do the work
    fcntl = None


class CacheError(UserError):
    """A cache file cannot be written: slower ways may still be open."""


_SAMPLES = 16
_SAMPLE_BYTES = 4096


def build_once(path: Path, build: Callable[[Path], None], num_bytes: int) -> Path:
    """Let one process write a cache file, while others that want the same one wait for it.

    The file appears under its name when it is complete. Where the file system knows no locks, several processes may
    write it, each its own, and the last one stays.

    Args:
        path (Path): The cache file; its name must contain what it was made of (see :func:`file_identity`).
        build (Callable[[Path], None]): Writes the file to the path that it is given.
        num_bytes (int): The size that the file will have.

    Returns:
        Path: ``path``.

    Raises:
        CacheError: If the folder cannot be written to, or has not enough space.
    """
    if path.is_file():
        return path
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _only_one_process(path.with_name(f'.{path.stem}.lock')) as alone:
            if path.is_file():
                return path
            if alone:
                _remove_half_written(path)
            _check_space(path.parent, num_bytes)
            with atomic_path(path) as temporary:
                build(temporary)
    except OSError as error:
        raise CacheError(
            'A cache file cannot be written.',
            looked_for=f'{readable_size(num_bytes)} in {path.parent}',
            found=error,
            remedy='give another cache_dir',
        ) from error
    return path


def new_array(path: str | os.PathLike, dtype: DTypeLike, shape: tuple[int, ...]) -> np.memmap:
    """A new array in a file, memory-mapped, all of whose bytes the disk has room for.

    Without that, a disk that fills up while the array is written ends the process with a bus error.

    Args:
        path (str | os.PathLike): A ``.npy`` file, which is replaced.
        dtype (DTypeLike): Of the values.
        shape (tuple[int, ...]): Of the array.

    Raises:
        OSError: The disk has no room for it.
    """
    array = np.lib.format.open_memmap(path, mode='w+', dtype=dtype, shape=shape)
    with open(path, 'r+b') as file:
        try:
            os.posix_fallocate(file.fileno(), 0, os.fstat(file.fileno()).st_size)
        except OSError as error:
            error.filename = os.fspath(path)
            raise
    return array


@contextmanager
def _only_one_process(lock: Path) -> Iterator[bool]:
    """Wait until no other process holds the lock. Yields False where the file system knows none."""
    with open(lock, 'w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            locked = True
        except (OSError, AttributeError):
            locked = False
        # The kernel gives the lock back when the file is closed, also that of a process that was killed.
        yield locked


def _remove_half_written(path: Path) -> None:
    # Whoever wrote these was killed: a living writer would hold the lock.
    for left_over in path.parent.glob(f'.{path.stem}.*{path.suffix}'):
        left_over.unlink(missing_ok=True)


def _check_space(folder: Path, num_bytes: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < num_bytes:
        raise OSError(f'{readable_size(free)} are free')


def file_identity(path: Path, *more: object) -> str:
    """A short name for the state that a file is in: its size, its time of change and samples of its content.

    Samples of 4 KiB at sixteen places, not all of it: a digest of everything would take as long as what is cached.

    Args:
        path (Path): The file.
        *more (object): What else a cache depends on, as anything with a stable ``repr``.

    Returns:
        str: 16 hexadecimal digits.
    """
    status = path.stat()
    digest = hashlib.sha256(repr((status.st_size, status.st_mtime_ns, *more)).encode())
    with open(path, 'rb') as file:
        for sample in range(_SAMPLES):
            file.seek(sample * max(0, status.st_size - _SAMPLE_BYTES) // (_SAMPLES - 1))
            digest.update(file.read(_SAMPLE_BYTES))
    return digest.hexdigest()[:16]


def cache_folder(chosen: str | os.PathLike | None, beside: Path) -> Path:
    """Where cache files go: the chosen folder, or beside the data, or the user's cache folder if that is read-only.

    Args:
        chosen (str | os.PathLike | None): What the user chose, if anything.
        beside (Path): The folder of the data.

    Returns:
        Path: A folder, which may not be there yet.
    """
    if chosen is not None:
        return Path(chosen).expanduser()
    if os.access(beside, os.W_OK):
        return beside
    return Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache') / 'sdp_plugin'
