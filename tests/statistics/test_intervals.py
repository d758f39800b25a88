from __future__ import annotations

import itertools
import math
import subprocess
import sys

import numpy as np
import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.statistics.intervals import (
    CUT,
    NO_SPREAD,
    Interval,
    bootstrap_t_interval,
    corrected_interval,
    cut_to,
    percentile_interval,
    t_interval,
)

THREE = [78.0, 80.0, 82.0]
TEN = [81.2, 79.5, 80.3, 82.2, 78.9, 80.0, 81.7, 79.9, 80.6, 83.1]


def ends(interval):
    return interval.low, interval.high


def test_t_interval_by_hand():
    # Mean 80, sd 2, so the error is 2 / √3 = 1.154701. The 97.5 % quantile of t with 2 degrees of freedom is 4.302653.
    assert ends(t_interval(THREE)) == pytest.approx((80 - 4.968276, 80 + 4.968276), abs=1e-5)


def test_corrected_interval_by_hand():
    # Three folds: ratio 1/2, √(1/3 + 1/2) = 0.912871, times the sd 2 and the quantile 4.302653.
    assert ends(corrected_interval(THREE, 1 / 2)) == pytest.approx((80 - 7.855534, 80 + 7.855534), abs=1e-5)


@pytest.mark.parametrize('level', [0.9, 0.95, 0.99])
def test_t_interval_agrees_with_scipy_and_statsmodels(level):
    stats = pytest.importorskip('scipy.stats')
    expected = stats.t.interval(level, len(TEN) - 1, np.mean(TEN), stats.sem(TEN))
    assert ends(t_interval(TEN, level)) == pytest.approx(expected, rel=1e-12)
    weightstats = pytest.importorskip('statsmodels.stats.weightstats')
    expected = weightstats.DescrStatsW(np.array(TEN)).tconfint_mean(1 - level)
    assert ends(t_interval(TEN, level)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('repeats', [1, 2])
def test_corrected_interval_agrees_with_baycomp(repeats):
    baycomp = pytest.importorskip('baycomp')
    stats = pytest.importorskip('scipy.stats')
    values = np.array(TEN * repeats) + np.repeat([0.0, 0.7], 10)[: 10 * repeats]
    mean, variance, df = baycomp.CorrelatedTTest.compute_statistics(np.zeros(len(values)), values, runs=repeats)
    expected = stats.t.interval(0.95, df, mean, math.sqrt(variance))
    assert ends(corrected_interval(values, 1 / 9)) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize(('ratio', 'inflation'), [(1 / 9, 2.1111), (500 / 96, 53.0833)])
def test_the_ratio_inflates_the_variance_of_ten_folds(ratio, inflation):
    widths = corrected_interval(TEN, ratio).half_width, t_interval(TEN).half_width
    assert (widths[0] / widths[1]) ** 2 == pytest.approx(inflation, abs=1e-3)


def test_bootstrap_t_against_all_resamples():
    values = np.array([70.0, 79.0, 80.0, 81.0, 83.0])
    resamples = np.array(list(itertools.product(values, repeat=5)))
    errors = resamples.std(axis=1, ddof=1) / math.sqrt(5)
    with np.errstate(divide='ignore'):
        t = (resamples.mean(axis=1) - values.mean()) / np.where(errors < 1e-9, 0, errors)
    below, above = np.quantile(t, [0.05, 0.95], method='inverted_cdf')
    error = values.std(ddof=1) / math.sqrt(5)
    expected = values.mean() - above * error, values.mean() - below * error
    interval = bootstrap_t_interval(values, level=0.9, num=100_000)
    assert ends(interval) == pytest.approx(expected, abs=0.25)
    # The tail is on the left, and so is the longer side.
    assert values.mean() - interval.low > 1.3 * (interval.high - values.mean())


def test_bootstrap_t_is_repeatable():
    assert bootstrap_t_interval(TEN, seed=3) == bootstrap_t_interval(TEN, seed=3)
    assert bootstrap_t_interval(TEN, seed=3) != bootstrap_t_interval(TEN, seed=4)


def test_percentile_interval_agrees_with_scipy():
    stats = pytest.importorskip('scipy.stats')
    expected = stats.bootstrap([TEN], np.mean, n_resamples=20_000, method='percentile', rng=np.random.default_rng(1))
    assert ends(percentile_interval(TEN, num=20_000)) == pytest.approx(expected.confidence_interval, abs=0.03)


@pytest.mark.parametrize(
    'interval', [t_interval, bootstrap_t_interval, lambda values: corrected_interval(values, 1 / 9)]
)
class TestEveryInterval:
    @pytest.mark.parametrize('values', [[], [80.0]])
    def test_too_few_values_have_none(self, interval, values):
        assert interval(values) is None

    def test_equal_values_say_that_they_say_nothing(self, interval):
        # 0.1 has no exact mean in binary: computed naively, the deviation is not zero.
        result = interval([80.1] * 10)
        assert ends(result) == pytest.approx((80.1, 80.1))
        assert result.note == NO_SPREAD

    @pytest.mark.parametrize('value', [math.nan, math.inf])
    def test_results_that_are_not_numbers_are_named(self, interval, value):
        with pytest.raises(UserError, match='not a number'):
            interval([80.0, value, 81.0, 82.0, 83.0])


@pytest.mark.parametrize(
    ('low', 'high', 'wanted'),
    [(-12.0, 121.5, (0, 100)), (40.0, 105.0, (40, 100)), (-3.0, -1.0, (0, 0)), (20.0, 88.8, None)],
)
def test_percentages_end_at_0_and_100(low, high, wanted):
    interval = Interval(low, high, 0.95, 'Student t')
    cut = cut_to(interval)
    assert ends(cut) == (wanted or (low, high))
    assert cut.note == (CUT if wanted else '')
    assert cut_to(None) is None


def test_bootstrap_t_needs_five_values():
    assert bootstrap_t_interval(TEN[:4]) is None
    assert bootstrap_t_interval(TEN[:5]) is not None


@pytest.mark.parametrize('level', [0, 0.5, 1, 95])
def test_a_level_in_per_cent_is_refused(level):
    with pytest.raises(UserError, match='confidence level'):
        t_interval(TEN, level)


@pytest.mark.parametrize('ratio', [0, -1, math.inf, math.nan])
def test_a_ratio_that_is_none_is_refused(ratio):
    with pytest.raises(UserError, match='ratio'):
        corrected_interval(TEN, ratio)


def test_the_statistics_import_nothing_slow():
    code = (
        'import sys; from sdp_plugin.statistics import published; from sdp_plugin import statistics as s;'
        's.claims([s.compare_paired([1.0, 2.0, 4.0], [1.5, 2.0, 3.0], margin=1.0, test_train_ratio=0.5)]);'
        'print({"torch", "pandas", "statsmodels", "scipy.stats", "sklearn", "mmengine"} & set(sys.modules))'
    )
    done = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == 'set()'
