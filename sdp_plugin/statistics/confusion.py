"""Confusion matrices, and their rows in per cent."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def confusion_matrix(labels: np.ndarray, predictions: np.ndarray, num_classes: int) -> np.ndarray:
    """How many images of each class (rows) were taken for each class (columns).

    Args:
        labels (np.ndarray): (N,) class indices.
        predictions (np.ndarray): (N,) class indices.
        num_classes (int): C.

    Returns:
        np.ndarray: (C, C) int64.
    """
    cells = np.asarray(labels, dtype=np.int64) * num_classes + np.asarray(predictions, dtype=np.int64)
    return np.bincount(cells, minlength=num_classes**2).reshape(num_classes, num_classes)


def row_percentages(matrix: np.ndarray) -> np.ndarray:
    """Each row in per cent of its class's images, (C, C) float64; NaN in the row of a class without an image."""
    totals = matrix.sum(axis=1, keepdims=True)
    return 100 * np.divide(matrix, totals, out=np.full(matrix.shape, np.nan), where=totals > 0)


def mean_row_percentages(matrices: Sequence[np.ndarray]) -> np.ndarray:
    """The mean over runs of :func:`row_percentages`; of each class, over the runs that tested it.

    Args:
        matrices (Sequence[np.ndarray]): (C, C) counts of each run.

    Returns:
        np.ndarray: (C, C) float64; NaN in the row of a class that no run tested.
    """
    rows = np.stack([row_percentages(matrix) for matrix in matrices])
    tested = (~np.isnan(rows)).sum(axis=0)
    return np.divide(np.nansum(rows, axis=0), tested, out=np.full(tested.shape, np.nan), where=tested > 0)
