from __future__ import annotations

import numpy as np
import pytest

from sdp_plugin.statistics.multiple import holm


def test_by_hand():
    # 0.01 * 3 = 0.03; then 0.03 * 2 = 0.06; then 0.04 * 1, but not below the one before.
    assert holm([0.01, 0.04, 0.03]) == pytest.approx([0.03, 0.06, 0.06])


@pytest.mark.parametrize('num', [1, 2, 6, 40])
def test_agrees_with_statsmodels(num):
    multitest = pytest.importorskip('statsmodels.stats.multitest')
    p_values = np.random.default_rng(num).random(num) ** 3
    p_values[num // 2 :] = p_values[num // 2 :].round(1)
    expected = multitest.multipletests(p_values, method='holm')[1]
    assert holm(p_values.tolist()) == pytest.approx(expected.tolist(), rel=1e-12)


def test_what_was_not_tested_does_not_count():
    assert holm([None, 0.02, None, 0.03]) == [None, pytest.approx(0.04), None, pytest.approx(0.04)]


@pytest.mark.parametrize('p_values', [[], [None, None]])
def test_nothing_tested(p_values):
    assert holm(p_values) == p_values


def test_no_probability_exceeds_one():
    assert holm([0.6, 0.7]) == [1.0, 1.0]
