"""What the scores of the test images of one run tell beyond its metrics: right or wrong, confusions, the ROC curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.statistics import (
    auroc_contributions,
    balanced_accuracy_contributions,
    class_scores,
    confusion_matrix,
    roc_curve,
)
from sdp_plugin.statistics.roc import GRID

ARRAYS = ('log_scores', 'predictions', 'labels')


@dataclass(frozen=True)
class RunScores:
    """The test images of one run; see :class:`sdp_plugin.grid.records.Outcome`.

    Args:
        log_scores (np.ndarray): (N, C) logarithms of the class probabilities.
        predictions (np.ndarray): (N,) class indices.
        labels (np.ndarray): (N,) class indices.
    """

    log_scores: np.ndarray
    predictions: np.ndarray
    labels: np.ndarray

    @cached_property
    def correct(self) -> np.ndarray:
        """(N,) bool."""
        return self.predictions == self.labels

    @property
    def accuracy(self) -> float:
        """In per cent."""
        return 100 * float(self.correct.mean())

    @cached_property
    def confusion(self) -> np.ndarray:
        """(C, C) int64: images of the class of the row that were taken for that of the column."""
        return confusion_matrix(self.labels, self.predictions, self.log_scores.shape[1])

    @cached_property
    def roc(self) -> np.ndarray | None:
        """True-positive rate at the false-positive rates 0, 0.01, ..., 1; None if all images are of one class.

        For two classes that of class 1; for more the mean over the classes of each one against the rest.
        """
        if not self.measured:
            return None
        curves = [np.interp(GRID, *roc_curve(*self.against_rest(label)[1:])) for label in self.measured]
        return np.mean(curves, axis=0)

    @cached_property
    def measured(self) -> list[int]:
        """The classes whose ROC curves count, as in the metric AUROC."""
        present = np.unique(self.labels).tolist()
        if len(present) < 2:
            return []
        return [1] if self.log_scores.shape[1] == 2 else present

    def against_rest(self, label: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The order of the scores of a class, and in this order the scores, and whether each image is of the class."""
        if label not in self._orders:
            self._orders[label] = np.argsort(self._class_scores[:, label])
        order = self._orders[label]
        return order, self._class_scores[order, label], self.labels[order] == label

    @cached_property
    def _class_scores(self) -> np.ndarray:
        return class_scores(self.log_scores)

    @cached_property
    def _orders(self) -> dict[int, np.ndarray]:
        return {}


def _auroc(scores: RunScores) -> np.ndarray | None:
    if not scores.measured:
        return None
    total = np.zeros(len(scores.labels), np.float32)
    for label in scores.measured:
        # Sorted scores make it twice as fast, which for hundreds of runs with 32,768 images are seconds.
        order, ordered, positive = scores.against_rest(label)
        total[order] += auroc_contributions(ordered, positive)
    return total / len(scores.measured)


# What each test image adds to a metric, which is what intervals over runs x test images are made of.
CONTRIBUTIONS: Mapping[str, Callable[[RunScores], np.ndarray | None]] = {
    'accuracy/top1': lambda scores: scores.correct,
    'single-label/balanced-accuracy': lambda scores: balanced_accuracy_contributions(scores.correct, scores.labels),
    'single-label/auroc': _auroc,
}


def image_scores(arrays: Mapping[str, np.ndarray]) -> RunScores:
    """The arrays of a ``scores.npz``, checked.

    Raises:
        UserError: If an array is missing, or their shapes or values do not go together.
    """
    if absent := [name for name in ARRAYS if name not in arrays]:
        raise UserError(f'There is no {" and no ".join(absent)}.', found=', '.join(arrays) or 'nothing')
    scores = RunScores(*(arrays[name] for name in ARRAYS))
    shapes = [arrays[name].shape for name in ARRAYS]
    if len(shapes[0]) != 2 or not scores.labels.size or not shapes[1] == shapes[2] == shapes[0][:1]:
        raise UserError('The arrays do not go together.', looked_for='(N, C), (N,), (N,)', found=shapes)
    if max(scores.labels.max(), scores.predictions.max()) >= shapes[0][1]:
        raise UserError(f'There are scores of {shapes[0][1]} classes, but labels or predictions of others.')
    if np.isnan(scores.log_scores).any():
        raise UserError('Some scores are not numbers.')
    return scores
