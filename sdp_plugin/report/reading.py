"""From what a grid left to the table of its runs, with scores that are checked against metrics and each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.grid.records import FEATURES, FINE_TUNING, PRETRAINING, Cell, Result
from sdp_plugin.grid.store import GridRecord, load_scores
from sdp_plugin.report.model import ACCURACY, Column, Position
from sdp_plugin.report.runs import Key, Run, RunTable
from sdp_plugin.report.scores import HELD_OUT_PREFIX, RunScores, image_scores

LENGTHS = 'lengths'
# An accuracy computed from the predictions is that of the metrics, to the rounding of a float32.
ACCURACY_TOLERANCE = 0.01


def read_runs(record: GridRecord) -> RunTable:
    """Make the table, with the scores of the test images.

    Args:
        record (GridRecord): A grid, complete or not.
    """
    odd = [cell for cell in record.cells if cell.draws and not _fit(cell, record.results.get(cell.id))]
    results = {id: result for id, result in record.results.items() if id not in {cell.id for cell in odd}}
    runs = [run for cell in record.cells for run in _runs(cell, results.get(cell.id))]
    scores, problems = _read_scores(record.work_dir, runs)
    problems += [f'The draws of {cell.title} are left out: they are not those of the plan.' for cell in odd]
    with_scores = [_with_scores(run, scores[run.key]) if run.key in scores else run for run in runs]
    return RunTable(with_scores, record.plan.grid, problems)


def _fit(cell: Cell, result: Result | None) -> bool:
    """Whether a probe's result has what the table takes of each of its draws."""
    if result is None:
        return True
    parts = [draw.get(name) for draw in result.draws for name in ('metrics', 'subset')]
    return len(result.draws) == len(cell.draws) and all(isinstance(part, dict) for part in parts)


def _runs(cell: Cell, result: Result | None) -> list[Run]:
    """The runs of a cell: one, of a probe one for each of its draws, and none of what is only a step on the way."""
    if cell.kind in (PRETRAINING, FEATURES):
        return []
    draws = cell.draws or ((cell.repeat, cell.fold, cell.seed),)
    return [_run(cell, result, number, draw) for number, draw in enumerate(draws)]


def _run(cell: Cell, result: Result | None, number: int, draw: tuple[int | None, ...]) -> Run:
    position = Position(
        cell.variant,
        Column(cell.dataset, cell.examples_per_class),
        cell.initialisation,
        cell.method or FINE_TUNING,
    )
    of_cell = (cell.kind, cell.id, cell.title, *draw, cell.obstacle or '')
    if result is None:
        return Run(position, *of_cell, number=number)
    of_draw = result.draws[number] if result.draws else {'metrics': result.metrics, 'subset': {}}
    subset = {**result.subset, **of_draw['subset']}
    return Run(position, *of_cell, True, of_draw['metrics'], subset, result.curve, number=number)


def _with_scores(run: Run, scores: RunScores) -> Run:
    calibration = {name: 100 * float(added.mean()) for name, added in scores.calibration.items()}
    return replace(run, scores=scores, metrics={**run.metrics, **calibration})


def _read_scores(work_dir: Path, runs: Sequence[Run]) -> tuple[dict[Key, RunScores], list[str]]:
    """The scores of the finished runs by their keys, and what is wrong with those that are left out.

    Runs that were tested on the same images must have as many of them, with the same labels.
    """
    done = {run.key: run for run in runs if run.is_done}
    scores, problems = {}, []
    # Decompression, sorting and counting let other threads run.
    with ThreadPoolExecutor() as pool:
        # Cells by cells, as a cell may be in several variants and hold the scores of many draws.
        files = dict.fromkeys(run.cell for run in done.values())
        arrays = dict(zip(files, pool.map(lambda cell: _arrays_of(cell, work_dir), files), strict=True))
        found = list(pool.map(lambda run: _scores_of(run, arrays[run.cell]), done.values()))
    for run, of_run in zip(done.values(), found, strict=True):
        if isinstance(of_run, UserError):
            problems.append(f'The scores of {run.title} are left out. {_one_line(of_run)}')
        elif of_run is not None:
            scores[run.key] = of_run
    tested: dict[tuple, list[Run]] = {}
    for run in map(done.get, scores):
        key = (run.position.variant, run.position.column.dataset, run.fold, run.subset.get('test_digest'))
        tested.setdefault(key, []).append(run)
    for same_images in tested.values():
        for run in _odd_ones(same_images, scores):
            problems.append(
                f'The scores of {run.title} are left out. Its {len(scores[run.key].labels):,} images or their labels '
                'are not those of the other runs on the same test images.'
            )
            del scores[run.key]
    return scores, problems


def _one_line(error: Exception) -> str:
    """The message of an error without line feeds."""
    return ' '.join(str(error).split())


def _odd_ones(runs: Iterable[Run], scores: Mapping[Key, RunScores]) -> list[Run]:
    """The runs whose labels are not those of most."""
    kinds: dict[bytes, list[Run]] = {}
    for run in runs:
        kinds.setdefault(scores[run.key].labels.tobytes(), []).append(run)
    usual = max(kinds.values(), key=len)
    return [run for kind in kinds.values() if kind is not usual for run in kind]


def _arrays_of(cell: str, work_dir: Path) -> dict[str, np.ndarray] | UserError:
    try:
        return load_scores(work_dir, cell)
    except UserError as error:
        return error


def _scores_of(run: Run, arrays: dict[str, np.ndarray] | UserError) -> RunScores | UserError | None:
    if isinstance(arrays, UserError) or not arrays:
        return arrays or None
    try:
        scores = _checked(image_scores(_of_draw(arrays, run.number)), run)
        # Computed here, in threads.
        scores.calibration  # noqa: B018
        return scores
    except UserError as error:
        return error


def _of_draw(arrays: Mapping[str, np.ndarray], number: int) -> Mapping[str, np.ndarray]:
    """The part of a probe's arrays that belongs to one of its draws; all of what has none."""
    if LENGTHS not in arrays:
        return arrays
    found = {}
    for name, array in arrays.items():
        lengths = arrays.get(f'{HELD_OUT_PREFIX}{LENGTHS}' if name.startswith(HELD_OUT_PREFIX) else LENGTHS)
        if lengths is not None and (lengths.ndim != 1 or lengths.dtype.kind not in 'iu' or len(lengths) <= number):
            raise UserError(
                'The lengths are not those of the draws.', found=f'{lengths.dtype} of shape {lengths.shape}'
            )
        if not name.endswith(LENGTHS) and lengths is not None:
            end = lengths[: number + 1].sum()
            found[name] = array[end - lengths[number] : end]
    return found


def _checked(scores: RunScores, run: Run) -> RunScores:
    told = run.metrics.get(ACCURACY)
    if told is not None and abs(told - scores.accuracy) > ACCURACY_TOLERANCE:
        raise UserError(f'They give an accuracy of {scores.accuracy:.2f}, the metrics say {told:.2f}.')
    return scores
