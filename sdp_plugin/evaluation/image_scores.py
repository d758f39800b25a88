"""What a classifier made of each test image, kept for tests and pictures after the training."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmengine.evaluator import BaseMetric

from sdp_plugin.registry import METRICS

# The least float32 above 0: a probability that has underflowed keeps a logarithm.
LEAST = torch.finfo(torch.float32).tiny


@METRICS.register_module()
class ImageScores(BaseMetric):
    """Collect the scores and labels of all test images; measures nothing and reports no metric.

    After the evaluation, :attr:`scores` holds, in the order of the test set:

    - ``log_scores``: float16, shape (N, num_classes), natural logarithms of the class probabilities. Near 1 and near
      0 alike, a logarithm in float16 keeps what the probability in float16 would lose.
    - ``predictions``: the class of the highest score, the first of equals; uint8, or uint16 from 257 classes.
    - ``labels``: the true class, of the same type.

    Args:
        collect_device (str): ``'cpu'`` or ``'gpu'``: where results of several processes are gathered. Defaults to
            ``'cpu'``.
        prefix (str | None): Not used, as there are no metrics. Defaults to None.
    """

    default_prefix = 'image-scores'

    def __init__(self, collect_device: str = 'cpu', prefix: str | None = None) -> None:
        super().__init__(collect_device=collect_device, prefix=prefix)
        self.scores: dict[str, np.ndarray] = {}

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep the scores and labels of a batch.

        Args:
            data_batch (object): Not used.
            data_samples (Sequence[dict]): Predictions as mmengine's evaluator hands them on: each with ``pred_score``,
                the probabilities, a tensor of shape (num_classes,), and ``gt_label``, a tensor with one class index.
        """
        # One read-back a batch, not one an image.
        scores = torch.stack([sample['pred_score'] for sample in data_samples]).float().cpu()
        labels = torch.cat([sample['gt_label'].reshape(1) for sample in data_samples]).cpu()
        log_scores = scores.clamp(min=LEAST).log().half()
        self.results.extend(zip(log_scores.numpy(), scores.argmax(dim=1).tolist(), labels.tolist(), strict=True))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Put the images together.

        Args:
            results (list): (log scores, prediction, label) of each image.

        Returns:
            dict[str, float]: Empty.
        """
        log_scores, predictions, labels = zip(*results, strict=True)
        index_type = np.uint8 if len(log_scores[0]) <= 256 else np.uint16
        self.scores = {
            'log_scores': np.stack(log_scores),
            'predictions': np.array(predictions, dtype=index_type),
            'labels': np.array(labels, dtype=index_type),
        }
        return {}
