"""The scores of the test images of a grid's runs, checked against the metrics and against each other."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor

from sdp_plugin.errors import UserError
from sdp_plugin.grid.records import FINETUNING, Cell, Result
from sdp_plugin.grid.store import GridRecord, load_scores
from sdp_plugin.report.model import ACCURACY
from sdp_plugin.report.scores import ImageScores, image_scores

# An accuracy computed from the predictions is that of the metrics, to the rounding of a float32.
ACCURACY_TOLERANCE = 0.01


def finetunings(record: GridRecord) -> list[Cell]:
    """The cells that the tables are of."""
    return [cell for cell in record.cells if cell.kind == FINETUNING]


def read_scores(record: GridRecord) -> tuple[dict[str, ImageScores], list[str]]:
    """The scores of the finished fine-tunings by id, and what is wrong with those that are left out.

    Runs that were tested on the same images must have as many of them, with the same labels.
    """
    cells = {cell.id: cell for cell in finetunings(record) if cell.id in record.results}
    scores, problems = {}, []
    # Decompression, sorting and counting let other threads run.
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda cell: _scores_of(cell, record), cells.values()))
    for cell, of_cell in zip(cells.values(), found, strict=True):
        if isinstance(of_cell, UserError):
            problems.append(f'The scores of {cell.title} are left out. {one_line(of_cell)}')
        elif of_cell is not None:
            scores[cell.id] = of_cell
    tested: dict[tuple, list[Cell]] = {}
    for cell_id in scores:
        cell, digest = cells[cell_id], record.results[cell_id].subset.get('test_digest')
        tested.setdefault((cell.variant, cell.dataset, cell.fold, digest), []).append(cell)
    for same_images in tested.values():
        for cell in _odd_ones(same_images, scores):
            problems.append(
                f'The scores of {cell.title} are left out. Its {len(scores[cell.id].labels):,} images or their labels '
                'are not those of the other runs on the same test images.'
            )
            del scores[cell.id]
    return scores, problems


def one_line(error: Exception) -> str:
    """The message of an error without line feeds."""
    return ' '.join(str(error).split())


def _odd_ones(cells: Iterable[Cell], scores: Mapping[str, ImageScores]) -> list[Cell]:
    """The cells whose labels are not those of most."""
    kinds: dict[bytes, list[Cell]] = {}
    for cell in cells:
        kinds.setdefault(scores[cell.id].labels.tobytes(), []).append(cell)
    usual = max(kinds.values(), key=len)
    return [cell for kind in kinds.values() if kind is not usual for cell in kind]


def _scores_of(cell: Cell, record: GridRecord) -> ImageScores | UserError | None:
    try:
        arrays = load_scores(record.work_dir, cell.id)
        return _checked(image_scores(arrays), record.results[cell.id]) if arrays else None
    except UserError as error:
        return error


def _checked(scores: ImageScores, result: Result) -> ImageScores:
    told = result.metrics.get(ACCURACY)
    if told is not None and abs(told - scores.accuracy) > ACCURACY_TOLERANCE:
        raise UserError(f'They give an accuracy of {scores.accuracy:.2f}, the metrics say {told:.2f}.')
    return scores
