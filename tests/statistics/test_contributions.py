from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score, roc_auc_score

from sdp_plugin.errors import UserError
from sdp_plugin.statistics.contributions import auroc_contributions, balanced_accuracy_contributions


@pytest.fixture
def scored() -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    positive = np.arange(300) < 90
    return (generator.normal(size=300) + positive).round(1), positive


def standard_error(contributions: np.ndarray) -> float:
    return float(contributions.std() / np.sqrt(len(contributions)))


def test_auroc_is_the_mean(scored):
    assert auroc_contributions(*scored).mean() == pytest.approx(roc_auc_score(scored[1], scored[0]), abs=1e-6)


def test_the_spread_is_the_error_of_delong(scored):
    scores, positive = scored
    # All pairs, as DeLong, DeLong and Clarke-Pearson write it.
    wins = (scores[positive][:, None] > scores[~positive]) + 0.5 * (scores[positive][:, None] == scores[~positive])
    variance = wins.mean(axis=1).var() / 90 + wins.mean(axis=0).var() / 210
    assert standard_error(auroc_contributions(scores, positive)) == pytest.approx(np.sqrt(variance), rel=1e-5)


@pytest.mark.parametrize('positive', [np.ones(4, dtype=bool), np.zeros(4, dtype=bool)])
def test_auroc_of_one_class_is_refused(positive):
    with pytest.raises(UserError, match='positive and negative'):
        auroc_contributions(np.arange(4.0), positive)


def test_balanced_accuracy_is_the_mean():
    generator = np.random.default_rng(1)
    # Class 2 does not occur.
    labels = np.repeat([0, 1, 3], [50, 20, 130])
    predictions = np.where(generator.random((4, 200)) < 0.7, labels, 0)
    contributions = balanced_accuracy_contributions(predictions == labels, labels)
    expected = [balanced_accuracy_score(labels, run) for run in predictions]
    assert contributions.mean(axis=1) == pytest.approx(expected, abs=1e-6)
    one = balanced_accuracy_contributions(predictions[2] == labels, labels)
    assert one == pytest.approx(contributions[2])


def test_the_spread_of_balanced_accuracy_is_that_of_its_recalls():
    labels = np.repeat([0, 1], [100, 25])
    correct = np.r_[np.arange(100) < 80, np.arange(25) < 15]
    # Recalls 0.8 and 0.6: √(0.8 * 0.2 / 100 + 0.6 * 0.4 / 25) / 2.
    expected = np.sqrt(0.16 / 100 + 0.24 / 25) / 2
    assert standard_error(balanced_accuracy_contributions(correct, labels)) == pytest.approx(expected, rel=1e-5)


def test_of_balanced_classes_it_is_the_accuracy():
    labels = np.repeat([0, 1], 40)
    correct = np.random.default_rng(2).random(80) < 0.8
    contributions = balanced_accuracy_contributions(correct, labels)
    assert contributions.mean() == pytest.approx(correct.mean())
