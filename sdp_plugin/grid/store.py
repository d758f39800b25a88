"""The work directory of a grid: what is written there, and how it is read.

::

    WORK_DIR/grid.json                    the plan
    WORK_DIR/cells/ID/result.json         what is kept of a finished cell; its presence means done
    WORK_DIR/cells/ID/scores.npz          per test image: log_scores, predictions, labels
    WORK_DIR/cells/ID/config.py           the whole config that was run
    WORK_DIR/cells/ID/initialisation.pth  the converted checkpoint of a pre-training, those of iterations beside it
    WORK_DIR/cells/ID/features.npy        the features of all images of a data set, and images.json, which they are
    WORK_DIR/cells/ID/failure.json        why a cell did not finish
    WORK_DIR/cells/ID/work/               the training's own files: log, events, checkpoints
    WORK_DIR/logs/                        what each worker prints

A result comes last, whole, and only once (:func:`publish`). Files of an attempt after the first have its number in
their names, as ``scores.1.npz``, and ``result.json`` names those that belong to it.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import traceback
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import UTC, datetime
from functools import cache, cached_property
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError
from pydantic_core import from_json

from sdp_plugin.errors import UserError
from sdp_plugin.files import atomic_path, read_regular_file, write_text_atomically
from sdp_plugin.grid import leases
from sdp_plugin.grid.identity import versions
from sdp_plugin.grid.leases import Claim, Owner, create_exclusively
from sdp_plugin.grid.records import PRETRAINING, Cell, Failure, Outcome, Plan, Result
from sdp_plugin.hardware import cores, processor

FORMAT = 1
MAX_BYTES = 2**28
"""Of a record; the plan of ten thousand cells has some ten million."""

PLAN, RESULT, FAILURE, WORK = 'grid.json', 'result.json', 'failure.json', 'work'
SCORES, CONFIG = 'scores.npz', 'config.py'
GRID_TYPES = {'name': str, 'metric': str, 'together': int, 'keep_checkpoints': bool, 'work': str}
"""What workers and their progress take of the grid's config."""

WALL = 'wall'
"""Name of the duration, among those of a result, from one outcome of a worker to the next, in seconds."""


@dataclass(frozen=True)
class GridRecord:
    """All that a work directory holds of a grid.

    Args:
        work_dir (Path): The work directory.
        plan (Plan): The plan. Cells of two variants that are the same training share an id, and so a result.
        results (Mapping[str, Result]): By id, those of planned cells.
        failures (Mapping[str, Failure]): By id, those of planned cells without a result.
        running (Mapping[str, Owner]): By id, which worker has the cell.
        stale (Mapping[str, Result]): By id, results of cells that are planned no longer.
        unreadable (Mapping[str, str]): By name of the folder, why what lies in it cannot be read, and what to do.
    """

    work_dir: Path
    plan: Plan
    results: Mapping[str, Result]
    failures: Mapping[str, Failure]
    running: Mapping[str, Owner]
    stale: Mapping[str, Result]
    unreadable: Mapping[str, str] = field(default_factory=dict)

    @property
    def cells(self) -> Sequence[Cell]:
        """All planned cells."""
        return self.plan.cells

    def not_runnable(self) -> Mapping[str, str]:
        """By id, why a cell cannot be run: of itself, or as its pre-training cannot be or failed."""
        return self._reasons

    @cached_property
    def _reasons(self) -> Mapping[str, str]:
        reasons: dict[str, str] = {}
        for cell in self.plan.trainings.values():
            reason = cell.obstacle
            if cell.needs in reasons:
                reason = f'its pre-training cannot be run: {reasons[cell.needs]}'
            elif cell.needs in self.failures:
                reason = f'{self.failures[cell.needs].cell.title} failed'
            if reason is not None and cell.id not in self.results:
                reasons[cell.id] = reason
        return reasons


def cell_folder(work_dir: Path, cell_id: str) -> Path:
    """The folder of a cell."""
    return work_dir / 'cells' / cell_id


