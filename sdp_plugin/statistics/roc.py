"""Areas under ROC curves, and curves of several runs as one with a band."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.statistics.intervals import check_level
from sdp_plugin.statistics.student import t_quantile

GRID = np.linspace(0, 1, 101)


@dataclass(frozen=True)
class RocBand:
    """ROC curves of several runs, averaged at equal false positive rates (vertical averaging, Fawcett 2006).

    Args:
        false_positive_rates (np.ndarray): (G,), ascending from 0 to 1.
        runs (np.ndarray): (R, G) true positive rates of each run, 0 to 1.
        mean (np.ndarray): (G,).
        low (np.ndarray | None): (G,) lower end of the pointwise t interval over the runs, at least 0. None for one run.
        high (np.ndarray | None): (G,) upper end, at most 1. None for one run.
        level (float): Confidence of the band at each single rate, not of the band as a whole.
    """

    false_positive_rates: np.ndarray
    runs: np.ndarray
    mean: np.ndarray
    low: np.ndarray | None
    high: np.ndarray | None
    level: float


def auroc(scores: np.ndarray, positive: np.ndarray) -> float:
    """The area under the ROC curve, 0 to 1; equal scores count half, whatever their order.

    Args:
        scores (np.ndarray): (N,): higher for more likely positive.
        positive (np.ndarray): (N,) bool.

    Raises:
        UserError: There is no positive or no negative image.
    """
    positives, negatives = _split(scores, positive)
    positives.sort()
    negatives.sort()
    below, not_above = (np.searchsorted(negatives, positives, side=side) for side in ('left', 'right'))
    return float((below + not_above).mean() / (2 * len(negatives)))


def class_scores(log_scores: np.ndarray) -> np.ndarray:
    """Scores for one ROC curve a class, class against rest, from log probabilities.

    Of two classes these are the log odds: where a probability is close to 1, its logarithm alone is rounded to a tie.

    Args:
        log_scores (np.ndarray): (N, C), float16 or wider.

    Returns:
        np.ndarray: (N, C) float32.
    """
    log_scores = np.asarray(log_scores, dtype=np.float32)
    return log_scores - log_scores[:, ::-1] if log_scores.shape[1] == 2 else log_scores


def mean_auroc(log_scores: np.ndarray, labels: np.ndarray) -> float:
    """The mean area of class against rest over the classes that occur, 0 to 1; for two classes the area.

    Args:
        log_scores (np.ndarray): (N, C) log probabilities.
        labels (np.ndarray): (N,) class indices.

    Raises:
        UserError: Only one class occurs.
    """
    scores = class_scores(log_scores)
    if scores.shape[1] == 2:
        return auroc(scores[:, 1], labels == 1)
    return float(np.mean([auroc(scores[:, label], labels == label) for label in np.unique(labels)]))


def roc_curve(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The false and true positive rates at every threshold, from (0, 0) to (1, 1).

    Args:
        scores (np.ndarray): (N,): higher for more likely positive.
        positive (np.ndarray): (N,) bool.

    Raises:
        UserError: There is no positive or no negative image.
    """
    _split(scores, positive)
    order = np.argsort(scores)[::-1]
    ordered, hits = np.asarray(scores)[order], np.asarray(positive, dtype=bool)[order]
    last_of_ties = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    true = np.cumsum(hits)[last_of_ties]
    false = last_of_ties + 1 - true
    return np.append(0, false / false[-1]), np.append(0, true / true[-1])


def roc_band(
    runs: Sequence[tuple[np.ndarray, np.ndarray]], level: float = 0.95, false_positive_rates: np.ndarray = GRID
) -> RocBand:
    """The mean curve of several runs with its band.

    Args:
        runs (Sequence[tuple[np.ndarray, np.ndarray]]): ``(scores, positive)`` of each run, see :func:`roc_curve`. The
            runs may have different test images.
        level (float): Of the pointwise intervals over the runs, which know no correction for cross-validation.
        false_positive_rates (np.ndarray): (G,), ascending. Defaults to 0, 0.01, ..., 1.

    Raises:
        UserError: There is no run, or one has no positive or no negative image.
    """
    check_level(level)
    if not runs:
        raise UserError('There is no run to draw an ROC curve of.')
    # At a vertical step np.interp takes the upper end, which is the rate that the classifier attains there.
    curves = np.stack([np.interp(false_positive_rates, *roc_curve(*run)) for run in runs])
    mean, low, high = curves.mean(axis=0), None, None
    if len(curves) > 1:
        error = curves.std(axis=0, ddof=1) / np.sqrt(len(curves))
        half = t_quantile((1 + level) / 2, len(curves) - 1) * error
        low, high = np.maximum(mean - half, 0), np.minimum(mean + half, 1)
    return RocBand(false_positive_rates, curves, mean, low, high, level)


def _split(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Copies of the scores of the positive and of the negative images, in float32 at least, which sorts fastest."""
    scores, positive = np.asarray(scores), np.asarray(positive, dtype=bool)
    scores = scores.astype(np.promote_types(scores.dtype, np.float32))
    positives, negatives = scores[positive], scores[~positive]
    if not len(positives) or not len(negatives):
        raise UserError(
            'An ROC curve needs positive and negative images.',
            found=f'{len(positives)} positive, {len(negatives)} negative',
        )
    return positives, negatives
