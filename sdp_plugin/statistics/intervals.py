"""Confidence intervals of the mean of a few runs: Student's t, bootstrap-t, and corrected for cross-validation."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.statistics.student import t_quantile

NO_SPREAD = 'the values do not differ, so their spread says nothing about how sure their mean is'
CUT = 'cut at what the quantity can reach'
# With fewer values too many resamples repeat one value, have no spread, and give no t.
MIN_BOOTSTRAP_VALUES = 5


@dataclass(frozen=True)
class Interval:
    """A confidence interval. Its ends are always finite.

    Args:
        low (float): Lower end, in the unit of the values.
        high (float): Upper end.
        level (float): Confidence, 0.5 to 1.
        method (str): How it was computed, as a reader should see it.
        note (str): What restricts its meaning; ``''`` if nothing does.
    """

    low: float
    high: float
    level: float
    method: str
    note: str = ''

    @property
    def half_width(self) -> float:
        """Half of the distance between the ends."""
        return (self.high - self.low) / 2

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high

    def __str__(self) -> str:
        return f'{self.low:.2f} to {self.high:.2f}'


def cut_to(interval: Interval | None, low: float = 0.0, high: float = 100.0) -> Interval | None:
    """The part of an interval that its quantity can reach, in per cent if not said otherwise.

    What is cut off cannot hold the truth, so the interval covers as much as before; nothing is moved into the rest.

    Args:
        interval (Interval | None): Any interval.
        low (float): The least value of the quantity. Defaults to 0.
        high (float): The largest. Defaults to 100.
    """
    if interval is None or (interval.low >= low and interval.high <= high):
        return interval
    ends = (min(max(end, low), high) for end in (interval.low, interval.high))
    return Interval(*ends, interval.level, interval.method, '; '.join(filter(None, (interval.note, CUT))))


def t_interval(values: Sequence[float], level: float = 0.95) -> Interval | None:
    """The default for independent runs: mean ± t · sd / √n, exact where the runs are normally distributed.

    Args:
        values (Sequence[float]): One a run, independent of each other.
        level (float): Confidence, 0.5 to 1. Defaults to 0.95.

    Returns:
        Interval | None: None for fewer than two values, which have no spread.

    Raises:
        UserError: A value is not finite, or the level is not between 0.5 and 1.
    """
    return _scaled_t_interval(values, 0.0, level, f'Student t over {len(values)} runs')


def corrected_interval(values: Sequence[float], test_train_ratio: float, level: float = 0.95) -> Interval | None:
    """The default for the folds of a cross-validation, whose training parts overlap: mean ± t · sd · √(1/n + ratio).

    The variance of Nadeau and Bengio (2003), which Bouckaert and Frank (2004) took to repeated cross-validation. It is
    unbiased if the correlation of two folds is test / (test + train), and too large if it is less. For ten folds the
    ratio is 1/9: the variance is (1/10 + 1/9) / (1/10) = 2.1 times that of independent runs.

    Args:
        values (Sequence[float]): One a fold, of one or several repeats.
        test_train_ratio (float): Of the sizes of a fold's test and training *parts*, not of a subset drawn from the
            training part: see :mod:`sdp_plugin.statistics.ratios`.
        level (float): Confidence, 0.5 to 1. Defaults to 0.95.

    Returns:
        Interval | None: None for fewer than two values.

    Raises:
        UserError: As :func:`t_interval`, and if the ratio is not positive.
    """
    check_ratio(test_train_ratio)
    method = f'Student t over {len(values)} folds, variance corrected for cross-validation'
    return _scaled_t_interval(values, test_train_ratio, level, method)


def bootstrap_t_interval(
    values: Sequence[float], level: float = 0.95, seed: int = 0, num: int = 4999
) -> Interval | None:
    """The bootstrap-t (studentised bootstrap; Efron and Tibshirani 1993, chapter 12) of independent runs.

    For runs that are visibly skewed. It resamples the values, expresses each resample's mean as a t, and takes the
    quantiles of these for those of Student's t.

    Args:
        values (Sequence[float]): One a run, independent of each other.
        level (float): Confidence, 0.5 to 1. Defaults to 0.95.
        seed (int): Of the resamples. Defaults to 0.
        num (int): Resamples. Defaults to 4999.

    Returns:
        Interval | None: None for fewer than five values, or too few for this level.

    Raises:
        UserError: As :func:`t_interval`.
    """
    values = finite_values(values)
    check_level(level)
    n = len(values)
    if n < MIN_BOOTSTRAP_VALUES:
        return None
    method = f'bootstrap-t over {n} runs'
    mean, error = values.mean(), values.std(ddof=1) / math.sqrt(n)
    if not _has_spread(values):
        return Interval(float(mean), float(mean), level, method, NO_SPREAD)
    resamples = values[np.random.default_rng(seed).integers(n, size=(num, n))]
    deviations, errors = resamples.mean(axis=1) - mean, resamples.std(axis=1, ddof=1) / math.sqrt(n)
    # A resample that repeats one value has no spread: its t is infinite, on the side on which it lies.
    with np.errstate(divide='ignore', invalid='ignore'):
        t = np.nan_to_num(deviations / errors, nan=0.0, posinf=np.inf, neginf=-np.inf)
    below, above = np.quantile(t, [(1 - level) / 2, (1 + level) / 2], method='inverted_cdf')
    if not np.isfinite([below, above]).all():
        return None
    return Interval(float(mean - above * error), float(mean - below * error), level, method)


def percentile_interval(values: Sequence[float], level: float = 0.95, seed: int = 0, num: int = 4999) -> Interval:
    """The percentile bootstrap, here only to be compared with: of ten runs its 95 % interval covers about 90 %."""
    values = finite_values(values)
    check_level(level)
    means = values[np.random.default_rng(seed).integers(len(values), size=(num, len(values)))].mean(axis=1)
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(low), float(high), level, f'percentile bootstrap over {len(values)} runs')


def finite_values(values: Sequence[float]) -> np.ndarray:
    """The values as float64, shape (n,).

    Raises:
        UserError: One is not finite.
    """
    array = np.asarray(values, dtype=np.float64).reshape(-1)
    if not np.isfinite(array).all():
        raise UserError('A result is not a number.', found=array.tolist(), remedy='look into the log of that run')
    return array


def check_level(level: float) -> None:
    """Raise UserError unless the confidence level lies between 0.5 and 1."""
    if not 0.5 < level < 1:
        raise UserError('A confidence level lies between 0.5 and 1.', looked_for='for example 0.95', found=level)


def check_ratio(test_train_ratio: float) -> None:
    """Raise UserError unless the ratio of the fold sizes is a positive number."""
    if not 0 < test_train_ratio < math.inf:
        raise UserError(
            'The ratio of the sizes of test and training part is positive.',
            looked_for='for example 1/9 for ten folds',
            found=test_train_ratio,
        )


def standard_error(values: np.ndarray, test_train_ratio: float) -> float:
    """Deviation · √(1/n + ratio), shape (n,) to a number; exactly 0 for values that do not differ."""
    return float(values.std(ddof=1)) * math.sqrt(1 / len(values) + test_train_ratio) if _has_spread(values) else 0.0


def _has_spread(values: np.ndarray) -> bool:
    # A mean that is not representable would give equal values a deviation of some 1e-14.
    return bool(np.ptp(values) > 1e-9 * max(1.0, np.abs(values).max()))


def _scaled_t_interval(values: Sequence[float], ratio: float, level: float, method: str) -> Interval | None:
    values = finite_values(values)
    check_level(level)
    if len(values) < 2:
        return None
    mean, error = float(values.mean()), standard_error(values, ratio)
    half = t_quantile((1 + level) / 2, len(values) - 1) * error
    return Interval(mean - half, mean + half, level, method, '' if error else NO_SPREAD)
