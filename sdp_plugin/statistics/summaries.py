"""Results of which only mean, standard deviation and number of runs are known, as papers publish them."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sdp_plugin.errors import UserError
from sdp_plugin.statistics.intervals import Interval, check_level
from sdp_plugin.statistics.student import t_quantile


@dataclass(frozen=True)
class SummaryCell:
    """A published cell.

    Args:
        mean (float): Of the runs.
        sd (float): Their sample standard deviation.
        n (int): Their number.
    """

    mean: float
    sd: float
    n: int

    def __str__(self) -> str:
        return f'{self.mean:.2f} ± {self.sd:.2f}'


def summary_t_interval(cell: SummaryCell, level: float = 0.95) -> Interval:
    """The interval that :func:`~sdp_plugin.statistics.intervals.t_interval` gives for the runs behind a cell.

    Raises:
        UserError: For fewer than two runs.
    """
    check_level(level)
    _check(cell)
    half = t_quantile((1 + level) / 2, cell.n - 1) * cell.sd / math.sqrt(cell.n)
    return Interval(cell.mean - half, cell.mean + half, level, f'Student t from mean and sd of {cell.n} runs')


def smallest_equivalence_margin(first: SummaryCell, second: SummaryCell, level: float = 0.95) -> float:
    """The margin from which on an *unpaired* test would call two cells equivalent: |difference| + t · error.

    Two one-sided t tests with a pooled variance, which is all that published summaries allow. The runs' pairs, where
    they are known, allow much smaller margins.

    Args:
        first (SummaryCell): One.
        second (SummaryCell): The other.
        level (float): 1 - the error rate of the test. Defaults to 0.95.

    Raises:
        UserError: For fewer than two runs.
    """
    check_level(level)
    _check(first)
    _check(second)
    df = first.n + second.n - 2
    pooled = ((first.n - 1) * first.sd**2 + (second.n - 1) * second.sd**2) / df
    error = math.sqrt(pooled * (1 / first.n + 1 / second.n))
    return abs(first.mean - second.mean) + t_quantile(level, df) * error


def _check(cell: SummaryCell) -> None:
    if cell.n < 2:
        raise UserError('A single run has no standard deviation.', found=cell)