def names_in(work_dir: Path, cell_id: str) -> set[str]:
    """Names of the files in a cell's folder. Listing a folder makes NFS look anew, which asking for a file does not.

    What is missing or no folder (``.DS_Store``) holds none.

    Raises:
        UserError: The folder cannot be read.
    """
    folder = cell_folder(work_dir, cell_id)
    try:
        return set(os.listdir(folder))
    except (FileNotFoundError, NotADirectoryError):
        return set()
    except OSError as error:
        raise _spoilt(folder, error) from error


# --- Writing -----------------------------------------------------------------------------------------------------


def unwritable(error: OSError) -> UserError:
    """The error of a grid for which there is no room."""
    return UserError(
        'The work directory cannot be written.',
        found=error,
        remedy='make room in it, or get access to it, and start the same command again: what is done is kept',
    )


def write_plan(work_dir: Path, plan: Plan) -> None:
    """Write ``grid.json``.

    Raises:
        UserError: The folder holds another grid.
    """
    path = work_dir / PLAN
    if path.is_file():
        name = from_json(_content(path)).get('name')
        if name != plan.name:
            raise UserError(
                'The work directory holds another grid.',
                looked_for=f'a new folder, or one of the grid {plan.name!r}',
                found=f'{path}: {name!r}',
                remedy='give another --work-dir',
            )
    write_text_atomically(path, json.dumps(plan.to_dict(), indent=1) + '\n')


def publish(cell: Cell, claim: Claim, outcome: Outcome, wall: float) -> bool:
    """Keep what a training gave. The result comes last and is created exclusively.

    Args:
        cell (Cell): The cell.
        claim (Claim): The claim on it.
        outcome (Outcome): What the training gave.
        wall (float): Seconds that the worker spent on it.

    Returns:
        bool: Whether the result was taken; it is not if another worker has taken the cell over or finished it.

    Raises:
        OSError: The folder cannot be written.
    """
    if not claim.is_held():
        return False
    names = {}
    if outcome.scores:
        names['scores'] = claim.name(SCORES)
        with atomic_path(claim.folder / names['scores']) as temporary:
            np.savez_compressed(temporary, **outcome.scores)
    names['config'] = claim.name(CONFIG)
    write_text_atomically(claim.folder / names['config'], outcome.config_text)
    for name, path in outcome.files.items():
        names[name] = claim.name(f'{name}{path.suffix}')
        os.replace(path, claim.folder / names[name])
    result = Result(
        cell=cell,
        metrics={name: float(value) for name, value in outcome.metrics.items()},
        curve=list(outcome.curve),
        subset=dict(outcome.subset),
        durations={**outcome.durations, WALL: round(wall, 3)},
        files=names,
        versions={'python': sys.version.split()[0], **versions()},
        machine=this_machine(),
        finished=_now(),
        draws=list(outcome.draws),
    )
    values = {'format': FORMAT, **_fields(result), 'cell': cell.to_dict()}
    is_first = claim.is_held() and create_exclusively(claim.folder / RESULT, json.dumps(values), _replace_if_missing)
    if not is_first:
        for name in names.values():
            (claim.folder / name).unlink(missing_ok=True)
        return False
    (claim.folder / FAILURE).unlink(missing_ok=True)
    return True


def _fields(record: Result | Failure) -> dict[str, Any]:
    return {field.name: getattr(record, field.name) for field in fields(record) if field.name != 'cell'}


def _replace_if_missing(temporary: Path, path: Path) -> bool:
    # Without links, whole matters more than exclusive: the claim is what keeps others away.
    if path.exists():
        return False
    os.replace(temporary, path)
    return True


def record_failure(cell: Cell, claim: Claim, error: BaseException) -> None:
    """Keep why a cell did not finish, and let the cell go. A cell that failed is run again only when asked for."""
    if not claim.is_held():
        return
    failure = Failure(
        cell=cell,
        error=str(error) if isinstance(error, UserError) else f'{type(error).__name__}: {error}'.rstrip(': '),
        traceback=''.join(traceback.format_exception(error)),
        machine=this_machine(),
        failed=_now(),
    )
    values = {'format': FORMAT, **_fields(failure), 'cell': cell.to_dict()}
    write_text_atomically(claim.folder / FAILURE, json.dumps(values, indent=1) + '\n')
    claim.release()


