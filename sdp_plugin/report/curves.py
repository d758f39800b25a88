"""Curves and confusions over the runs of an entry."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sdp_plugin.grid.records import Cell, Result
from sdp_plugin.grid.store import GridRecord
from sdp_plugin.report.charts import thinned
from sdp_plugin.report.entries import Place, by_place
from sdp_plugin.report.model import Column, Confusion, Curve
from sdp_plugin.report.score_files import finetunings
from sdp_plugin.report.scores import ImageScores
from sdp_plugin.statistics import mean_row_percentages
from sdp_plugin.statistics.roc import GRID
from sdp_plugin.statistics.student import t_quantile


def learning_curves(record: GridRecord) -> list[Curve]:
    """Mean and range of the loss over the runs of each entry, at the steps that all of them logged."""
    return [
        curve
        for key, runs in by_place(finetunings(record)).items()
        if (curve := _learning(key, [record.results[cell.id] for cell in runs if cell.id in record.results]))
    ]


def pretraining_curves(record: GridRecord) -> list[Curve]:
    """The loss of each finished pre-training, under the initialisations that it gives."""
    used = dict.fromkeys((cell.variant, cell.initialisation, cell.needs) for cell in finetunings(record))
    return [
        curve
        for variant, initialisation, id in used
        if id in record.results
        and (curve := _learning((variant, initialisation, Column('Pre-training', None)), [record.results[id]]))
    ]


def roc_curves(record: GridRecord, scores: Mapping[str, ImageScores]) -> list[Curve]:
    """The mean ROC curve of each entry with its pointwise 95 % interval over the runs."""
    curves = []
    for (variant, initialisation, column), runs in by_place(finetunings(record)).items():
        rates = [scores[cell.id].roc for cell in runs if cell.id in scores and scores[cell.id].roc is not None]
        if rates:
            mean, low, high = _band(np.stack(rates))
            curves.append(_curve((variant, initialisation, column), len(rates), GRID, mean, low, high))
    return curves


def confusions_of(record: GridRecord, scores: Mapping[str, ImageScores]) -> list[Confusion]:
    """The mean confusions of each entry."""
    return [
        _confusion(key, done, record, scores)
        for key, runs in by_place(finetunings(record)).items()
        if (done := [cell for cell in runs if cell.id in scores])
    ]


def _learning(key: Place, results: Sequence[Result]) -> Curve | None:
    losses = [
        {row['step']: row['loss'] for row in result.curve if 'step' in row and 'loss' in row} for result in results
    ]
    losses = [loss for loss in losses if loss]
    if not losses:
        return None
    steps = thinned(sorted(set.intersection(*map(set, losses))))
    values = np.array([[loss[step] for step in steps] for loss in losses], dtype=np.float64)
    finite = np.isfinite(values).all(axis=0)
    if finite.sum() < 2:
        return None
    x, values = np.array(steps)[finite], values[:, finite]
    return _curve(key, len(losses), x, values.mean(0), values.min(0), values.max(0))


def _loss_by_step(curve: Sequence[Mapping[str, float]]) -> dict[float, float]:
    return {row['step']: row['loss'] for row in curve if 'step' in row and 'loss' in row}


def _band(runs: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    mean = runs.mean(axis=0)
    # The interval of two runs is as wide as the picture.
    if len(runs) < 3:
        return mean, mean, mean
    half = t_quantile(0.975, len(runs) - 1) * runs.std(axis=0, ddof=1) / np.sqrt(len(runs))
    return mean, np.maximum(mean - half, 0), np.minimum(mean + half, 1)


def _curve(
    key: tuple[str, str, Column], n: int, x: np.ndarray, mean: np.ndarray, low: np.ndarray, high: np.ndarray
) -> Curve:
    variant, initialisation, column = key
    rounded = (tuple(np.round(array, 5).tolist()) for array in (mean, low, high))
    return Curve(variant, column, initialisation, n, tuple(np.round(x, 5).tolist()), *rounded)


def _confusion(key: Place, cells: Sequence[Cell], record: GridRecord, scores: Mapping[str, ImageScores]) -> Confusion:
    variant, initialisation, column = key
    matrices = [scores[cell.id].confusion for cell in cells]
    matrices = [matrix for matrix in matrices if matrix.shape == matrices[0].shape]
    rows = mean_row_percentages(matrices)
    names = record.results[cells[0].id].subset.get('classes') or ()
    count = len(rows)
    classes = tuple(map(str, names)) if len(names) == count else tuple(map(str, range(count)))
    return Confusion(
        variant,
        column,
        initialisation,
        len(matrices),
        int(sum(matrix.sum() for matrix in matrices)),
        classes,
        tuple(None if np.isnan(row).any() else tuple(np.round(row, 3).tolist()) for row in rows),
    )
