from __future__ import annotations

import math

import numpy as np
import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.statistics.intervals import NO_SPREAD, t_interval
from sdp_plugin.statistics.runs_by_images import (
    ONE_RUN,
    draw_image_weights,
    runs_by_images_interval,
    runs_by_images_intervals,
)
from sdp_plugin.statistics.simulation.models import crossed_runs
from sdp_plugin.statistics.student import t_quantile


def correct(runs=10, images=1000, seed=0, **options) -> np.ndarray:
    return crossed_runs(np.random.default_rng(seed), runs, images, **options)


def analytic_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """From the mean squares of a two-way table without replicates, as textbooks of variance components have them."""
    runs, images = values.shape
    values = 100.0 * values
    of_runs, of_images, mean = values.mean(axis=1), values.mean(axis=0), values.mean()
    ms_runs = images * ((of_runs - mean) ** 2).sum() / (runs - 1)
    ms_images = runs * ((of_images - mean) ** 2).sum() / (images - 1)
    residual = values - of_runs[:, None] - of_images + mean
    ms_residual = (residual**2).sum() / (runs - 1) / (images - 1)
    of_runs, of_images = ms_runs / (runs * images), max(ms_images - ms_residual, 0) / (runs * images)
    quantiles = (t_quantile((1 + level) / 2, count - 1) for count in (runs, images))
    half = math.sqrt(sum(quantile**2 * part for quantile, part in zip(quantiles, (of_runs, of_images), strict=True)))
    return mean - half, mean + half


@pytest.mark.parametrize(('runs', 'images'), [(3, 1000), (10, 300), (10, 4000)])
def test_agrees_with_variance_components(runs, images):
    values = correct(runs, images)
    low, high = analytic_interval(values)
    interval = runs_by_images_interval(values)
    assert (interval.low + interval.high) / 2 == pytest.approx(100 * values.mean())
    # 1000 resamples give the part of the images to 2 %.
    assert interval.half_width == pytest.approx((high - low) / 2, rel=0.05)


@pytest.mark.parametrize('runs', [2, 3, 5, 10])
@pytest.mark.parametrize('sd_of_runs', [0.02, 0.2])
def test_it_is_never_narrower_than_that_of_the_runs(runs, sd_of_runs):
    weights = draw_image_weights(300, num=200)
    for seed in range(40):
        values = correct(runs, 300, seed, sd_of_runs=sd_of_runs)
        alone = t_interval(100 * values.mean(axis=1)).half_width
        assert runs_by_images_interval(values, weights=weights).half_width >= alone * (1 - 1e-9)


def test_many_images_leave_the_interval_of_the_runs():
    values = correct(images=20_000, sd_of_runs=0.5)
    assert runs_by_images_interval(values).half_width == pytest.approx(
        t_interval(100 * values.mean(axis=1)).half_width, rel=0.02
    )


def test_a_single_run_has_the_binomial_interval_and_says_so():
    values = np.arange(2000)[None] < 1600
    interval = runs_by_images_interval(values)
    # √(0.8 * 0.2 / 2000) = 0.894 %, times 1.961.
    assert interval.half_width == pytest.approx(1.754, rel=0.05)
    assert interval.note == ONE_RUN


def test_runs_that_agree_on_every_image_leave_the_images():
    values = np.tile(np.arange(2000) < 1600, (10, 1))
    interval = runs_by_images_interval(values)
    assert interval.half_width == pytest.approx(1.754, rel=0.05)
    assert interval.note == ''


def test_all_right_says_that_it_says_nothing():
    interval = runs_by_images_interval(np.ones((10, 50), dtype=bool))
    assert (interval.low, interval.high, interval.note) == (100, 100, NO_SPREAD)


def test_shared_weights_and_one_product_change_nothing():
    cells = [correct(seed=seed, runs=runs) for seed, runs in enumerate([10, 3, 1])]
    weights = draw_image_weights(1000, seed=5)
    together = runs_by_images_intervals(cells, weights=weights)
    for one, cell in zip(together, cells, strict=True):
        alone = runs_by_images_interval(cell, seed=5)
        assert (alone.low, alone.high) == pytest.approx((one.low, one.high), rel=1e-6)


def test_paired_differences_are_narrower_than_what_they_are_of():
    first = correct(seed=1)
    second = first.copy()
    second[:, ::50] ^= True
    difference = runs_by_images_interval(first.astype(np.int8) - second)
    assert difference.half_width < 0.5 * runs_by_images_interval(first).half_width
    assert 100 * (first.mean() - second.mean()) in difference


def test_weights_draw_each_image_once_on_average():
    weights = draw_image_weights(500, num=2000)
    assert weights.shape == (500, 2000)
    assert (weights.sum(axis=0) == 500).all()
    assert weights.mean(axis=1) == pytest.approx(np.ones(500), abs=0.12)
    # Of a multinomial draw: the variance of a count is 1 - 1/N.
    assert weights.var() == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    'cells', [[np.ones(10)], [np.ones((2, 10)), np.ones((2, 11))], [np.ones((0, 10))], [np.ones((3, 1))]]
)
def test_cells_that_cannot_be_resampled_together_are_refused(cells):
    with pytest.raises(UserError, match='cannot be resampled'):
        runs_by_images_intervals(cells)


def test_weights_of_another_test_set_are_refused():
    with pytest.raises(UserError, match='another test set'):
        runs_by_images_interval(correct(), weights=draw_image_weights(999, num=10))


def test_no_cell():
    assert runs_by_images_intervals([]) == []
