"""What the scores of the test images of one run tell beyond its metrics: right or wrong, confusions, the ROC curve."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.statistics import (
    auroc_contributions,
    balanced_accuracy_contributions,
    class_scores,
    confusion_matrix,
    roc_curve,
)
from sdp_plugin.statistics.calibration import (
    Reliability,
    at_temperature,
    brier_contributions,
    calibration_error_contributions,
    fitted_temperature,
    reliability,
)
from sdp_plugin.statistics.roc import GRID

ARRAYS = ('log_scores', 'predictions', 'labels')
HELD_OUT_PREFIX = 'held_out_'
HELD_OUT = (f'{HELD_OUT_PREFIX}log_scores', f'{HELD_OUT_PREFIX}labels')
"""Scores of labelled images that were neither trained nor tested on, where a run has some, for the temperature."""
KINDS = {'log_scores': 'f', 'predictions': 'iu', 'labels': 'iu', HELD_OUT[0]: 'f', HELD_OUT[1]: 'iu'}
"""Of the values of each array, as NumPy's letters."""

ECE, BRIER, SCALED = 'calibration/ece', 'calibration/brier', '-scaled'
CALIBRATION = (ECE, BRIER, ECE + SCALED, BRIER + SCALED)
"""Measures in per cent that follow from the scores; the scaled ones are at the fitted temperature."""


@dataclass(frozen=True)
class RunScores:
    """The test images of one run; see :class:`sdp_plugin.grid.records.Outcome`.

    Args:
        log_scores (np.ndarray): (N, C) logarithms of the class probabilities.
        predictions (np.ndarray): (N,) class indices.
        labels (np.ndarray): (N,) class indices.
        held_out (tuple[np.ndarray, np.ndarray] | None): (M, C) log scores and (M,) labels of images held aside.
    """

    log_scores: np.ndarray
    predictions: np.ndarray
    labels: np.ndarray
    held_out: tuple[np.ndarray, np.ndarray] | None = None

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
    def probabilities(self) -> np.ndarray:
        """(N, C) float32."""
        shares = np.exp(self.log_scores.astype(np.float32))
        return shares / shares.sum(axis=1, keepdims=True)

    @cached_property
    def confidences(self) -> np.ndarray:
        """(N,) the probability of the predicted class."""
        return self.probabilities[np.arange(len(self.labels)), self.predictions]

    @cached_property
    def calibration(self) -> dict[str, np.ndarray]:
        """What each image adds to the measures of calibration, by name; those at a temperature where there is one."""
        found = self._calibration('')
        if self.held_out is not None:
            temperature = fitted_temperature(*self.held_out)
            scaled = replace(self, log_scores=at_temperature(self.log_scores, temperature), held_out=None)
            found |= scaled._calibration(SCALED)
        return found

    @cached_property
    def reliability(self) -> Reliability:
        """The images in bins by confidence."""
        return reliability(self.confidences, self.correct)

    def _calibration(self, suffix: str) -> dict[str, np.ndarray]:
        return {
            ECE + suffix: calibration_error_contributions(self.reliability, self.confidences, self.correct),
            BRIER + suffix: brier_contributions(self.probabilities, self.labels),
        }

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


def _of_calibration(name: str, scores: RunScores) -> np.ndarray | None:
    return scores.calibration.get(name)


# What each test image adds to a metric, which is what intervals over runs x test images are made of.
CONTRIBUTIONS: Mapping[str, Callable[[RunScores], np.ndarray | None]] = {
    'accuracy/top1': lambda scores: scores.correct,
    'single-label/balanced-accuracy': lambda scores: balanced_accuracy_contributions(scores.correct, scores.labels),
    'single-label/auroc': _auroc,
    **{name: partial(_of_calibration, name) for name in CALIBRATION},
}


def image_scores(arrays: Mapping[str, np.ndarray]) -> RunScores:
    """The arrays of a ``scores.npz``, checked.

    Raises:
        UserError: If an array is missing, or their shapes or values do not go together.
    """
    if absent := [name for name in ARRAYS if name not in arrays]:
        raise UserError(f'There is no {" and no ".join(absent)}.', found=', '.join(arrays) or 'nothing')
    if wrong := [name for name, kinds in KINDS.items() if name in arrays and arrays[name].dtype.kind not in kinds]:
        raise UserError('An array holds other values than it has to.', found=f'{wrong[0]}: {arrays[wrong[0]].dtype}')
    held_out = tuple(arrays[name] for name in HELD_OUT if name in arrays) or None
    scores = RunScores(*(arrays[name] for name in ARRAYS), held_out)
    shapes = [arrays[name].shape for name in ARRAYS]
    if len(shapes[0]) != 2 or not scores.labels.size or not shapes[1] == shapes[2] == shapes[0][:1]:
        raise UserError('The arrays do not go together.', looked_for='(N, C), (N,), (N,)', found=shapes)
    indices = np.concatenate([scores.labels, scores.predictions])
    if indices.min() < 0 or indices.max() >= shapes[0][1]:
        raise UserError(f'There are scores of {shapes[0][1]} classes, but labels or predictions of others.')
    if np.isnan(scores.log_scores).any():
        raise UserError('Some scores are not numbers.')
    if held_out:
        _check_held_out(held_out, shapes[0][1])
        if not len(held_out[1]):
            # Of one example a class nothing can be held aside.
            return replace(scores, held_out=None)
    return scores


def _check_held_out(held_out: tuple[np.ndarray, ...], num_classes: int) -> None:
    shapes = [array.shape for array in held_out]
    is_whole = len(shapes) == 2 and len(shapes[1]) == 1 and shapes[0] == (*shapes[1], num_classes)
    fits = is_whole and held_out[1].min(initial=0) >= 0 and held_out[1].max(initial=0) < num_classes
    if not fits or np.isnan(held_out[0]).any():
        raise UserError(
            'The arrays of the images held aside do not go together.',
            looked_for=f'{" and ".join(HELD_OUT)}, (M, {num_classes}) and (M,)',
            found=shapes,
        )
