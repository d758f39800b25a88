"""Curves and confusions over the runs at a position of the table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sdp_plugin.grid.store import GridRecord
from sdp_plugin.report.charts import thinned
from sdp_plugin.report.model import PRETRAINING_COLUMN, Confusion, Curve, Position
from sdp_plugin.report.runs import Run, RunTable
from sdp_plugin.statistics import mean_row_percentages
from sdp_plugin.statistics.calibration import NUM_BINS
from sdp_plugin.statistics.roc import GRID
from sdp_plugin.statistics.student import t_quantile


def learning_curves(table: RunTable) -> list[Curve]:
    """Mean and range of the loss over the runs at each position, at the steps that all of them logged."""
    return [
        curve
        for position, runs in table.by_position.items()
        if (curve := _learning(position, [run.curve for run in runs]))
    ]


def pretraining_curves(record: GridRecord) -> list[Curve]:
    """The loss of each finished pre-training, under the initialisations that it gives."""
    used = dict.fromkeys((cell.variant, cell.initialisation, cell.needs) for cell in record.cells if cell.needs)
    curves = [
        _learning(Position(variant, PRETRAINING_COLUMN, name, ''), [record.results[id].curve])
        for variant, name, id in used
        if id in record.results
    ]
    return [curve for curve in curves if curve]


def roc_curves(table: RunTable) -> list[Curve]:
    """The mean ROC curve at each position with its pointwise 95 % interval over the runs."""
    curves = []
    for position, runs in table.by_position.items():
        rates = [run.scores.roc for run in runs if run.scores and run.scores.roc is not None]
        if rates:
            curves.append(_curve(position, len(rates), GRID, *_band(np.stack(rates))))
    return curves


def reliability_curves(table: RunTable) -> list[Curve]:
    """At each position, the accuracy against the confidence in bins of equal size, with its pointwise 95 % interval."""
    curves = []
    for position, runs in table.by_position.items():
        bins = [run.scores.reliability for run in runs if run.scores]
        bins = [found for found in bins if len(found.sizes) == NUM_BINS]
        if bins:
            confidence = np.mean([found.confidence for found in bins], axis=0)
            accuracies = np.stack([found.accuracy for found in bins])
            curves.append(_curve(position, len(bins), confidence, *_band(accuracies)))
    return curves


def confusions_of(table: RunTable) -> list[Confusion]:
    """The mean confusions at each position."""
    return [
        _confusion(position, done)
        for position, runs in table.by_position.items()
        if (done := [run for run in runs if run.scores])
    ]


def _learning(position: Position, curves: Sequence[Sequence[Mapping[str, float]]]) -> Curve | None:
    losses = [{row['step']: row['loss'] for row in curve if 'step' in row and 'loss' in row} for curve in curves]
    losses = [loss for loss in losses if loss]
    if not losses:
        return None
    steps = thinned(sorted(set.intersection(*map(set, losses))))
    values = np.array([[loss[step] for step in steps] for loss in losses], dtype=np.float64)
    finite = np.isfinite(values).all(axis=0)
    if finite.sum() < 2:
        return None
    x, values = np.array(steps)[finite], values[:, finite]
    return _curve(position, len(losses), x, values.mean(0), values.min(0), values.max(0))


def _band(runs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean = runs.mean(axis=0)
    # The interval of two runs is as wide as the picture.
    if len(runs) < 3:
        return mean, mean, mean
    half = t_quantile(0.975, len(runs) - 1) * runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    return mean, np.maximum(mean - half, 0), np.minimum(mean + half, 1)


def _curve(position: Position, n: int, x: np.ndarray, mean: np.ndarray, low: np.ndarray, high: np.ndarray) -> Curve:
    rounded = (tuple(np.round(array, 5).tolist()) for array in (x, mean, low, high))
    return Curve(**vars(position), n=n, **dict(zip(('x', 'mean', 'low', 'high'), rounded, strict=True)))


def _confusion(position: Position, runs: Sequence[Run]) -> Confusion:
    matrices = [run.scores.confusion for run in runs]
    matrices = [matrix for matrix in matrices if matrix.shape == matrices[0].shape]
    rows = mean_row_percentages(matrices)
    names = runs[0].subset.get('classes') or ()
    count = len(rows)
    return Confusion(
        **vars(position),
        n=len(matrices),
        images=int(sum(matrix.sum() for matrix in matrices)),
        classes=tuple(map(str, names)) if len(names) == count else tuple(map(str, range(count))),
        rows=tuple(None if np.isnan(row).any() else tuple(np.round(row, 3).tolist()) for row in rows),
    )
