"""Metrics of tiles that have one class each, beside MMPretrain's accuracy."""

from __future__ import annotations

import numpy as np
from sklearn.metrics import recall_score, roc_auc_score

from sdp_plugin.evaluation.score_metric import ScoreMetric
from sdp_plugin.registry import METRICS


class SingleLabelScoreMetric(ScoreMetric):
    """A metric of images with one class each: reads ``gt_label``, a tensor with one class index."""

    default_prefix = 'single-label'

    def target_of(self, sample: dict) -> np.ndarray:
        """The class index, an int64 of shape ()."""
        return np.int64(sample['gt_label'].item())

    def _log_absent(self, num_classes: int, labels: np.ndarray) -> None:
        self._log_left_out(np.setdiff1d(np.arange(num_classes), labels), 'no image has')


@METRICS.register_module()
class BalancedAccuracy(SingleLabelScoreMetric):
    """The mean over the classes of the share of their images that are classified right.

    Reports ``single-label/balanced-accuracy`` in per cent. Classes of which there is no image are left out of the mean
    and named in the log.

    Args:
        collect_device (str): ``'cpu'`` or ``'gpu'``. Defaults to ``'cpu'``.
        prefix (str | None): Defaults to None, which is ``'single-label'``.
    """

    def measure(self, scores: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """The balanced accuracy of the classes with the highest scores, the first of equals."""
        self._log_absent(scores.shape[1], targets)
        recall = recall_score(targets, scores.argmax(axis=1), labels=np.unique(targets), average='macro')
        return {'balanced-accuracy': 100.0 * float(recall)}


@METRICS.register_module()
class AUROC(SingleLabelScoreMetric):
    """The area under the receiver operating characteristic; pairs with equal scores count half.

    Reports ``single-label/auroc`` in per cent. For two classes: that of class 1. For more: the mean over the classes of
    each one against the rest. Classes of which there is no image are left out of the mean and named in the log; if all
    images are of one class, the area is not defined and the result is NaN.

    Args:
        collect_device (str): ``'cpu'`` or ``'gpu'``. Defaults to ``'cpu'``.
        prefix (str | None): Defaults to None, which is ``'single-label'``.
    """

    def measure(self, scores: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """The area under the curve of class 1 of two, or the mean of each class against the rest."""
        num_classes = scores.shape[1]
        self._log_absent(num_classes, targets)
        present = np.unique(targets)
        if len(present) < 2:
            return {'auroc': float('nan')}
        measured = [1] if num_classes == 2 else present
        areas = [roc_auc_score(targets == index, scores[:, index]) for index in measured]
        return {'auroc': 100.0 * float(np.mean(areas))}
