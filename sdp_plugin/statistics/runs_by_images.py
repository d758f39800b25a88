"""Intervals for new runs *and* new test images, from what each run did with each image of one test set.

The runs of a cell share their test images. An interval over the runs alone holds for that test set; one over the images
alone holds for those runs. Runs and images are crossed random effects, and the variance of the mean has a part of each:

    variance = between runs + between images - their residual, which is in both

The part of the runs is that of Student's t, sd² / n, with their residual in it. What the images add, between images
less the residual, comes from a bootstrap over them, in which all runs of a resample, and all cells of a test set, see
the same images. Each part has its own quantile of Student's t, and the half width is the root of their squares (Howe
1974):

    half² = (t of n - 1 · error of the runs)² + (t of N - 1 · error that the images add)²

So it is never narrower than the interval over the runs alone, which Satterthwaite's degrees of freedom do not see to:
with two or three runs, whose spread may be small by chance, these covered 90 to 92 %. Resampling the few runs as well
and taking percentiles would cover too little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.statistics.intervals import NO_SPREAD, Interval, check_level, standard_error
from sdp_plugin.statistics.student import t_quantile

NUM_RESAMPLES = 1000
ONE_RUN = 'a single run: how far runs differ is not in it'


def draw_image_weights(num_images: int, num: int = NUM_RESAMPLES, seed: int = 0) -> np.ndarray:
    """How often each image is in each bootstrap resample of a test set. Draw them once for all cells of a test set.

    Args:
        num_images (int): Images of the test set.
        num (int): Resamples. 1000 give the part of the images to about 2 %. Defaults to 1000.
        seed (int): Defaults to 0.

    Returns:
        np.ndarray: (num_images, num) float32; each column sums up to ``num_images``. 131 MB for PCam's 32,768 images.
    """
    generator = np.random.default_rng(seed)
    weights = np.empty((num, num_images), dtype=np.float32)
    for resample in weights:
        resample[:] = np.bincount(generator.integers(num_images, size=num_images), minlength=num_images)
    return weights.T


def runs_by_images_interval(
    contributions: np.ndarray, level: float = 0.95, weights: np.ndarray | None = None, seed: int = 0
) -> Interval:
    """The default for independent runs with per-image scores on one test set, and for paired differences of such.

    Args:
        contributions (np.ndarray): (R, N) in any real dtype: what each of N images adds to the measure of each of R
            runs, so that its mean over the images is the run's value *as a fraction*. For the accuracy: whether the
            image is right. For others: :mod:`sdp_plugin.statistics.contributions`. For a paired difference:
            the difference of both methods' contributions (of a signed dtype), paired by run and image.
        level (float): Confidence, 0.5 to 1. Defaults to 0.95.
        weights (np.ndarray | None): What :func:`draw_image_weights` returned for N images; None draws them.
        seed (int): Of the weights, where they are drawn. Defaults to 0.

    Returns:
        Interval: In *per cent*. Of a single run, it holds for new images only and says so.

    Raises:
        UserError: The contributions have not two dimensions, or fewer than two images; the weights are of another
            number of images.
    """
    return runs_by_images_intervals([contributions], level, weights, seed)[0]


def runs_by_images_intervals(
    cells: Sequence[np.ndarray], level: float = 0.95, weights: np.ndarray | None = None, seed: int = 0
) -> list[Interval]:
    """:func:`runs_by_images_interval` of several cells with the same test images, by one matrix product.

    Args:
        cells (Sequence[np.ndarray]): (R, N) each; R may differ.
        level (float): See above, as the next two.
        weights (np.ndarray | None): See above.
        seed (int): See above.

    Returns:
        list[Interval]: One a cell, in per cent.
    """
    check_level(level)
    if not len(cells):
        return []
    num_images = _check_shapes(cells)
    weights = draw_image_weights(num_images, seed=seed) if weights is None else weights
    if len(weights) != num_images:
        raise UserError('The weights are of another test set.', looked_for=f'{num_images} images', found=len(weights))
    stacked = np.concatenate([np.asarray(cell, dtype=np.float32) for cell in cells])
    values = 100 * stacked.mean(axis=1, dtype=np.float64)
    resampled = (stacked @ weights).astype(np.float64) * (100 / num_images)
    ends = np.cumsum([len(cell) for cell in cells])[:-1]
    return [
        _interval(of_runs, of_resamples, num_images, level)
        for of_runs, of_resamples in zip(np.split(values, ends), np.split(resampled, ends), strict=True)
    ]


def _interval(values: np.ndarray, resampled: np.ndarray, num_images: int, level: float) -> Interval:
    """From the values of the R runs on the test set, shape (R,), and on its B resamples, shape (R, B)."""
    num_runs, mean = len(values), float(values.mean())
    images = float(resampled.mean(axis=0).var(ddof=1))
    runs = standard_error(values, 0.0) ** 2 if num_runs > 1 else 0.0
    probability = (1 + level) / 2
    of_images = t_quantile(probability, num_images - 1) ** 2
    of_runs = t_quantile(probability, num_runs - 1) ** 2 * runs if num_runs > 1 else 0.0
    # The interval over the images alone holds for these runs, and so is the least that holds for others.
    half = math.sqrt(max(of_runs + of_images * max(images - _residual(values, resampled), 0.0), of_images * images))
    method = f'bootstrap over {num_runs} runs by {num_images:,} test images, Student t'
    notes = [ONE_RUN] * (num_runs == 1) + [NO_SPREAD] * (not half)
    return Interval(mean - half, mean + half, level, method, '; '.join(notes))


def _residual(values: np.ndarray, resampled: np.ndarray) -> float:
    """The part of the variance of the mean that runs and images have in common: how runs err on different images."""
    if len(values) == 1:
        return 0.0
    shifts = resampled - values[:, None]
    interaction = (shifts - shifts.mean(axis=0)).var(axis=1, ddof=1).sum() / (len(values) - 1)
    return float(interaction) / len(values)


def _check_shapes(cells: Sequence[np.ndarray]) -> int:
    shapes = [np.shape(cell) for cell in cells]
    if any(len(shape) != 2 or shape[0] < 1 or shape[1] < 2 for shape in shapes) or len({s[1] for s in shapes}) > 1:
        raise UserError(
            'The runs of these cells cannot be resampled together.',
            looked_for='runs by images, with the same images in each cell',
            found=shapes,
        )
    return shapes[0][1]
