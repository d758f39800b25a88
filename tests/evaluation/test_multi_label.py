from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample
from sklearn.metrics import average_precision_score

from sdp_plugin.registry import METRICS


def mean_average_precision(samples):
    evaluator = Evaluator([METRICS.build(dict(type='sdp_plugin.MeanAveragePrecision'))])
    evaluator.process(samples)
    return evaluator.evaluate(len(samples))['multi-label/mAP']


def with_scores(scores, targets):
    return [
        DataSample().set_pred_score(torch.tensor(score)).set_gt_score(torch.tensor(target))
        for score, target in zip(np.float32(scores), np.float32(targets), strict=True)
    ]


def test_by_hand():
    # Class 0: positives at ranks 1 and 3 give (1 + 2/3) / 2. Class 1: the positive at rank 2 gives 1/2.
    samples = with_scores([[0.9, 0.9], [0.8, 0.8], [0.7, 0.1]], [[1, 0], [0, 1], [1, 0]])
    assert mean_average_precision(samples) == pytest.approx(100 * (5 / 6 + 1 / 2) / 2)


def test_agrees_with_sklearn():
    generator = np.random.default_rng(0)
    scores, targets = generator.random((100, 20), dtype=np.float32), generator.integers(0, 2, (100, 20))
    expected = 100 * average_precision_score(targets, scores, average='macro')
    assert mean_average_precision(with_scores(scores, targets)) == pytest.approx(expected)


@pytest.mark.parametrize('targets', [[1, 1, 0, 0], [0, 0, 1, 1], [0, 1, 1, 0]])
def test_order_of_equal_scores_does_not_matter(targets):
    samples = with_scores([[0.5]] * 4, [[target] for target in targets])
    assert mean_average_precision(samples) == pytest.approx(50.0)


def test_absent_class_is_left_out():
    samples = with_scores([[0.9, 0.4], [0.1, 0.6]], [[1, 0], [0, 0]])
    assert mean_average_precision(samples) == pytest.approx(100.0)


def test_no_class_at_all():
    assert np.isnan(mean_average_precision(with_scores([[0.9], [0.1]], [[0], [0]])))


def test_difficult_images_are_not_counted():
    scores = [[0.9], [0.8], [0.7]]
    assert mean_average_precision(with_scores(scores, [[-1], [1], [0]])) == pytest.approx(100.0)
    assert mean_average_precision(with_scores(scores, [[0], [1], [0]])) == pytest.approx(50.0)


def test_class_indices_are_read_as_targets():
    # What PackInputs makes of ``gt_label``; the second image has no class.
    samples = [
        DataSample().set_pred_score(torch.tensor([0.9, 0.2, 0.8])).set_gt_label(np.array([0, 2])),
        DataSample().set_pred_score(torch.tensor([0.1, 0.3, 0.9])).set_gt_label(np.array([], dtype=np.int64)),
        DataSample().set_pred_score(torch.tensor([0.5, 0.9, 0.1])).set_gt_label(np.array([1])),
    ]
    assert mean_average_precision(samples) == pytest.approx(100 * (1 + 1 + 1 / 2) / 3)
