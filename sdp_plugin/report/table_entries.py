"""The entries of the table: values, mean, deviation, intervals, and the published numbers beside them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import lru_cache
from statistics import fmean, stdev
from typing import Any

import numpy as np

from sdp_plugin.report.model import PERCENTAGES, Entry, Position, Published, Summary, Value
from sdp_plugin.report.runs import Run, RunTable, share_test_images
from sdp_plugin.report.scores import CONTRIBUTIONS, RunScores
from sdp_plugin.statistics import (
    Interval,
    corrected_interval,
    cut_to,
    draw_image_weights,
    runs_by_images_intervals,
    t_interval,
)
from sdp_plugin.statistics.published import PublishedTable

# Test images of the complete data sets, of each fold for CRC. The published numbers are of these.
OFFICIAL_TEST_SIZES = {'PCam': 32_768, 'CRC': 500}


def entries_of(table: RunTable, metrics: Sequence[str], published: PublishedTable | None) -> list[Entry]:
    """One entry for each position of the table, in the order of the plan."""
    crossed = _crossed_intervals(table, metrics)
    entries = []
    for position, runs in table.by_position.items():
        summaries = {}
        for metric in metrics:
            if values := values_of(runs, metric):
                summary = _summary(values, table.fold_ratio(runs), crossed.get((position, metric)))
                summaries[metric] = _within_reach(summary) if metric.startswith(PERCENTAGES) else summary
        beside = published and _published(published, position, runs, summaries.get(published.metric), table.grid)
        obstacle = next((run.obstacle for run in runs if run.obstacle), '')
        entries.append(
            Entry(**vars(position), planned=len(runs), summaries=summaries, published=beside, obstacle=obstacle)
        )
    return entries


def values_of(runs: Iterable[Run], metric: str) -> tuple[Value, ...]:
    """The finite values of a metric."""
    found = [(run, run.metrics.get(metric)) for run in runs]
    return tuple(Value(run.place, run.cell, value) for run, value in found if is_number(value))


def is_number(value: object) -> bool:
    """Whether it is a finite number."""
    return isinstance(value, int | float) and math.isfinite(value)


def _summary(values: tuple[Value, ...], ratio: float | None, crossed: Interval | None) -> Summary:
    numbers = [value.value for value in values]
    sd = stdev(numbers) if len(numbers) > 1 else None
    over_runs = t_interval(numbers)
    if ratio is not None:
        return Summary(values, fmean(numbers), sd, corrected_interval(numbers, ratio), over_runs)
    if crossed is not None:
        return Summary(values, fmean(numbers), sd, crossed, over_runs)
    return Summary(values, fmean(numbers), sd, over_runs)


def _within_reach(summary: Summary) -> Summary:
    return replace(summary, interval=cut_to(summary.interval), beside=cut_to(summary.beside))


def _crossed_intervals(table: RunTable, metrics: Sequence[str]) -> dict[tuple[Position, str], Interval]:
    """Intervals over runs x test images, for entries whose runs share their test images and have all their scores."""
    wanted = {}
    for position, runs in table.by_position.items():
        done = [run for run in runs if run.is_done]
        if share_test_images(done) and all(run.scores for run in done):
            wanted |= {
                (position, metric): [run.scores for run in done] for metric in metrics if metric in CONTRIBUTIONS
            }
    stacks: dict[int, dict[tuple[Position, str], np.ndarray]] = {}
    # Sorting, most of the work, lets other threads run.
    with ThreadPoolExecutor() as pool:
        stacked = pool.map(lambda item: _stack(item[0][1], item[1]), wanted.items())
        for key, stack in zip(wanted, stacked, strict=True):
            if stack is not None:
                stacks.setdefault(stack.shape[1], {})[key] = stack
    intervals = {}
    for num_images, found in stacks.items():
        if num_images > 1:
            of_images = runs_by_images_intervals(list(found.values()), weights=image_weights(num_images))
            intervals.update(zip(found, of_images, strict=True))
    return intervals


def _stack(metric: str, runs: Sequence[RunScores]) -> np.ndarray | None:
    """(runs, images) of what each image adds to the metric; None where that is not defined."""
    parts = [CONTRIBUTIONS[metric](run) for run in runs]
    return None if any(part is None for part in parts) else np.stack(parts)


@lru_cache(maxsize=1)
def image_weights(num_images: int) -> np.ndarray:
    """The resamples of a test set of so many images, drawn once for all tables."""
    return draw_image_weights(num_images)


def _published(
    table: PublishedTable, position: Position, runs: Sequence[Run], summary: Summary | None, grid: Mapping[str, Any]
) -> Published | None:
    column, name = position.column, position.initialisation
    card = grid.get('initialisations', {}).get(name, {}).get('card')
    cell = table.cell(card or name, column.dataset, column.examples_per_class)
    if cell is None or position.variant or position.method != table.method:
        return None
    if summary is None:
        return Published(cell, None, 'not run yet')
    if table.differs:
        return Published(cell, None, table.differs)
    official = OFFICIAL_TEST_SIZES.get(column.dataset)
    sizes = sorted({run.subset.get('test_size') or 0 for run in runs if run.is_done})
    if official and sizes != [official]:
        tested = ' to '.join(f'{size:,}' if size else 'an unknown number' for size in sorted({sizes[0], sizes[-1]}))
        return Published(cell, None, f'tested on {tested} images, the paper on {official:,}')
    return Published(cell, summary.mean - cell.mean, '')
