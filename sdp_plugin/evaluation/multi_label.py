"""Metrics of images that have several classes."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import average_precision_score

from sdp_plugin.evaluation.score_metric import ScoreMetric
from sdp_plugin.registry import METRICS


@METRICS.register_module()
class MeanAveragePrecision(ScoreMetric):
    """Multi-label mean average precision, independent of the order of images with equal scores.

    Reports ``multi-label/mAP`` in per cent: the mean over the classes of the precision at each recall, weighted by the
    gain in recall, without interpolation (VOC's own tool interpolates and comes out slightly higher). A target of -1
    (VOC's "difficult") takes the image out for that class.

    MMPretrain's ``AveragePrecision`` differs in two points, for which it is not used: it orders equal scores by the
    position of their images, and counts a class without any positive image as 0 in the mean. Here such classes are left
    out and named in the log; without any class the result is NaN.

    Args:
        collect_device (str): ``'cpu'`` or ``'gpu'``. Defaults to ``'cpu'``.
        prefix (str | None): Defaults to None, which is ``'multi-label'``.
    """

    default_prefix = 'multi-label'

    def target_of(self, sample: dict) -> np.ndarray:
        """int8, shape (num_classes,): from ``gt_score``, or from the class indices in ``gt_label``."""
        if 'gt_score' in sample:
            return sample['gt_score'].cpu().numpy().astype(np.int8)
        target = np.zeros(len(sample['pred_score']), dtype=np.int8)
        target[sample['gt_label'].cpu().numpy().astype(np.int64)] = 1
        return target

    def measure(self, scores: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """The mean of the average precisions of the classes that have a positive image."""
        has_positive = (targets == 1).any(axis=0)
        self._log_left_out(np.flatnonzero(~has_positive), 'no image has')
        if not has_positive.any():
            return {'mAP': float('nan')}
        precisions = [average_precision(scores[:, i], targets[:, i]) for i in np.flatnonzero(has_positive)]
        return {'mAP': 100.0 * float(np.mean(precisions))}


def average_precision(scores: np.ndarray, targets: np.ndarray) -> float:
    """The average precision of one class, 0 to 1.

    Args:
        scores (np.ndarray): Shape (N,).
        targets (np.ndarray): Shape (N,): 1 positive, 0 negative, -1 not counted. At least one is positive.
    """
    counted = targets >= 0
    return float(average_precision_score(targets[counted] == 1, scores[counted]))
