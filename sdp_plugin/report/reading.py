"""From what a grid left to the table of its runs, with scores that are checked against metrics and each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from sdp_plugin.errors import UserError
from sdp_plugin.grid.records import FINE_TUNING, PRETRAINING, Cell, Result
from sdp_plugin.grid.store import GridRecord, load_scores
from sdp_plugin.report.model import ACCURACY, Column, Position
from sdp_plugin.report.runs import Run, RunTable
from sdp_plugin.report.scores import RunScores, image_scores

# An accuracy computed from the predictions is that of the metrics, to the rounding of a float32.
ACCURACY_TOLERANCE = 0.01


def read_runs(record: GridRecord) -> RunTable:
    """Make the table, with the scores of the test images.

    Args:
        record (GridRecord): A grid, complete or not.
    """
    runs = [_run(cell, record.results.get(cell.id)) for cell in record.cells if cell.kind != PRETRAINING]
    scores, problems = _read_scores(record.work_dir, runs)
    with_scores = [replace(run, scores=scores.get(run.cell)) if run.cell in scores else run for run in runs]
    return RunTable(with_scores, record.plan.grid, problems)


def _run(cell: Cell, result: Result | None) -> Run:
    position = Position(
        cell.variant,
        Column(cell.dataset, cell.examples_per_class),
        cell.initialisation,
        cell.method or FINE_TUNING,
    )
    of_cell = (cell.kind, cell.id, cell.title, cell.repeat, cell.fold, cell.seed, cell.obstacle or '')
    if result is None:
        return Run(position, *of_cell)
    return Run(position, *of_cell, True, result.metrics, result.subset, result.curve)


def _read_scores(work_dir: Path, runs: Sequence[Run]) -> tuple[dict[str, RunScores], list[str]]:
    """The scores of the finished runs by the ids of their cells, and what is wrong with those that are left out.

    Runs that were tested on the same images must have as many of them, with the same labels.
    """
    done = {run.cell: run for run in runs if run.is_done}
    scores, problems = {}, []
    # Decompression, sorting and counting let other threads run.
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda run: _scores_of(run, work_dir), done.values()))
    for run, of_run in zip(done.values(), found, strict=True):
        if isinstance(of_run, UserError):
            problems.append(f'The scores of {run.title} are left out. {_one_line(of_run)}')
        elif of_run is not None:
            scores[run.cell] = of_run
    tested: dict[tuple, list[Run]] = {}
    for cell in scores:
        run = done[cell]
        key = (run.position.variant, run.position.column.dataset, run.fold, run.subset.get('test_digest'))
        tested.setdefault(key, []).append(run)
    for same_images in tested.values():
        for run in _odd_ones(same_images, scores):
            problems.append(
                f'The scores of {run.title} are left out. Its {len(scores[run.cell].labels):,} images or their labels '
                'are not those of the other runs on the same test images.'
            )
            del scores[run.cell]
    return scores, problems


def _one_line(error: Exception) -> str:
    """The message of an error without line feeds."""
    return ' '.join(str(error).split())


def _odd_ones(runs: Iterable[Run], scores: Mapping[str, RunScores]) -> list[Run]:
    """The runs whose labels are not those of most."""
    kinds: dict[bytes, list[Run]] = {}
    for run in runs:
        kinds.setdefault(scores[run.cell].labels.tobytes(), []).append(run)
    usual = max(kinds.values(), key=len)
    return [run for kind in kinds.values() if kind is not usual for run in kind]


def _scores_of(run: Run, work_dir: Path) -> RunScores | UserError | None:
    try:
        arrays = load_scores(work_dir, run.cell)
        return _checked(image_scores(arrays), run) if arrays else None
    except UserError as error:
        return error


def _checked(scores: RunScores, run: Run) -> RunScores:
    told = run.metrics.get(ACCURACY)
    if told is not None and abs(told - scores.accuracy) > ACCURACY_TOLERANCE:
        raise UserError(f'They give an accuracy of {scores.accuracy:.2f}, the metrics say {told:.2f}.')
    return scores
