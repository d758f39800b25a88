"""The paired comparisons that the grid's config asks for, over all data sets, sizes and variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.grid.records import Cell, Result
from sdp_plugin.grid.store import GridRecord
from sdp_plugin.report.entries import fold_ratio, image_weights, is_number
from sdp_plugin.report.model import Column, ComparisonBlock, ComparisonRow, Value
from sdp_plugin.report.pairing import pair_up, place
from sdp_plugin.report.score_files import finetunings
from sdp_plugin.report.scores import CONTRIBUTIONS, ImageScores
from sdp_plugin.statistics import Interval, claims, compare_paired, runs_by_images_intervals

Pairs = Sequence[tuple[Result, Result]]


def comparisons_of(
    record: GridRecord, scores: Mapping[str, ImageScores], metric: str, columns: Sequence[Column]
) -> list[ComparisonBlock]:
    """One block for each comparison of the config.

    The margin was fixed for the grid's own metric, so for another one equivalence is not tested.
    """
    margins_hold = metric == record.plan.grid.get('metric', metric)
    return [
        _block(record, scores, metric, columns, wanted, margins_hold)
        for wanted in record.plan.grid.get('comparisons', [])
    ]


def margin_of(wanted: Mapping[str, Any], dataset: str) -> float | None:
    """The margin in points that a comparison of the config sets for a data set: one for all, or one each."""
    margin = wanted.get('margin')
    margin = margin.get(dataset) if isinstance(margin, Mapping) else margin
    if margin is not None and not (is_number(margin) and margin > 0):
        raise UserError('A margin is a positive number of points.', looked_for='comparisons of the grid', found=wanted)
    return margin


def _block(
    record: GridRecord,
    scores: Mapping[str, ImageScores],
    metric: str,
    columns: Sequence[Column],
    wanted: Mapping[str, Any],
    margins_hold: bool,
) -> ComparisonBlock:
    first, second = wanted['first'], wanted['second']
    parts = []
    for (variant, column), cells in _cells_by_column(record, columns).items():
        if not {first, second} <= {cell.initialisation for cell in cells}:
            continue
        pairing = pair_up(cells, record.results, first, second)
        pairs = [pair for pair in pairing.pairs if all(is_number(result.metrics.get(metric)) for result in pair)]
        values = [[result.metrics[metric] for result in results] for results in zip(*pairs, strict=True)] or [[], []]
        margin = margin_of(wanted, column.dataset) if margins_hold else None
        comparison = compare_paired(*values, test_train_ratio=fold_ratio(cells, record), margin=margin)
        unpaired = [(odd.title, odd.reason) for odd in pairing.unpaired]
        unpaired += [(place(pair[0].cell), f'no {metric} in a result') for pair in pairing.pairs if pair not in pairs]
        parts.append((variant, column, comparison, pairs, unpaired))
    words = claims([comparison for _, _, comparison, _, _ in parts])
    images = _intervals_over_images([pairs for *_, pairs, _ in parts], scores, metric)
    rows = [
        ComparisonRow(variant, column, comparison, claim, _differences(pairs, metric), interval, tuple(unpaired))
        for (variant, column, comparison, pairs, unpaired), claim, interval in zip(parts, words, images, strict=True)
    ]
    return ComparisonBlock(first, second, tuple(rows))


def _cells_by_column(record: GridRecord, columns: Sequence[Column]) -> dict[tuple[str, Column], list[Cell]]:
    found: dict[tuple[str, Column], list[Cell]] = {}
    for cell in finetunings(record):
        found.setdefault((cell.variant, Column(cell.dataset, cell.examples_per_class)), []).append(cell)
    variants = list(dict.fromkeys(variant for variant, _ in found))
    return {(variant, column): found[variant, column] for variant in variants for column in columns
            if (variant, column) in found}  # fmt: skip


def _differences(pairs: Pairs, metric: str) -> tuple[Value, ...]:
    return tuple(
        Value(place(first.cell), first.cell.id, first.metrics[metric] - second.metrics[metric])
        for first, second in pairs
    )


def _intervals_over_images(
    groups: Sequence[Pairs], scores: Mapping[str, ImageScores], metric: str
) -> list[Interval | None]:
    """Of the mean differences, over runs x test images, where all pairs share them; None elsewhere."""
    stacks = {index: _stack(pairs, scores, metric) for index, pairs in enumerate(groups)}
    stacks = {index: stack for index, stack in stacks.items() if stack is not None}
    intervals: list[Interval | None] = [None] * len(groups)
    for num_images in {stack.shape[1] for stack in stacks.values()}:
        indices = [index for index, stack in stacks.items() if stack.shape[1] == num_images]
        weights = image_weights(num_images)
        found = runs_by_images_intervals([stacks[index] for index in indices], weights=weights)
        for index, interval in zip(indices, found, strict=True):
            intervals[index] = interval
    return intervals


def _stack(pairs: Pairs, scores: Mapping[str, ImageScores], metric: str) -> np.ndarray | None:
    """(pairs, images) differences of what each image adds to the metric."""
    results = [result for pair in pairs for result in pair]
    digests = {result.subset.get('test_digest') for result in results}
    if metric not in CONTRIBUTIONS or len(digests) != 1 or any(result.cell.fold is not None for result in results):
        return None
    if not all(result.cell.id in scores for result in results):
        return None
    parts = [[CONTRIBUTIONS[metric](scores[result.cell.id]) for result in pair] for pair in pairs]
    if any(part is None or len(part) < 2 for pair in parts for part in pair):
        return None
    return np.stack([np.asarray(first, np.float32) - np.asarray(second, np.float32) for first, second in parts])