def forget_failures(work_dir: Path, cell_ids: Iterable[str]) -> int:
    """Let failed cells be run again.

    Returns:
        int: How many there were.
    """
    failed = [path for cell_id in cell_ids if (path := cell_folder(work_dir, cell_id) / FAILURE).is_file()]
    for path in failed:
        path.unlink(missing_ok=True)
    return len(failed)


def tidy_work_folder(cell: Cell, folder: Path) -> None:
    """Remove the checkpoints of a finished training, of a pre-training all but the newest. Logs and events stay."""
    newest = sorted(folder.glob('*.pth'), key=lambda path: path.stat().st_mtime)[-1:]
    kept = set(newest) if cell.kind == PRETRAINING else set()
    for path in folder.rglob('*.pth'):
        if path not in kept:
            path.unlink(missing_ok=True)
    if not kept:
        (folder / 'last_checkpoint').unlink(missing_ok=True)


@cache
def this_machine() -> dict[str, str]:
    """The machine that results are computed on."""
    # The work function has imported torch if it trains with it; nothing else here may.
    torch = sys.modules.get('torch')
    on_gpu = torch is not None and torch.cuda.is_available()
    return dict(
        host=socket.gethostname(),
        processor=processor(),
        cores=str(cores()),
        device=torch.cuda.get_device_name() if on_gpu else 'cpu',
    )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec='seconds')


# --- Reading -----------------------------------------------------------------------------------------------------


def read_plan(work_dir: str | Path) -> Plan:
    """Read ``grid.json``.

    Raises:
        UserError: It is missing or spoilt.
    """
    path = Path(work_dir) / PLAN
    if not path.is_file():
        raise UserError(
            'The folder holds no grid.', looked_for=path, remedy='tools/run_grid.py GRID --work-dir FOLDER makes one'
        )
    plan = _record(Plan, path)
    for key, kind in GRID_TYPES.items():
        if not isinstance(plan.grid.get(key), kind):
            raise _spoilt(path, f'grid.{key} is {plan.grid.get(key)!r:.60}')
    return plan


def read_grid(work_dir: str | Path, lease: float = leases.LEASE) -> GridRecord:
    """Read all that a work directory holds, also while workers are at it.

    Args:
        work_dir (str | Path): The work directory of a grid.
        lease (float): Seconds after which a claim lapses. Defaults to ``leases.LEASE``.

    Returns:
        GridRecord: The record. A cell whose files are spoilt is among the unreadable.

    Raises:
        UserError: There is no grid, or its plan is spoilt.
    """
    return read_cells(work_dir, read_plan(work_dir), lease)


def read_cells(
    work_dir: str | Path, plan: Plan, lease: float = leases.LEASE, known: Mapping[str, Result] | None = None
) -> GridRecord:
    """Read what a work directory holds of a plan, which need not be written there yet.

    Args:
        work_dir (str | Path): The work directory of a grid.
        plan (Plan): The plan.
        lease (float): Seconds after which a claim lapses. Defaults to ``leases.LEASE``.
        known (Mapping[str, Result] | None): Results by id that were read before and so are not read again.

    Returns:
        GridRecord: The record. A cell whose files are spoilt is among the unreadable.

    Raises:
        UserError: The folder of the cells cannot be read.
    """
    work_dir, known = Path(work_dir), known or {}
    results, failures, running, stale, unreadable = {}, {}, {}, {}, {}
    for cell_id in sorted(_listed(work_dir / 'cells')):
        try:
            names = names_in(work_dir, cell_id)
            if RESULT in names:
                result = known.get(cell_id) or read_result(work_dir, cell_id)
                (results if cell_id in plan.trainings else stale)[cell_id] = result
            elif cell_id not in plan.trainings:
                continue
            elif FAILURE in names and (failure := _failure(cell_folder(work_dir, cell_id) / FAILURE)):
                failures[cell_id] = failure
            elif owner := leases.holder(cell_folder(work_dir, cell_id), names, lease):
                running[cell_id] = owner
        except UserError as error:
            unreadable[cell_id] = str(error)
    return GridRecord(work_dir, plan, results, failures, running, stale, unreadable)


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder) if folder.exists() else []
    except OSError as error:
        raise UserError('The folder of the cells cannot be read.', looked_for=folder, found=error) from error


