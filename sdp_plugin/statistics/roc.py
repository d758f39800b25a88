"""ROC curves."""

from __future__ import annotations

import numpy as np

from sdp_plugin.errors import UserError

GRID = np.linspace(0, 1, 101)


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


def roc_curve(scores: np.ndarray, positive: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The false and true positive rates at every threshold, from (0, 0) to (1, 1).

    Args:
        scores (np.ndarray): (N,): higher for more likely positive.
        positive (np.ndarray): (N,) bool.

    Raises:
        UserError: There is no positive or no negative image.
    """
    _check(positive)
    order = np.argsort(scores)[::-1]
    ordered, hits = np.asarray(scores)[order], np.asarray(positive, dtype=bool)[order]
    last_of_ties = np.append(np.flatnonzero(np.diff(ordered)), len(ordered) - 1)
    true = np.cumsum(hits)[last_of_ties]
    false = last_of_ties + 1 - true
    return np.append(0, false / false[-1]), np.append(0, true / true[-1])


def _check(positive: np.ndarray) -> None:
    count = int(np.count_nonzero(positive))
    if count in (0, len(positive)):
        raise UserError(
            'An ROC curve needs positive and negative images.',
            found=f'{count} positive, {len(positive) - count} negative',
        )
