from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss

from sdp_plugin.statistics.calibration import (
    at_temperature,
    brier_contributions,
    calibration_error,
    calibration_error_contributions,
    fitted_temperature,
    reliability,
)


def drawn(num: int = 3000, over: float = 0.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Confidences, and correct as often as they say less ``over``."""
    generator = np.random.default_rng(seed)
    confidences = generator.uniform(0.6, 1, num)
    return confidences, generator.random(num) < confidences - over


def plain_error(confidences, correct, num_bins=15):
    """Of equal-mass bins, in a loop."""
    parts = np.array_split(np.argsort(confidences, kind='stable'), num_bins)
    return sum(len(part) * abs(confidences[part].mean() - correct[part].mean()) for part in parts) / len(correct)


def test_bins_by_hand():
    bins = reliability(np.array([0.9, 0.6, 0.8, 0.7]), np.array([True, False, True, True]), num_bins=2)
    assert bins.order.tolist() == [1, 3, 2, 0]
    assert bins.confidence == pytest.approx([0.65, 0.85])
    assert bins.accuracy.tolist() == [0.5, 1.0]
    # The second bin has no spread; the first is off by 0.15 with an error of √(0.25 / 2) = 0.353553, so z = 0.424264:
    # 0.353553 √(2/π) exp(-0.09) + 0.15 (1 - 2 Φ(-0.424264)) = 0.257812 + 0.049286; 0.3 less that is -0.007098.
    assert calibration_error(bins) == pytest.approx((-0.007098 + 0.15) / 2, abs=1e-5)


def test_of_calibrated_probabilities_chance_leaves_three_fifths():
    """|z| is 2 |z| - E|z + z'| on average, with z' as z: √(2/π) (2 - √2), which is 0.586 of E|z|."""
    runs = [drawn(1000, seed=seed) for seed in range(300)]
    plain = np.mean([plain_error(*run) for run in runs])
    assert np.mean([calibration_error(reliability(*run)) for run in runs]) == pytest.approx(0.586 * plain, rel=0.08)


@pytest.mark.parametrize('over', [0.05, 0.2])
def test_an_error_is_found(over):
    errors = [calibration_error(reliability(*drawn(over=over, seed=seed))) for seed in range(50)]
    assert np.mean(errors) == pytest.approx(over, abs=0.003)


def test_the_debiased_error_of_many_images_is_the_plain_one():
    run = drawn(300_000, over=0.1)
    assert calibration_error(reliability(*run)) == pytest.approx(plain_error(*run), abs=1e-4)


def test_contributions_average_to_the_error_and_spread_like_it():
    run = drawn(over=0.1)
    bins = reliability(*run)
    contributions = calibration_error_contributions(bins, *run)
    assert contributions.mean() == pytest.approx(calibration_error(bins), abs=1e-6)
    errors = [calibration_error(reliability(*drawn(over=0.1, seed=seed))) for seed in range(300)]
    assert contributions.std() / np.sqrt(3000) == pytest.approx(np.std(errors), rel=0.15)


def test_few_images_are_one_each():
    bins = reliability(np.array([0.7, 0.9]), np.array([True, False]))
    assert bins.sizes.tolist() == [1, 1]


def test_brier_score_of_two_classes_is_that_of_scikit_learn():
    generator = np.random.default_rng(0)
    positive, labels = generator.random(200), generator.integers(2, size=200)
    contributions = brier_contributions(np.stack([1 - positive, positive], axis=1), labels)
    assert contributions.mean() == pytest.approx(brier_score_loss(labels, positive), abs=1e-6)


def test_brier_score_of_several_classes_by_hand():
    # (0.3² + 0.2² + 0.1²) / 2, and 1 for a certain mistake.
    probabilities = np.array([[0.7, 0.2, 0.1], [1.0, 0.0, 0.0]])
    assert brier_contributions(probabilities, np.array([0, 2])) == pytest.approx([0.07, 1.0])


@pytest.mark.parametrize('temperature', [0.5, 1.0, 3.0])
def test_the_temperature_is_found(temperature):
    generator = np.random.default_rng(1)
    logits = 2 * generator.normal(size=(40_000, 3))
    labels = (logits + generator.gumbel(size=logits.shape)).argmax(axis=1)
    assert fitted_temperature(at_temperature(temperature * logits, 1.0), labels) == pytest.approx(temperature, rel=0.03)


def test_a_temperature_changes_no_prediction():
    log_scores = np.log(np.random.default_rng(2).dirichlet(np.ones(4), 100)).astype(np.float16)
    scaled = at_temperature(log_scores, 2.0)
    assert (scaled.argmax(axis=1) == log_scores.argmax(axis=1)).all()
    assert np.exp(scaled).sum(axis=1) == pytest.approx(1, abs=1e-5)
    assert (scaled.max(axis=1) < log_scores.max(axis=1)).all()


def test_labels_that_are_all_right_or_all_wrong_have_a_temperature_too():
    log_scores = np.log(np.tile([0.8, 0.2], (10, 1)))
    assert fitted_temperature(log_scores, np.zeros(10, int)) == pytest.approx(0.02, rel=1e-3)
    assert fitted_temperature(log_scores, np.ones(10, int)) == pytest.approx(50, rel=1e-3)