def read_result(work_dir: str | Path, cell_id: str) -> Result:
    """Read a cell's ``result.json``.

    Raises:
        UserError: It is spoilt.
    """
    return _record(Result, cell_folder(Path(work_dir), cell_id) / RESULT)


def load_scores(work_dir: str | Path, cell_id: str) -> dict[str, np.ndarray]:
    """Load the scores of a finished cell.

    Args:
        work_dir (str | Path): The work directory of the grid.
        cell_id (str): The cell's id.

    Returns:
        dict[str, np.ndarray]: See :class:`~sdp_plugin.grid.records.Outcome`; empty where the training gave none.

    Raises:
        UserError: The file is missing or spoilt.
    """
    folder = cell_folder(Path(work_dir), cell_id)
    name = read_result(work_dir, cell_id).files.get('scores')
    if name is None:
        return {}
    try:
        with np.load(folder / name) as file:
            arrays = {key: file[key] for key in file.files}
        # What is no array in the archive comes as bytes.
        if spoilt := [key for key, array in arrays.items() if not isinstance(array, np.ndarray)]:
            raise ValueError(f'{", ".join(spoilt)} is no array')
    except Exception as error:
        # Half a zip archive raises one of many exceptions.
        raise _spoilt(folder / name, error) from error
    return arrays


def left_by(work_dir: Path, cell_id: str, name: str) -> Path:
    """A file that a finished cell left for those that need it.

    Args:
        work_dir (Path): The work directory of the grid.
        cell_id (str): The cell's id.
        name (str): See :attr:`~sdp_plugin.grid.records.Cell.takes`.

    Raises:
        UserError: It is gone, or was not kept.
    """
    result = read_result(work_dir, cell_id)
    path = cell_folder(work_dir, cell_id) / result.files.get(name, name)
    if name not in result.files or not path.is_file():
        raise UserError(
            f'What a finished cell left for others is gone: {name} of {result.cell.title}.',
            looked_for=path,
            found=', '.join(sorted(result.files)) or 'nothing',
            remedy=f'remove {path.parent}, so that it is made again',
        )
    return path


def _failure(path: Path) -> Failure | None:
    try:
        return _record(Failure, path)
    except UserError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return None  # It was removed just now, so that the cell is run again.
        raise


def _record(kind: type, path: Path) -> Any:
    content = _content(path)
    try:
        return _parser(kind).validate_json(content, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise _spoilt(path, f'{".".join(map(str, first["loc"]))}: {first["msg"]}') from error


@cache
def _parser(kind: type) -> TypeAdapter:
    return TypeAdapter(kind)


def _content(path: Path) -> bytes:
    """The text of a record of this format."""
    try:
        content = read_regular_file(path, MAX_BYTES)
        values = from_json(content)
    except (OSError, ValueError) as error:
        raise _spoilt(path, error) from error
    if not isinstance(values, dict) or values.get('format') != FORMAT:
        raise _spoilt(path, f'no record of format {FORMAT}')
    return content


def _spoilt(path: Path, error: object) -> UserError:
    """What helps depends on whether the file can be read: a good result must not be removed for its permissions."""
    is_record = path.name in (PLAN, RESULT, FAILURE)
    if isinstance(error, OSError) and (is_record or not isinstance(error, FileNotFoundError)):
        remedy = 'make it readable; what is done is in it'
    elif path.name == PLAN:
        remedy = f'remove {path} and start the grid again, which writes it anew; what is done is kept'
    else:
        # Of a file that a result names, the result must go: while that is there, the cell counts as done.
        record = path if is_record else path.with_name(RESULT)
        remedy = f'remove {record} and start the grid again, which runs the cell again; nothing else is lost'
    return UserError('A file of the grid cannot be read.', found=f'{path}: {error}', remedy=remedy)
