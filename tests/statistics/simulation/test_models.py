from __future__ import annotations

import numpy as np
import pytest

from sdp_plugin.statistics.simulation.models import (
    correlated_folds,
    cross_validated_accuracies,
    crossed_runs,
    independent_runs,
    paired_runs,
    skewed_runs,
)


@pytest.fixture
def generator() -> np.random.Generator:
    return np.random.default_rng(0)


@pytest.mark.parametrize('draw', [independent_runs, skewed_runs])
def test_runs_have_the_mean_and_deviation_asked_for(draw, generator):
    values = draw(generator, 20_000, 5, mean=70.0, sd=3.0)
    assert values.shape == (20_000, 5)
    assert (values.mean(), values.std()) == (pytest.approx(70, abs=0.05), pytest.approx(3, rel=0.03))
    assert np.corrcoef(values.T)[0, 1] == pytest.approx(0, abs=0.03)


def test_the_tail_is_low(generator):
    values = skewed_runs(generator, 1000, 10, mean=80, sd=2)
    assert values.max() <= 82
    assert values.min() < 72


@pytest.mark.parametrize('correlation', [0.0, 0.1, 0.5])
def test_folds_are_correlated_as_asked(correlation, generator):
    values = correlated_folds(generator, 20_000, 4, correlation, mean=80, sd=2)
    assert np.corrcoef(values.T)[np.triu_indices(4, 1)] == pytest.approx(np.full(6, correlation), abs=0.03)
    assert values.std() == pytest.approx(2, rel=0.02)


@pytest.mark.parametrize('correlation', [0.0, 0.5, 0.8])
def test_pairs_are_correlated_as_asked(correlation, generator):
    pairs = paired_runs(generator, 4000, difference=1.5, sds=(2.0, 3.0), correlation=correlation)
    first, second = np.stack([pair[0] for pair in pairs]), np.stack([pair[1] for pair in pairs])
    assert first.shape == (4000, 10)
    assert np.corrcoef(first.ravel(), second.ravel())[0, 1] == pytest.approx(correlation, abs=0.02)
    assert (first - second).mean() == pytest.approx(1.5, abs=0.08)
    assert (first.std(), second.std()) == (pytest.approx(2, rel=0.02), pytest.approx(3, rel=0.02))


def test_differences_of_correlated_folds_are_correlated_alike(generator):
    pairs = paired_runs(generator, 20_000, 0.0, (2.0, 2.0), 0.5, fold_correlation=0.2)
    differences = np.stack([first - second for first, second in pairs])
    assert np.corrcoef(differences.T)[0, 1] == pytest.approx(0.2, abs=0.03)


def test_cross_validation_learns_and_learns_more_from_more(generator):
    few, many = (cross_validated_accuracies(generator, 40, 1, examples) for examples in (2, 45))
    assert few.shape == (40, 10)
    # Of eight classes, chance is 12.5 %.
    assert 30 < few.mean() < many.mean() - 5 < 95


def test_cross_validation_of_classes_that_do_not_differ_is_chance(generator):
    values = cross_validated_accuracies(generator, 200, 1, 45, distance=0.0)
    # 200 data sets of 400 tiles, and a cross-validation is pessimistic by a little.
    assert values.mean() == pytest.approx(12.5, abs=0.7)


def test_repeats_are_of_one_data_set_and_the_same_folds(generator):
    values = cross_validated_accuracies(generator, 100, 2, 45)
    assert values.shape == (100, 20)
    # All of each training part is labelled in both, but for the order of sums.
    assert np.mean(values[:, :10] == values[:, 10:]) > 0.99
    fewer = cross_validated_accuracies(generator, 100, 2, 12)
    assert np.mean(fewer[:, :10] == fewer[:, 10:]) < 0.5


def test_crossed_runs_share_runs_and_images(generator):
    values = crossed_runs(generator, 200, 3000, accuracy=80, sd_of_runs=0.05)
    assert values.mean() == pytest.approx(0.8, abs=0.02)
    of_runs = values.mean(axis=1)
    # About one point between runs, and 0.7 for the 3000 images.
    assert 100 * of_runs.std() == pytest.approx(1.2, abs=0.2)
    # Far more than the 0.8 * 0.2 / 200 of images that are alike.
    assert values.mean(axis=0).var() > 0.03
