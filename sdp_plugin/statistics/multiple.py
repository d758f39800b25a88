"""Several tests at once."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's (1979) step-down adjustment: each p value such that the family of tests errs with at most that rate.

    The same as ``statsmodels.stats.multitest.multipletests(..., method='holm')``, whose import alone takes seconds.

    Args:
        p_values (Sequence[float | None]): None for what could not be tested, which does not count as a test.

    Returns:
        list[float | None]: In the same order; None stays None.
    """
    tested = np.array([index for index, p in enumerate(p_values) if p is not None], dtype=int)
    values = np.array([p_values[index] for index in tested], dtype=np.float64)
    order = np.argsort(values)
    steps = np.arange(len(values), 0, -1)
    adjusted: list[float | None] = [None] * len(p_values)
    for index, p in zip(tested[order], np.maximum.accumulate(values[order] * steps), strict=True):
        adjusted[index] = min(1.0, float(p))
    return adjusted
