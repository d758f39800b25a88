"""What the metrics of class scores share: collecting scores and labels, and naming classes in messages."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Iterable, Sequence

import numpy as np
from mmengine.evaluator import BaseMetric
from mmengine.logging import print_log

from sdp_plugin.errors import UserError


class ScoreMetric(BaseMetric):
    """A metric of class scores, in per cent as all metrics of MMPretrain.

    A subclass says with :meth:`target_of` what it needs of a data sample and with :meth:`measure` what it computes.

    Args:
        collect_device (str): ``'cpu'`` or ``'gpu'``: where results of several processes are gathered. Defaults to
            ``'cpu'``.
        prefix (str | None): Stands before the names of the metrics; None takes ``default_prefix``. Defaults to None.
    """

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Keep the scores and targets of a batch.

        Args:
            data_batch (object): Not used.
            data_samples (Sequence[dict]): Predictions as mmengine's evaluator hands them on: each with ``pred_score``,
                a tensor of shape (num_classes,), and the target.
        """
        for sample in data_samples:
            self.results.append((sample['pred_score'].detach().cpu().numpy(), self.target_of(sample)))

    def compute_metrics(self, results: list) -> dict[str, float]:
        """Measure all results.

        Args:
            results (list): (scores, target) of each image.

        Returns:
            dict[str, float]: Values in per cent.

        Raises:
            UserError: A score is not finite.
        """
        scores = np.stack([score for score, _ in results]).astype(np.float64)
        if not np.isfinite(scores).all():
            raise UserError(
                'The model predicts scores that are not finite.',
                found=f'{(~np.isfinite(scores)).any(axis=1).sum()} of {len(scores)} images',
                remedy='its training diverged, or its weights are damaged',
            )
        return self.measure(scores, np.stack([target for _, target in results]))

    @abstractmethod
    def target_of(self, sample: dict) -> np.ndarray:
        """The target of one data sample."""

    @abstractmethod
    def measure(self, scores: np.ndarray, targets: np.ndarray) -> dict[str, float]:
        """The metrics of all images.

        Args:
            scores (np.ndarray): float64, shape (N, num_classes).
            targets (np.ndarray): What :meth:`target_of` returned, stacked.
        """

    def _log_left_out(self, classes: Iterable[int], reason: str) -> None:
        names = (self.dataset_meta or {}).get('classes')
        left_out = ', '.join(names[index] if names else f'class {index}' for index in classes)
        if left_out:
            print_log(
                f'{type(self).__name__} leaves out classes that {reason}: {left_out}.',
                logger='current',
                level=logging.WARNING,
            )
