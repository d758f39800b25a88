"""Student's t distribution.

``scipy.special`` has it without the seconds that importing ``scipy.stats`` or statsmodels takes, which a report of a
few seconds cannot spare. The tests compare what is built on it with both.
"""

from __future__ import annotations

from scipy.special import stdtr, stdtrit


def t_quantile(probability: float, df: float) -> float:
    """The value below which Student's t with ``df`` degrees of freedom lies with this probability."""
    return float(stdtrit(df, probability))


def p_greater(t: float, df: float) -> float:
    """The one-sided p value: the probability of a t at least this high where nothing is to be found."""
    return float(stdtr(df, -t))


def p_two_sided(t: float, df: float) -> float:
    """The two-sided p value: the probability of a t at least this far from zero where nothing is to be found."""
    return 2 * float(stdtr(df, -abs(t)))
