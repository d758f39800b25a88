"""How far one training is, in a small file that whoever shows it reads."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from sdp_plugin.errors import UserError
from sdp_plugin.files import write_json_atomically
from sdp_plugin.records import as_record, read_json_file

FILE_NAME = 'progress.json'
SECONDS_BETWEEN_WRITES = 1.0
MAX_BYTES = 4096


@dataclass(frozen=True)
class StepProgress:
    """How far a training, or another pass in steps, is.

    Args:
        phase (str): ``'training'``, ``'test'`` or ``'features'``.
        done (int): Steps that are done.
        total (int): All steps.
        seconds (float): Since the first step that was seen.
        left (float | None): Seconds until the last step, at the speed so far; None before there is one.
        loss (float | None): The last one that is known.
    """

    phase: str
    done: int
    total: int
    seconds: float
    left: float | None = None
    loss: float | None = None


class StepProgressFile:
    """Writes how far a training is, once a second at most. What an earlier attempt left is removed.

    Args:
        folder (str | Path): The folder of the training.
    """

    def __init__(self, folder: str | Path) -> None:
        self.path = Path(folder) / FILE_NAME
        self._phase = ''
        self._begun = (0.0, 0)
        self._written = 0.0
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def step(self, phase: str, done: int, total: int, loss: Callable[[], float | None] = lambda: None) -> None:
        """Say that ``done`` of ``total`` steps are done. The loss is asked for only when it is written."""
        now = time.monotonic()
        if phase != self._phase:
            # From the first step's end: a training warms up in it.
            self._phase, self._begun = phase, (now, done)
        elif now - self._written < SECONDS_BETWEEN_WRITES:
            return
        self._written = now
        seconds, steps = now - self._begun[0], done - self._begun[1]
        left = seconds / steps * (total - done) if steps > 0 else None
        progress = StepProgress(phase, done, total, seconds, left, loss())
        # A training does not fail for it.
        with suppress(OSError):
            write_json_atomically(self.path, asdict(progress))


def read_step_progress(folder: str | Path) -> StepProgress | None:
    """What was written last; None where there is nothing, or nothing that can be read."""
    try:
        path = Path(folder) / FILE_NAME
        found = as_record(StepProgress, read_json_file(path, MAX_BYTES), path)
    except (OSError, UserError):
        return None
    return found if 0 <= found.done <= found.total else None
