from __future__ import annotations

import math

import numpy as np
import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.statistics import paired
from sdp_plugin.statistics.paired import compare_paired

FIRST = np.array([67.1, 71.2, 64.9, 70.3, 66.6, 68.0, 72.4, 63.7, 69.5, 65.8])
SECOND = np.array([66.8, 70.1, 65.6, 69.2, 66.9, 66.9, 71.8, 63.2, 69.9, 64.8])


def ends(interval):
    return interval.low, interval.high


def test_by_hand():
    # Differences 1, 2, 3: mean 2, sd 1, error 1 / √3, t = 3.464102 with 2 degrees of freedom, two-sided p 0.074180.
    comparison = compare_paired([71, 72, 73], [70, 70, 70], margin=3)
    assert (comparison.n, comparison.difference, comparison.sd) == (3, 2, pytest.approx(1))
    test = comparison.test
    assert (test.t, test.p) == (pytest.approx(3.464102, abs=1e-6), pytest.approx(0.074180, abs=1e-6))
    # Quantiles of t with 2 degrees of freedom: 4.302653 and, for 90 %, 2.919986.
    assert ends(test.interval) == pytest.approx((2 - 2.484138, 2 + 2.484138), abs=1e-5)
    assert ends(test.equivalence_interval) == pytest.approx((2 - 1.685855, 2 + 1.685855), abs=1e-5)
    # The upper test decides: t = (3 - 2) √3 = 1.732051, and P(T > t) = (1 - t / √(2 + t²)) / 2 = 0.112702.
    assert test.equivalence_p == pytest.approx(0.112702, abs=1e-6)


def test_corrected_by_hand():
    # Three folds, ratio 1/2: the error is √(1/3 + 1/2) = 0.912871, t = 2.190890, p = 1 - t / √(2 + t²) = 0.159832.
    comparison = compare_paired([71, 72, 73], [70, 70, 70], test_train_ratio=1 / 2)
    assert comparison.test is comparison.corrected
    assert comparison.corrected.error == pytest.approx(0.912871, abs=1e-6)
    assert comparison.corrected.p == pytest.approx(0.159832, abs=1e-5)
    # The uncorrected value stays beside it.
    assert comparison.uncorrected.p == pytest.approx(0.074180, abs=1e-6)


@pytest.mark.parametrize('level', [0.9, 0.95])
def test_difference_agrees_with_scipy(level):
    stats = pytest.importorskip('scipy.stats')
    expected = stats.ttest_rel(FIRST, SECOND)
    test = compare_paired(FIRST, SECOND, level=level).test
    assert (test.t, test.p) == pytest.approx((expected.statistic, expected.pvalue), rel=1e-10)
    assert ends(test.interval) == pytest.approx(tuple(expected.confidence_interval(level)), rel=1e-10)
    assert ends(test.equivalence_interval) == pytest.approx(
        tuple(expected.confidence_interval(2 * level - 1)), rel=1e-9
    )


@pytest.mark.parametrize('margin', [0.2, 0.45, 1.0, 2.0])
def test_equivalence_agrees_with_statsmodels(margin):
    weightstats = pytest.importorskip('statsmodels.stats.weightstats')
    expected = weightstats.ttost_paired(FIRST, SECOND, -margin, margin)[0]
    assert compare_paired(FIRST, SECOND, margin=margin).test.equivalence_p == pytest.approx(expected, rel=1e-10)
    assert compare_paired(SECOND, FIRST, margin=margin).test.equivalence_p == pytest.approx(expected, rel=1e-10)


@pytest.mark.parametrize('repeats', [1, 2])
def test_corrected_tests_agree_with_baycomp(repeats):
    baycomp = pytest.importorskip('baycomp')
    first, second = np.tile(FIRST, repeats), np.resize(SECOND[::-1], 10 * repeats)
    test = compare_paired(first, second, test_train_ratio=1 / 9, margin=2.5).corrected
    # Its posterior of the mean difference is the t distribution that the tests use.
    below, above = baycomp.two_on_single(second, first, runs=repeats)
    assert test.p == pytest.approx(2 * min(below, above), rel=1e-9)
    below, _, above = baycomp.two_on_single(second, first, rope=2.5, runs=repeats)
    assert test.equivalence_p == pytest.approx(max(below, above), rel=1e-9)


def test_ten_folds_inflate_the_error_by_the_root_of_2_1():
    comparison = compare_paired(FIRST, SECOND, test_train_ratio=1 / 9)
    assert (comparison.corrected.error / comparison.uncorrected.error) ** 2 == pytest.approx(2.1111, abs=1e-4)


@pytest.mark.parametrize('margin', np.linspace(0.4, 1.4, 21).tolist())
def test_equivalence_and_its_interval_say_the_same(margin):
    test = compare_paired(FIRST, SECOND, margin=margin, test_train_ratio=1 / 9).test
    inside = -margin < test.equivalence_interval.low and test.equivalence_interval.high < margin
    assert inside == (test.equivalence_p < 0.05)


def test_the_margins_above_reach_both_answers():
    answers = {
        compare_paired(FIRST, SECOND, margin=m, test_train_ratio=1 / 9).test.equivalence_p < 0.05 for m in (0.4, 1.4)
    }
    assert answers == {True, False}


def test_swapping_changes_the_sign_only():
    one, other = (compare_paired(*pair, margin=1).test for pair in ((FIRST, SECOND), (SECOND, FIRST)))
    assert (one.t, one.p, one.equivalence_p) == pytest.approx((-other.t, other.p, other.equivalence_p))
    assert ends(one.interval) == pytest.approx((-other.interval.high, -other.interval.low))


@pytest.mark.parametrize(
    ('first', 'second', 'difference', 'sd', 'note'),
    [
        ([], [], None, None, paired.TOO_FEW),
        ([70.0], [69.0], 1.0, None, paired.TOO_FEW),
        ([70.1, 71.2, 72.3], [69.1, 70.2, 71.3], pytest.approx(1.0), 0.0, paired.NO_SPREAD),
        ([70.1, 70.1], [70.1, 70.1], 0.0, 0.0, paired.NO_SPREAD),
    ],
)
def test_what_cannot_be_tested_says_why(first, second, difference, sd, note):
    comparison = compare_paired(first, second, margin=1, test_train_ratio=1 / 9)
    assert comparison.test is comparison.corrected is comparison.uncorrected is None
    assert (comparison.difference, comparison.sd, comparison.note) == (difference, sd, note)


def test_no_margin_no_equivalence():
    assert compare_paired(FIRST, SECOND).test.equivalence_p is None


@pytest.mark.parametrize(
    ('arguments', 'options', 'problem'),
    [
        ((FIRST, SECOND[:9]), {}, 'not in pairs'),
        ((FIRST, np.full(10, math.nan)), {}, 'not a number'),
        ((FIRST, SECOND), {'margin': 0}, 'margin'),
        ((FIRST, SECOND), {'margin': -1.0}, 'margin'),
        ((FIRST, SECOND), {'margin': math.nan}, 'margin'),
        ((FIRST, SECOND), {'test_train_ratio': 0.0}, 'ratio'),
        ((FIRST, SECOND), {'level': 95}, 'level'),
    ],
)
def test_mistakes_are_named(arguments, options, problem):
    with pytest.raises(UserError, match=problem):
        compare_paired(*arguments, **options)
