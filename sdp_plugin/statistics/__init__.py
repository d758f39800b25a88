"""Statistics of repeated runs. Values are in per cent and differences in points, if not said otherwise.

Which one when: docs/statistics.md. Nothing here imports torch, ``scipy.stats`` or statsmodels when it is imported.
"""

from sdp_plugin.statistics.claims import Claim, claims
from sdp_plugin.statistics.confusion import confusion_matrix, mean_row_percentages, row_percentages
from sdp_plugin.statistics.contributions import auroc_contributions, balanced_accuracy_contributions
from sdp_plugin.statistics.intervals import (
    Interval,
    bootstrap_t_interval,
    corrected_interval,
    cut_to,
    percentile_interval,
    t_interval,
)
from sdp_plugin.statistics.multiple import holm
from sdp_plugin.statistics.paired import PairedComparison, PairedTest, compare_paired
from sdp_plugin.statistics.published import SummaryCell
from sdp_plugin.statistics.ratios import ratio_of_equal_folds, ratio_of_folds
from sdp_plugin.statistics.roc import class_scores, roc_curve
from sdp_plugin.statistics.runs_by_images import (
    draw_image_weights,
    runs_by_images_interval,
    runs_by_images_intervals,
)

__all__ = [
    'Claim',
    'Interval',
    'PairedComparison',
    'PairedTest',
    'SummaryCell',
    'auroc_contributions',
    'balanced_accuracy_contributions',
    'bootstrap_t_interval',
    'claims',
    'class_scores',
    'compare_paired',
    'confusion_matrix',
    'corrected_interval',
    'cut_to',
    'draw_image_weights',
    'holm',
    'mean_row_percentages',
    'percentile_interval',
    'ratio_of_equal_folds',
    'ratio_of_folds',
    'roc_curve',
    'row_percentages',
    'runs_by_images_interval',
    'runs_by_images_intervals',
    't_interval',
]
