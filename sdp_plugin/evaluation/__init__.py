"""Metrics that the ``sdp_plugin`` scope adds to MMPretrain."""

from sdp_plugin.evaluation.image_scores import ImageScores
from sdp_plugin.evaluation.multi_label import MeanAveragePrecision
from sdp_plugin.evaluation.single_label import AUROC, BalancedAccuracy

__all__ = ['AUROC', 'BalancedAccuracy', 'ImageScores', 'MeanAveragePrecision']
