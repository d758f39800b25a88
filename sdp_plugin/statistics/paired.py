"""Two methods compared run by run: same fold, same subset, same seed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from sdp_plugin.errors import UserError
from sdp_plugin.statistics.intervals import (
    Interval,
    check_level,
    check_ratio,
    finite_values,
    standard_error,
)
from sdp_plugin.statistics.student import p_greater, p_two_sided, t_quantile

TOO_FEW = 'fewer than two pairs: there is nothing to test with'
NO_SPREAD = 'all pairs differ by the same amount, so there is nothing to test with'


@dataclass(frozen=True)
class PairedTest:
    """Tests of the mean difference with one variance.

    Args:
        error (float): Standard error of the mean difference, in points.
        interval (Interval): Of the mean difference, at the level asked for.
        equivalence_interval (Interval): At the level 1 - 2 (1 - level), 90 % for 95 %: the methods are equivalent at
            5 % exactly if it lies within the margin.
        t (float): Mean difference / standard error.
        p (float): Two-sided p value of 'no difference'.
        equivalence_p (float | None): p value of 'they differ by the margin or more', the larger of two one-sided t
            tests; None without a margin.
    """

    error: float
    interval: Interval
    equivalence_interval: Interval
    t: float
    p: float
    equivalence_p: float | None


@dataclass(frozen=True)
class PairedComparison:
    """How the first method differs from the second.

    Args:
        n (int): Pairs.
        difference (float | None): Mean of first - second, in points; None without a pair.
        sd (float | None): Standard deviation of the differences; None for a single pair.
        level (float): Confidence of the intervals; 1 - level is the error rate of the tests.
        margin (float | None): Differences of less than this many points do not matter. None if none was fixed.
        uncorrected (PairedTest | None): For independent runs. Of folds, it finds too much. None if it cannot be had.
        corrected (PairedTest | None): For the folds of a cross-validation; None for runs that are none.
        note (str): Why there is no test; ``''`` if there is one.
    """

    n: int
    difference: float | None
    sd: float | None
    level: float
    margin: float | None
    uncorrected: PairedTest | None
    corrected: PairedTest | None
    note: str

    @property
    def test(self) -> PairedTest | None:
        """The one that counts: the corrected one where there is one."""
        return self.corrected or self.uncorrected


def compare_paired(
    first: Sequence[float],
    second: Sequence[float],
    *,
    test_train_ratio: float | None = None,
    margin: float | None = None,
    level: float = 0.95,
) -> PairedComparison:
    """Compare two methods by paired t tests, of difference and of equivalence.

    Args:
        first (Sequence[float]): One value a run, in points.
        second (Sequence[float]): Of the same runs in the same order.
        test_train_ratio (float | None): For folds of a cross-validation, see
            :func:`~sdp_plugin.statistics.intervals.corrected_interval`. None for independent runs.
        margin (float | None): In points, fixed before the runs; None tests no equivalence. Defaults to None.
        level (float): Confidence, 0.5 to 1. Defaults to 0.95.

    Raises:
        UserError: The values are not in pairs or not finite, or the margin or ratio is not positive.
    """
    first, second = finite_values(first), finite_values(second)
    check_level(level)
    if len(first) != len(second):
        raise UserError('The runs are not in pairs.', found=f'{len(first)} of one and {len(second)} of the other')
    if margin is not None and not 0 < margin < math.inf:
        raise UserError('A margin is a positive number of points.', found=margin)
    if test_train_ratio is not None:
        check_ratio(test_train_ratio)
    differences = first - second
    n = len(differences)
    mean = float(differences.mean()) if n else None
    if n < 2:
        return PairedComparison(n, mean, None, level, margin, None, None, TOO_FEW)
    sd = standard_error(differences, 0.0) * math.sqrt(n)
    if not sd:
        return PairedComparison(n, mean, 0.0, level, margin, None, None, NO_SPREAD)
    uncorrected = paired_test(mean, standard_error(differences, 0.0), n, margin, level, 'paired t')
    corrected = None
    if test_train_ratio is not None:
        error = standard_error(differences, test_train_ratio)
        corrected = paired_test(mean, error, n, margin, level, 'paired t, variance corrected for cross-validation')
    return PairedComparison(n, mean, sd, level, margin, uncorrected, corrected, '')


def paired_test(mean: float, error: float, n: int, margin: float | None, level: float, method: str) -> PairedTest:
    """The tests from mean and standard error of ``n`` differences; the error is not zero."""
    df = n - 1

    def interval(confidence: float) -> Interval:
        half = t_quantile((1 + confidence) / 2, df) * error
        return Interval(mean - half, mean + half, confidence, f'{method} over {n} pairs')

    equivalence_p = None
    if margin is not None:
        equivalence_p = max(p_greater((mean + margin) / error, df), p_greater((margin - mean) / error, df))
    t = mean / error
    return PairedTest(error, interval(level), interval(2 * level - 1), t, p_two_sided(t, df), equivalence_p)
