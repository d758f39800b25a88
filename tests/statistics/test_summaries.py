from __future__ import annotations

import numpy as np
import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.statistics.intervals import t_interval
from sdp_plugin.statistics.summaries import SummaryCell, smallest_equivalence_margin, summary_t_interval


def runs_of(cell: SummaryCell) -> np.ndarray:
    """Values with exactly that mean and standard deviation."""
    values = np.random.default_rng(cell.n).normal(size=cell.n)
    return cell.mean + cell.sd * (values - values.mean()) / values.std(ddof=1)


def test_interval_is_that_of_the_runs():
    cell = SummaryCell(67.4, 3.71, 10)
    expected = t_interval(runs_of(cell))
    found = summary_t_interval(cell)
    assert (found.low, found.high) == pytest.approx((expected.low, expected.high))


def test_margin_by_hand():
    # Error √((3² + 4²) / 10) = 1.581139; the 95 % quantile of t with 18 degrees of freedom is 1.734064; 1 + 2.741796.
    margin = smallest_equivalence_margin(SummaryCell(70, 3, 10), SummaryCell(71, 4, 10))
    assert margin == pytest.approx(3.741796, abs=1e-5)


@pytest.mark.parametrize(
    'cells', [(SummaryCell(70, 3, 10), SummaryCell(71, 4, 10)), (SummaryCell(9, 1, 4), SummaryCell(8, 2, 7))]
)
def test_at_the_margin_statsmodels_is_just_at_five_per_cent(cells):
    weightstats = pytest.importorskip('statsmodels.stats.weightstats')
    margin = smallest_equivalence_margin(*cells)
    p = weightstats.ttost_ind(*map(runs_of, cells), -margin, margin, usevar='pooled')[0]
    assert p == pytest.approx(0.05, rel=1e-6)


@pytest.mark.parametrize('measure', [summary_t_interval, lambda cell: smallest_equivalence_margin(cell, cell)])
def test_a_single_run_is_refused(measure):
    with pytest.raises(UserError, match='no standard deviation'):
        measure(SummaryCell(70, 0, 1))


def test_is_printed_as_in_papers():
    assert str(SummaryCell(67.4, 3.71, 10)) == '67.40 ± 3.71'
