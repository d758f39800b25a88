"""The entries of the table: values, mean, deviation, intervals, and the published numbers beside them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from statistics import fmean, stdev

import numpy as np

from sdp_plugin.grid.records import Cell, Result
from sdp_plugin.grid.store import GridRecord
from sdp_plugin.report.model import ACCURACY, Column, Entry, Published, Summary, Value
from sdp_plugin.report.pairing import place
from sdp_plugin.report.score_files import finetunings
from sdp_plugin.report.scores import CONTRIBUTIONS, ImageScores
from sdp_plugin.statistics import (
    Interval,
    corrected_interval,
    draw_image_weights,
    ratio_of_equal_folds,
    ratio_of_folds,
    runs_by_images_intervals,
    t_interval,
)
from sdp_plugin.statistics.published import PublishedTable

# Test images of the complete data sets, of each fold for CRC. The published numbers are of these.
OFFICIAL_TEST_SIZES = {'PCam': 32_768, 'CRC': 500}
Place = tuple[str, str, Column]


def by_place(cells: Iterable[Cell]) -> dict[Place, list[Cell]]:
    """The runs of each entry, in the order of repeats and folds."""
    places: dict[Place, list[Cell]] = {}
    for cell in cells:
        column = Column(cell.dataset, cell.examples_per_class)
        places.setdefault((cell.variant, cell.initialisation, column), []).append(cell)
    return {key: sorted(runs, key=lambda cell: (cell.repeat or 0, cell.fold or 0)) for key, runs in places.items()}


def entries_of(
    record: GridRecord, scores: Mapping[str, ImageScores], metrics: Sequence[str], published: PublishedTable | None
) -> list[Entry]:
    """One entry for each variant, initialisation, data set and size of the plan."""
    places = by_place(finetunings(record))
    crossed = _crossed_intervals(record, scores, metrics, places)
    entries = []
    for key, runs in places.items():
        summaries = {}
        for metric in metrics:
            values = values_of(runs, record.results, metric)
            if values:
                ratio = fold_ratio(runs, record)
                summaries[metric] = _summary(values, ratio, crossed.get((key, metric)))
        variant, initialisation, column = key
        beside = published and _published(
            published, variant, initialisation, column, runs, record.results, summaries.get(ACCURACY)
        )
        obstacle = next((cell.obstacle for cell in runs if cell.obstacle), '') or ''
        entries.append(Entry(variant, column, initialisation, len(runs), summaries, beside, obstacle))
    return entries


def values_of(runs: Iterable[Cell], results: Mapping[str, Result], metric: str) -> tuple[Value, ...]:
    """The finite values of a metric."""
    found = [(cell, results[cell.id].metrics.get(metric)) for cell in runs if cell.id in results]
    return tuple(Value(place(cell), cell.id, value) for cell, value in found if is_number(value))


def is_number(value: object) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)


def fold_ratio(runs: Sequence[Cell], record: GridRecord) -> float | None:
    """The ratio of a fold's test part to its training part, None for runs that are no folds.

    From the sizes of the test parts where all folds are done, otherwise as if the folds were equal.
    """
    folds = {cell.fold for cell in runs}
    if None in folds:
        return None
    sizes = {cell.fold: record.results[cell.id].subset.get('test_size') for cell in runs if cell.id in record.results}
    if len(folds) > 1 and set(sizes) == folds and all(sizes.values()):
        return ratio_of_folds(list(sizes.values()))
    planned = record.plan.grid.get('datasets', {}).get(runs[0].dataset, {}).get('folds') or len(folds)
    return ratio_of_equal_folds(planned) if planned > 1 else None


def same_test_images(runs: Sequence[Cell], record: GridRecord) -> bool:
    """Whether all finished runs were tested on the same images."""
    digests = {record.results[cell.id].subset.get('test_digest') for cell in runs if cell.id in record.results}
    return len(digests) == 1 and None not in digests


def _summary(values: tuple[Value, ...], ratio: float | None, crossed: Interval | None) -> Summary:
    numbers = [value.value for value in values]
    sd = stdev(numbers) if len(numbers) > 1 else None
    over_runs = t_interval(numbers)
    if ratio is not None:
        return Summary(values, fmean(numbers), sd, corrected_interval(numbers, ratio), over_runs)
    if crossed is not None:
        return Summary(values, fmean(numbers), sd, crossed, over_runs)
    return Summary(values, fmean(numbers), sd, over_runs)


def _crossed_intervals(
    record: GridRecord,
    scores: Mapping[str, ImageScores],
    metrics: Sequence[str],
    places: Mapping[Place, Sequence[Cell]],
) -> dict[tuple[Place, str], Interval]:
    """Intervals over runs x test images, for entries whose runs share their test images and have all their scores."""
    wanted = {}
    for key, runs in places.items():
        done = [cell for cell in runs if cell.id in record.results]
        if not done or done[0].fold is not None or not all(cell.id in scores for cell in done):
            continue
        if same_test_images(done, record):
            wanted.update(
                {(key, metric): [scores[cell.id] for cell in done] for metric in metrics if metric in CONTRIBUTIONS}
            )
    stacks: dict[int, dict[tuple[Place, str], np.ndarray]] = {}
    # Sorting, most of the work, lets other threads run.
    with ThreadPoolExecutor() as pool:
        stacked = pool.map(lambda item: _stack(item[0][1], item[1]), wanted.items())
        for place, stack in zip(wanted, stacked, strict=True):
            if stack is not None:
                stacks.setdefault(stack.shape[1], {})[place] = stack
    intervals = {}
    for num_images, cells in stacks.items():
        if num_images > 1:
            found = runs_by_images_intervals(list(cells.values()), weights=image_weights(num_images))
            intervals.update(zip(cells, found, strict=True))
    return intervals


def _stack(metric: str, runs: Sequence[ImageScores]) -> np.ndarray | None:
    """(runs, images) of what each image adds to the metric; None where that is not defined."""
    parts = [CONTRIBUTIONS[metric](run) for run in runs]
    return None if any(part is None for part in parts) else np.stack(parts)


@lru_cache(maxsize=1)
def image_weights(num_images: int) -> np.ndarray:
    """The resamples of a test set of so many images, drawn once for all tables."""
    return draw_image_weights(num_images)


def _published(
    table: PublishedTable,
    variant: str,
    initialisation: str,
    column: Column,
    runs: Sequence[Cell],
    results: Mapping[str, Result],
    summary: Summary | None,
) -> Published | None:
    cell = table.cell(initialisation, column.dataset, column.examples_per_class)
    if cell is None or variant:
        return None
    official = OFFICIAL_TEST_SIZES.get(column.dataset)
    sizes = sorted({results[run.id].subset.get('test_size') or 0 for run in runs if run.id in results})
    if summary is None:
        return Published(cell, None, 'not run yet')
    if official and sizes != [official]:
        tested = ' to '.join(f'{size:,}' if size else 'an unknown number' for size in sorted({sizes[0], sizes[-1]}))
        return Published(cell, None, f'tested on {tested} images, the paper on {official:,}')
    return Published(cell, summary.mean - cell.mean, '')
