from __future__ import annotations

import warnings

import numpy as np
import pytest
from sklearn import metrics

from sdp_plugin.statistics.confusion import confusion_matrix, mean_row_percentages, row_percentages


@pytest.fixture(autouse=True)
def _no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter('error')
        yield


@pytest.mark.parametrize('dtype', [np.uint8, np.uint16, np.int64])
def test_agrees_with_scikit_learn(dtype):
    labels, predictions = np.random.default_rng(0).integers(20, size=(2, 3000)).astype(dtype)
    matrix = confusion_matrix(labels, predictions, 20)
    assert (matrix == metrics.confusion_matrix(labels, predictions)).all()
    recalls = np.diagonal(row_percentages(matrix))
    assert recalls.mean() == pytest.approx(100 * metrics.balanced_accuracy_score(labels, predictions))


def test_a_class_that_does_not_occur():
    matrix = confusion_matrix(np.array([0, 0, 0, 2]), np.array([0, 0, 1, 1]), 3)
    assert matrix.tolist() == [[2, 1, 0], [0, 0, 0], [0, 1, 0]]
    recalls = np.diagonal(row_percentages(matrix))
    assert recalls[[0, 2]] == pytest.approx([200 / 3, 0])
    assert np.isnan(recalls[1])


def test_rows_in_per_cent():
    assert row_percentages(np.array([[3, 1], [0, 5]])).tolist() == [[75, 25], [0, 100]]


def test_the_mean_over_runs_is_of_rows_not_of_counts():
    runs = [np.array([[1, 1], [0, 2]]), np.array([[0, 100], [0, 0]])]
    # Class 0: the mean of 50 and 0; class 1 was tested by the first run only.
    assert mean_row_percentages(runs).tolist() == [[25, 75], [0, 100]]
    assert np.isnan(mean_row_percentages(runs[1:])[1]).all()
