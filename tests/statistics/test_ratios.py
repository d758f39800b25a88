from __future__ import annotations

import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.statistics.ratios import ratio_of_equal_folds, ratio_of_folds


def test_equal_folds():
    assert ratio_of_equal_folds(10) == pytest.approx(1 / 9)
    assert ratio_of_folds([500] * 10) == pytest.approx(1 / 9)


def test_uneven_folds_by_hand():
    # 100 / 400, 150 / 350 and 250 / 250: 0.25, 0.428571 and 1.
    assert ratio_of_folds([100, 150, 250]) == pytest.approx((0.25 + 3 / 7 + 1) / 3)


@pytest.mark.parametrize('sizes', [[], [500], [500, 0]])
def test_what_is_no_cross_validation_is_refused(sizes):
    with pytest.raises(UserError, match='at least two folds'):
        ratio_of_folds(sizes)


@pytest.mark.parametrize('num_folds', [0, 1])
def test_one_fold_is_refused(num_folds):
    with pytest.raises(UserError, match='at least two folds'):
        ratio_of_equal_folds(num_folds)
