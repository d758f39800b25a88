from __future__ import annotations

import logging

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmpretrain.structures import DataSample
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from sdp_plugin.errors import UserError
from sdp_plugin.registry import METRICS


def evaluate(name, scores, labels, classes=None):
    """What a run with ``dict(type='sdp_plugin.<name>')`` reports, fed in two batches."""
    samples = [
        DataSample().set_pred_score(torch.tensor(score, dtype=torch.float32)).set_gt_label(int(label))
        for score, label in zip(scores, labels, strict=True)
    ]
    evaluator = Evaluator([METRICS.build(dict(type=f'sdp_plugin.{name}'))])
    evaluator.dataset_meta = {'classes': classes} if classes else None
    evaluator.process(samples[:2])
    evaluator.process(samples[2:])
    return evaluator.evaluate(len(samples))


def auroc(scores, labels, **kwargs):
    return evaluate('AUROC', scores, labels, **kwargs)['single-label/auroc']


def balanced_accuracy(scores, labels, **kwargs):
    return evaluate('BalancedAccuracy', scores, labels, **kwargs)['single-label/balanced-accuracy']


def two_columns(positive):
    return [[1 - p, p] for p in positive]


def random_case(num_classes, seed=0, total=200):
    generator = np.random.default_rng(seed)
    scores = generator.dirichlet(np.ones(num_classes), size=total).astype(np.float32)
    return scores, generator.integers(0, num_classes, total)


@pytest.fixture
def log_lines():
    logger = MMLogger.get_current_instance()
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


@pytest.mark.parametrize(
    ('positive', 'labels', 'expected'),
    [
        ([0.1, 0.2, 0.8, 0.9], [0, 0, 1, 1], 100.0),
        ([0.9, 0.8, 0.2, 0.1], [0, 0, 1, 1], 0.0),
        ([0.5, 0.5, 0.5, 0.5], [0, 1, 0, 1], 50.0),  # ties count half, whatever their order
        ([0.5, 0.5, 0.5, 0.5], [1, 1, 0, 0], 50.0),
        ([0.2, 0.5, 0.5, 0.9], [0, 0, 1, 1], 87.5),  # 3 pairs right, 1 tied, of 4
    ],
)
def test_auroc_by_hand(positive, labels, expected):
    assert auroc(two_columns(positive), labels) == pytest.approx(expected)


def test_auroc_of_many_classes_is_sklearns():
    scores, labels = random_case(4)
    scores = scores.astype(np.float64) / scores.sum(axis=1, dtype=np.float64, keepdims=True)
    expected = 100 * roc_auc_score(labels, scores, multi_class='ovr', average='macro')
    assert auroc(scores, labels) == pytest.approx(expected, abs=1e-4)


def test_auroc_leaves_out_absent_classes_and_says_so(log_lines):
    scores, labels = random_case(4)
    kept = labels != 2
    expected = np.mean([roc_auc_score(labels[kept] == c, scores[kept, c]) for c in (0, 1, 3)])
    assert auroc(scores[kept], labels[kept], classes=list('abcd')) == pytest.approx(100 * expected, abs=1e-4)
    assert any('AUROC' in line and line.endswith('no image has: c.') for line in log_lines)


def test_auroc_of_one_class_is_not_defined(log_lines):
    assert np.isnan(auroc(two_columns([0.2, 0.8, 0.3]), [1, 1, 1]))
    assert any('no image has: class 0' in line for line in log_lines)


def test_balanced_accuracy_by_hand():
    scores = two_columns([0.1, 0.2, 0.3, 0.9, 0.1])  # 3 of 4 normal right, the only tumour wrong
    assert balanced_accuracy(scores, [0, 0, 0, 0, 1]) == pytest.approx(100 * (3 / 4 + 0 / 1) / 2)


def test_balanced_accuracy_is_sklearns():
    scores, labels = random_case(8)
    assert balanced_accuracy(scores, labels) == pytest.approx(
        100 * balanced_accuracy_score(labels, scores.argmax(axis=1))
    )


def test_balanced_accuracy_leaves_out_absent_classes_and_says_so(log_lines):
    scores = [[0.9, 0.1, 0.0], [0.1, 0.0, 0.9], [0.8, 0.1, 0.1]]  # class 1 absent; class 0: 2 of 2, class 2: 1 of 1
    assert balanced_accuracy(scores, [0, 2, 0]) == pytest.approx(100.0)
    assert any('BalancedAccuracy' in line and 'class 1' in line for line in log_lines)


@pytest.mark.parametrize('measure', [auroc, balanced_accuracy])
def test_scores_of_a_diverged_model(measure):
    with pytest.raises(UserError, match='not finite'):
        measure([[np.nan, np.nan], [0.5, 0.5], [0.5, 0.5]], [0, 1, 1])
