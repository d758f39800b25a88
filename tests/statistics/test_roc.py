from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from sdp_plugin.errors import UserError
from sdp_plugin.statistics.roc import auroc, class_scores, mean_auroc, roc_band, roc_curve


def scored(seed: int = 0, num: int = 400, decimals: int = 1) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    positive = generator.random(num) < 0.3
    return (generator.normal(size=num) + positive).round(decimals), positive


def test_auroc_by_hand():
    # Of the six pairs, four are in order, one is tied: 4.5 / 6.
    assert auroc(np.array([3.0, 1.0, 2.0, 1.0, 0.0]), np.array([1, 1, 0, 0, 0])) == pytest.approx(4.5 / 6)


@pytest.mark.parametrize('dtype', [np.float16, np.float32, np.float64, np.int8])
@pytest.mark.parametrize('decimals', [0, 1, 6])
def test_auroc_agrees_with_scikit_learn(dtype, decimals):
    scores, positive = scored(decimals=decimals)
    scores = scores.astype(dtype)
    assert auroc(scores, positive) == pytest.approx(metrics.roc_auc_score(positive, scores.astype(float)), abs=1e-12)


@pytest.mark.parametrize('decimals', [0, 1, 6])
def test_curve_agrees_with_scikit_learn(decimals):
    scores, positive = scored(decimals=decimals)
    expected = metrics.roc_curve(positive, scores, drop_intermediate=False)
    found = roc_curve(scores, positive)
    assert found[0] == pytest.approx(expected[0])
    assert found[1] == pytest.approx(expected[1])
    assert metrics.auc(*found) == pytest.approx(auroc(scores, positive))


def test_inputs_are_left_alone():
    scores, positive = scored()
    before = scores.copy()
    auroc(scores, positive)
    roc_curve(scores, positive)
    assert (scores == before).all()


@pytest.mark.parametrize('measure', [auroc, roc_curve, lambda *run: roc_band([run])])
@pytest.mark.parametrize('positive', [np.ones(3, dtype=bool), np.zeros(3, dtype=bool)])
def test_one_class_is_refused(measure, positive):
    with pytest.raises(UserError, match='positive and negative'):
        measure(np.arange(3.0), positive)


def test_log_odds_tell_apart_what_one_probability_rounds_to_a_tie():
    # Both probabilities of class 1 are 1 in float16, and their logarithms 0.
    log_scores = np.array([[-18.0, 0.0], [-20.0, 0.0]], dtype=np.float16)
    scores = class_scores(log_scores)
    assert scores[:, 1].tolist() == [18, 20]
    assert scores[:, 0].tolist() == [-18, -20]
    assert auroc(scores[:, 1], np.array([False, True])) == 1


def test_mean_auroc_agrees_with_scikit_learn():
    generator = np.random.default_rng(3)
    labels = generator.integers(4, size=500)
    logits = generator.normal(size=(500, 4)) + 1.5 * np.eye(4)[labels]
    log_scores = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    expected = metrics.roc_auc_score(labels, np.exp(log_scores), multi_class='ovr')
    assert mean_auroc(log_scores, labels) == pytest.approx(expected, abs=1e-6)
    expected = metrics.roc_auc_score(labels[labels < 2], log_scores[labels < 2, 1] - log_scores[labels < 2, 0])
    assert mean_auroc(log_scores[labels < 2][:, :2], labels[labels < 2]) == pytest.approx(expected, abs=1e-6)


def test_mean_auroc_leaves_out_classes_that_do_not_occur():
    log_scores = np.log(np.array([[0.8, 0.1, 0.1], [0.3, 0.3, 0.4], [0.1, 0.1, 0.8], [0.4, 0.3, 0.3]]))
    # Class 0 against 2: of 0.8 and 0.3 against 0.1 and 0.4, three of four pairs; class 2: 0.8 and 0.3 against 0.1, 0.4.
    assert mean_auroc(log_scores, np.array([0, 0, 2, 2])) == pytest.approx(0.75)


def test_band_by_hand():
    positive = np.array([True, True, False, False])
    perfect, half = (np.array([4.0, 3.0, 2.0, 1.0]), positive), (np.array([4.0, 2.0, 3.0, 1.0]), positive)
    band = roc_band([perfect, half], false_positive_rates=np.array([0.0, 0.25, 0.5, 1.0]))
    # The second curve rises to 0.5 at 0, stays there up to a false positive rate of 0.5, and rises to 1.
    assert band.runs.tolist() == [[1, 1, 1, 1], [0.5, 0.5, 1, 1]]
    assert band.mean.tolist() == [0.75, 0.75, 1, 1]
    # 0.75 ± 12.7 * 0.25 is cut to where rates can be.
    assert (band.low[0], band.high[0]) == (0, 1)
    assert (band.low[3], band.high[3]) == (1, 1)


def test_band_is_the_t_interval_at_each_rate():
    stats = pytest.importorskip('scipy.stats')
    band = roc_band([scored(seed, 2000) for seed in range(10)])
    column = band.runs[:, 30]
    expected = stats.t.interval(0.95, 9, column.mean(), stats.sem(column))
    assert (band.low[30], band.high[30]) == pytest.approx(expected)
    assert (np.diff(band.mean) >= 0).all()


def test_a_single_run_has_no_band():
    band = roc_band([scored()])
    assert band.low is band.high is None
    assert band.mean[-1] == 1


def test_no_run_is_refused():
    with pytest.raises(UserError, match='no run'):
        roc_band([])
