"""The paired comparisons that the grid's config asks for, over all data sets, sizes and variants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.report.model import Column, ComparisonBlock, ComparisonRow, Position, Row, Value
from sdp_plugin.report.pairing import pair_up
from sdp_plugin.report.runs import Run, RunTable, share_test_images
from sdp_plugin.report.scores import CONTRIBUTIONS
from sdp_plugin.report.table_entries import image_weights, is_number
from sdp_plugin.statistics import Interval, claims, compare_paired, runs_by_images_intervals

Pairs = Sequence[tuple[Run, Run]]


def comparisons_of(table: RunTable, metric: str, columns: Sequence[Column]) -> list[ComparisonBlock]:
    """One block for each comparison of the config and each method of which both are.

    A comparison may name the ``methods`` of its first and second; then it is one block, of these.
    The margin was fixed for the grid's own metric, so for another one equivalence is not tested.
    """
    margins_hold = metric == table.grid.get('metric', metric)
    blocks = []
    for wanted in table.grid.get('comparisons', []):
        found = [_block(table, metric, columns, wanted, rows, margins_hold) for rows in _rows(table, wanted)]
        blocks += [block for block in found if block.rows] or found[:1]
    return blocks


def margin_of(wanted: Mapping[str, Any], dataset: str) -> float | None:
    """The margin in points that a comparison of the config sets for a data set: one for all, or one each."""
    margin = wanted.get('margin')
    margin = margin.get(dataset) if isinstance(margin, Mapping) else margin
    if margin is not None and not (is_number(margin) and margin > 0):
        raise UserError('A margin is a positive number of points.', looked_for='comparisons of the grid', found=wanted)
    return margin


def _rows(table: RunTable, wanted: Mapping[str, Any]) -> Iterator[tuple[Row, Row]]:
    pairs = [wanted['methods']] if wanted.get('methods') else [(method, method) for method in table.methods]
    for first, second in pairs:
        yield Row(wanted['first'], first), Row(wanted['second'], second)


def _block(
    table: RunTable,
    metric: str,
    columns: Sequence[Column],
    wanted: Mapping[str, Any],
    compared: tuple[Row, Row],
    margins_hold: bool,
) -> ComparisonBlock:
    parts = []
    for variant, column in product(table.variants, columns):
        positions = [Position(variant, column, row.initialisation, row.method) for row in compared]
        if not all(position in table.by_position for position in positions):
            continue
        pairing = pair_up([run for position in positions for run in table.by_position[position]], *compared)
        pairs = [pair for pair in pairing.pairs if all(is_number(run.metrics.get(metric)) for run in pair)]
        values = [[run.metrics[metric] for run in side] for side in zip(*pairs, strict=True)] or [[], []]
        margin = margin_of(wanted, column.dataset) if margins_hold else None
        comparison = compare_paired(
            *values, test_train_ratio=table.fold_ratio(table.by_column[variant, column]), margin=margin
        )
        unpaired = list(pairing.unpaired)
        unpaired += [(pair[0].place, f'no {metric} in a result') for pair in pairing.pairs if pair not in pairs]
        parts.append((variant, column, comparison, pairs, unpaired))
    images = _intervals_over_images([pairs for *_, pairs, _ in parts], metric)
    words = claims([comparison for _, _, comparison, _, _ in parts], images)
    rows = [
        ComparisonRow(variant, column, comparison, claim, _differences(pairs, metric), interval, tuple(unpaired))
        for (variant, column, comparison, pairs, unpaired), claim, interval in zip(parts, words, images, strict=True)
    ]
    return ComparisonBlock(compared[0].label, compared[1].label, tuple(rows))


def _differences(pairs: Pairs, metric: str) -> tuple[Value, ...]:
    return tuple(
        Value(first.place, first.cell, first.metrics[metric] - second.metrics[metric]) for first, second in pairs
    )


def _intervals_over_images(groups: Sequence[Pairs], metric: str) -> list[Interval | None]:
    """Of the mean differences, over runs x test images, where all pairs share them; None elsewhere."""
    stacks = {index: _stack(pairs, metric) for index, pairs in enumerate(groups)}
    stacks = {index: stack for index, stack in stacks.items() if stack is not None}
    intervals: list[Interval | None] = [None] * len(groups)
    for num_images in {stack.shape[1] for stack in stacks.values()}:
        indices = [index for index, stack in stacks.items() if stack.shape[1] == num_images]
        weights = image_weights(num_images)
        found = runs_by_images_intervals([stacks[index] for index in indices], weights=weights)
        for index, interval in zip(indices, found, strict=True):
            intervals[index] = interval
    return intervals


def _stack(pairs: Pairs, metric: str) -> np.ndarray | None:
    """(pairs, images) differences of what each image adds to the metric."""
    runs = [run for pair in pairs for run in pair]
    if metric not in CONTRIBUTIONS or not share_test_images(runs) or not all(run.scores for run in runs):
        return None
    parts = [[CONTRIBUTIONS[metric](run.scores) for run in pair] for pair in pairs]
    if any(part is None or len(part) < 2 for pair in parts for part in pair):
        return None
    return np.stack([np.asarray(first, np.float32) - np.asarray(second, np.float32) for first, second in parts])
