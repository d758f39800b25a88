from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.evaluator import Evaluator
from mmpretrain.structures import DataSample

from sdp_plugin.evaluation import AUROC, BalancedAccuracy, ImageScores


def samples_of(scores: torch.Tensor, labels: list[int]) -> list[DataSample]:
    return [DataSample().set_pred_score(row).set_gt_label(label) for row, label in zip(scores, labels, strict=True)]


def evaluated(scores: torch.Tensor, labels: list[int], batch: int = 4) -> tuple[ImageScores, dict]:
    evaluator = Evaluator([ImageScores(), BalancedAccuracy(), AUROC()])
    for start in range(0, len(labels), batch):
        evaluator.process(data_samples=samples_of(scores[start : start + batch], labels[start : start + batch]))
    metrics = evaluator.evaluate(len(labels))
    return evaluator.metrics[0], metrics


@pytest.fixture
def drawn() -> tuple[torch.Tensor, list[int]]:
    generator = torch.Generator().manual_seed(0)
    scores = (3 * torch.randn(11, 3, generator=generator)).softmax(dim=1)
    return scores, torch.randint(3, (11,), generator=generator).tolist()


def test_all_images_are_kept_in_their_order(drawn):
    scores, labels = drawn
    metric, metrics = evaluated(scores, labels)
    assert {name: array.dtype for name, array in metric.scores.items()} == {
        'log_scores': np.float16,
        'predictions': np.uint8,
        'labels': np.uint8,
    }
    np.testing.assert_allclose(metric.scores['log_scores'], scores.log(), rtol=1e-3)
    assert metric.scores['predictions'].tolist() == scores.argmax(dim=1).tolist()
    assert metric.scores['labels'].tolist() == labels
    assert set(metrics) == {'single-label/balanced-accuracy', 'single-label/auroc'}


def test_the_metrics_can_be_had_from_the_scores(drawn):
    scores, labels = drawn
    metric, metrics = evaluated(scores, labels)
    kept = torch.from_numpy(metric.scores['log_scores'].astype(np.float32)).exp()
    _, again = evaluated(kept, metric.scores['labels'].tolist())
    assert again == pytest.approx(metrics, abs=1e-9)


def test_certain_scores_keep_their_order():
    """Probabilities that are 0 or 1 in float16, and even in float32, as far as a logarithm can tell them apart."""
    margins = torch.tensor([8.0, 12.0, 14.0, 60.0, 200.0], dtype=torch.float64)
    scores = torch.stack([margins, -margins], dim=1).softmax(dim=1).float()
    metric, _ = evaluated(scores, [0] * len(margins))
    log_scores = metric.scores['log_scores']
    assert np.isfinite(log_scores).all()
    assert (np.diff(log_scores[:4, 1]) < 0).all()
    assert log_scores[0, 0] < 0


def test_a_second_test_replaces_the_first(drawn):
    scores, labels = drawn
    evaluator = Evaluator([ImageScores()])
    for kept in (11, 5):
        evaluator.process(data_samples=samples_of(scores[:kept], labels[:kept]))
        evaluator.evaluate(kept)
        assert len(evaluator.metrics[0].scores['labels']) == kept


def test_more_classes_than_a_byte_has():
    scores = torch.eye(300)[[299, 3]]
    metric, _ = evaluated(scores, [299, 3])
    assert metric.scores['predictions'].tolist() == [299, 3]
    assert metric.scores['labels'].dtype == np.uint16
