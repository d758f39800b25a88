"""The ratio of test to training part in a cross-validation, which the corrected variance needs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdp_plugin.errors import UserError


def ratio_of_equal_folds(num_folds: int) -> float:
    """1 / (folds - 1), for example 1/9 for ten.

    Raises:
        UserError: For fewer than two folds.
    """
    if num_folds < 2:
        raise UserError('A cross-validation has at least two folds.', found=num_folds)
    return 1 / (num_folds - 1)


def ratio_of_folds(fold_sizes: Sequence[int]) -> float:
    """The mean over the folds of test part / training part, for folds of uneven sizes.

    The training part of a fold is *all other folds*, however few examples are drawn from it to be labelled: with the
    drawn subset in its place, 500 tiles tested to 96 labelled would inflate the variance 53-fold.

    Args:
        fold_sizes (Sequence[int]): Examples in the test part of each fold of one whole cross-validation.

    Raises:
        UserError: For fewer than two folds, or an empty one.
    """
    sizes = np.asarray(fold_sizes, dtype=np.float64)
    if len(sizes) < 2 or sizes.min() <= 0:
        raise UserError('A cross-validation has at least two folds, none of them empty.', found=list(fold_sizes))
    return float(np.mean(sizes / (sizes.sum() - sizes)))
