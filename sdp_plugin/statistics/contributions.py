"""What each test image adds to a measure, so that one bootstrap serves them all.

A contribution is the image's influence plus the measure's value: the mean over the images is the measure itself, and
their spread gives its standard error (for the AUROC that of DeLong, DeLong and Clarke-Pearson 1988). For a plain
accuracy it is whether the image is right, which needs no function.
"""

from __future__ import annotations

import numpy as np

from sdp_plugin.errors import UserError


def balanced_accuracy_contributions(correct: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """To the mean of the classes' recalls, over the classes that occur.

    Args:
        correct (np.ndarray): (N,) or (R, N) bool.
        labels (np.ndarray): (N,) class indices.

    Returns:
        np.ndarray: Of the shape of ``correct``, float32; the mean over the images is the balanced accuracy, 0 to 1.
    """
    correct = np.asarray(correct, dtype=np.float64)
    classes, index, counts = np.unique(labels, return_inverse=True, return_counts=True)
    members = (index[:, None] == np.arange(len(classes))) / counts
    recalls = correct @ members
    influence = (correct - recalls[..., index]) * (len(index) / len(classes) / counts[index])
    return (recalls.mean(axis=-1, keepdims=True) + influence).astype(np.float32)


def auroc_contributions(scores: np.ndarray, positive: np.ndarray) -> np.ndarray:
    """To the area under the ROC curve of one run.

    Args:
        scores (np.ndarray): (N,): higher for more likely positive.
        positive (np.ndarray): (N,) bool.

    Returns:
        np.ndarray: (N,) float32; the mean over the images is the area, 0 to 1.

    Raises:
        UserError: There is no positive or no negative image.
    """
    scores, positive = np.asarray(scores), np.asarray(positive, dtype=bool)
    num_positive = int(positive.sum())
    num_negative = len(positive) - num_positive
    if not num_positive or not num_negative:
        raise UserError(
            'An AUROC needs positive and negative images.', found=f'{num_positive} positive, {num_negative} negative'
        )
    placements = np.empty(len(scores))
    placements[positive] = _fraction_below(scores[positive], np.sort(scores[~positive]))
    placements[~positive] = 1 - _fraction_below(scores[~positive], np.sort(scores[positive]))
    area = placements[positive].mean()
    sizes = np.where(positive, num_positive, num_negative)
    return (area + (placements - area) * (len(scores) / sizes)).astype(np.float32)


def _fraction_below(values: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Of the sorted ``others``, ties counting half."""
    below, not_above = (np.searchsorted(others, values, side=side) for side in ('left', 'right'))
    return (below + not_above) / (2 * len(others))
