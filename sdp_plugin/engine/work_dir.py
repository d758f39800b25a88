"""One training at a time in a work directory."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sdp_plugin.files import sole_use

LOCK_FILE = '.training'
# By launcher; before the process group exists nothing else tells one process from another.
RANK_VARIABLES = ('RANK', 'SLURM_PROCID', 'OMPI_COMM_WORLD_RANK')


@contextmanager
def only_training_in(work_dir: str | Path, launcher: str = 'none') -> Iterator[None]:
    """Keep other trainings out of a work directory within the block, where the file system has locks.

    A folder that was made for the lock and holds nothing afterwards is removed.

    Args:
        work_dir (str | Path): The work directory, which is made if missing.
        launcher (str): What started this process; the first of several processes holds the lock.

    Raises:
        UserError: If another process trains there, or nothing can be written there.
    """
    if launcher != 'none' and any(os.environ.get(name, '0') != '0' for name in RANK_VARIABLES):
        yield
        return
    folder = Path(work_dir)
    was_there = folder.is_dir()
    try:
        with sole_use(folder / LOCK_FILE, 'training', 'give another --work-dir'):
            yield
    finally:
        if not was_there:
            with suppress(OSError):
                folder.rmdir()
