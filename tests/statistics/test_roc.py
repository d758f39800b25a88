from __future__ import annotations

import numpy as np
import pytest
from sklearn import metrics

from sdp_plugin.errors import UserError
from sdp_plugin.statistics.roc import class_scores, roc_curve


def scored(seed: int = 0, num: int = 400, decimals: int = 1) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    positive = generator.random(num) < 0.3
    return (generator.normal(size=num) + positive).round(decimals), positive


@pytest.mark.parametrize('decimals', [0, 1, 6])
def test_curve_agrees_with_scikit_learn(decimals):
    scores, positive = scored(decimals=decimals)
    expected = metrics.roc_curve(positive, scores, drop_intermediate=False)
    found = roc_curve(scores, positive)
    assert found[0] == pytest.approx(expected[0])
    assert found[1] == pytest.approx(expected[1])


def test_inputs_are_left_alone():
    scores, positive = scored()
    before = scores.copy()
    roc_curve(scores, positive)
    assert (scores == before).all()


@pytest.mark.parametrize('positive', [np.ones(3, dtype=bool), np.zeros(3, dtype=bool)])
def test_one_class_is_refused(positive):
    with pytest.raises(UserError, match='positive and negative'):
        roc_curve(np.arange(3.0), positive)


def test_log_odds_tell_apart_what_one_probability_rounds_to_a_tie():
    # Both probabilities of class 1 are 1 in float16, and their logarithms 0.
    log_scores = np.array([[-18.0, 0.0], [-20.0, 0.0]], dtype=np.float16)
    scores = class_scores(log_scores)
    assert scores[:, 1].tolist() == [18, 20]
    assert scores[:, 0].tolist() == [-18, -20]
