"""Statistics of repeated runs. Values are in per cent and differences in points, if not said otherwise.

Which one when: docs/statistics.md. Nothing here imports torch, ``scipy.stats`` or statsmodels when it is imported.
"""

from sdp_plugin.statistics.claims import Claim, claims
from sdp_plugin.statistics.confusion import (
    balanced_accuracy,
    confusion_matrix,
    mean_row_percentages,
    recalls,
    row_percentages,
)
from sdp_plugin.statistics.contributions import auroc_contributions, balanced_accuracy_contributions
from sdp_plugin.statistics.intervals import (
    Interval,
    bootstrap_t_interval,
    corrected_interval,
    percentile_interval,
    t_interval,
)
from sdp_plugin.statistics.multiple import holm
from sdp_plugin.statistics.paired import PairedComparison, PairedTest, compare_paired
from sdp_plugin.statistics.ratios import ratio_of_equal_folds, ratio_of_folds
from sdp_plugin.statistics.roc import RocBand, auroc, class_scores, mean_auroc, roc_band, roc_curve
from sdp_plugin.statistics.runs_by_images import (
    draw_image_weights,
    runs_by_images_interval,
    runs_by_images_intervals,
)
from sdp_plugin.statistics.summaries import SummaryCell, smallest_equivalence_margin, summary_t_interval

__all__ = [
    'Claim',
    'Interval',
    'PairedComparison',
    'PairedTest',
    'RocBand',
    'SummaryCell',
    'auroc',
    'auroc_contributions',
    'balanced_accuracy',
    'balanced_accuracy_contributions',
    'bootstrap_t_interval',
    'claims',
    'class_scores',
    'compare_paired',
    'confusion_matrix',
    'corrected_interval',
    'draw_image_weights',
    'holm',
    'mean_auroc',
    'mean_row_percentages',
    'percentile_interval',
    'ratio_of_equal_folds',
    'ratio_of_folds',
    'recalls',
    'roc_band',
    'roc_curve',
    'row_percentages',
    'runs_by_images_interval',
    'runs_by_images_intervals',
    'smallest_equivalence_margin',
    'summary_t_interval',
    't_interval',
]
