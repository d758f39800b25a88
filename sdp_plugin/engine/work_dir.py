"""One training at a time in a work directory."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TextIO

from sdp_plugin.errors import UserError

LOCK_FILE = '.training'
# By launcher; before the process group exists nothing else tells one process from another.
RANK_VARIABLES = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')


@contextmanager
def only_training_in(work_dir: str | Path, launcher: str = 'none') -> Iterator[None]:
    """Keep other trainings out of a work directory within the block.

    The operating system lets go of the lock when the process ends, however it ends; a file that is left says nothing.
    Worker processes do not inherit it. Where the file system has no locks, nothing is kept out. A folder that was made
    for the lock and holds nothing afterwards is removed.

    Args:
        work_dir (str | Path): The work directory, which is made if missing.
        launcher (str): What started this process; the first of several processes holds the lock.

    Raises:
        UserError: If another process trains there, or nothing can be written there.
    """
    if launcher != 'none' and any(os.environ.get(name, '0') != '0' for name in RANK_VARIABLES):
        yield
        return
    path = Path(work_dir, LOCK_FILE)
    was_there = path.parent.is_dir()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = _locked(path)
    except OSError as error:
        raise UserError(
            'The work directory cannot be written to.',
            found=f'{path.parent}: {error.strerror}',
            remedy='give another --work-dir, or make room there',
        ) from error
    try:
        yield
    finally:
        # Before the lock goes with the file: nobody else can have it yet.
        path.unlink(missing_ok=True)
        file.close()
        if not was_there:
            with suppress(OSError):
                path.parent.rmdir()


def _locked(path: Path) -> TextIO:
    while True:
        file = open(path, 'a+', encoding='utf-8')  # noqa: SIM115
        try:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except (BlockingIOError, PermissionError):
            with file:
                file.seek(0)
                holder = file.read(200).strip()
            raise UserError(
                'Another process trains in this work directory.',
                looked_for=f'a folder of its own for each training, not {path.parent}',
                found=holder or path,
                remedy='wait until it has ended, or give another --work-dir',
            ) from None
        except OSError:  # no locks on this file system
            return file
        if _is_still_there(path, file):
            file.truncate(0)
            file.write(f'process {os.getpid()} on {socket.gethostname()}\n')
            file.flush()
            return file
        # Whoever held the lock has removed the file since it was opened.
        file.close()


def _is_still_there(path: Path, file: TextIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False
