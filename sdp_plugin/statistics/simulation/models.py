"""Experiments whose truth is known: how the runs of a simulation come about."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np

RUNS = 10
ACCURACY, SD = 80.0, 2.0


def independent_runs(
    generator: np.random.Generator, repetitions: int, runs: int, mean: float = ACCURACY, sd: float = SD
) -> np.ndarray:
    """Normally distributed and independent of each other, as are runs that draw from a pool far larger than a run."""
    return generator.normal(mean, sd, (repetitions, runs))


def skewed_runs(
    generator: np.random.Generator, repetitions: int, runs: int, mean: float = ACCURACY, sd: float = SD
) -> np.ndarray:
    """Independent, with an exponential tail towards low accuracies: some runs train badly."""
    return mean + sd * (1 - generator.standard_exponential((repetitions, runs)))


def correlated_folds(
    generator: np.random.Generator,
    repetitions: int,
    folds: int,
    correlation: float,
    mean: float = ACCURACY,
    sd: float = SD,
) -> np.ndarray:
    """Normally distributed, each two folds with the same correlation, which a share in common gives them."""
    common = generator.standard_normal((repetitions, 1))
    own = generator.standard_normal((repetitions, folds))
    return mean + sd * (math.sqrt(correlation) * common + math.sqrt(1 - correlation) * own)


def cross_validated_accuracies(
    generator: np.random.Generator,
    data_sets: int,
    repeats: int,
    examples_per_class: int,
    folds: int = RUNS,
    classes: int = 8,
    per_class: int = 50,
    features: int = 10,
    distance: float = 2.2,
) -> np.ndarray:
    """A real cross-validation of a small learner: nearest class mean among Gaussian classes, new data for each row.

    As in a grid, all repeats have the same folds, and the labelled examples are drawn anew from the training part of
    each.

    Args:
        generator (np.random.Generator): Draws everything.
        data_sets (int): D, repetitions.
        repeats (int): Cross-validations of one data set, with other examples labelled.
        examples_per_class (int): Labelled examples drawn for each fold; at most the training part's.
        folds (int): Equal in size and in classes. Defaults to 10.
        classes (int): Defaults to 8.
        per_class (int): Examples of each class in a data set. Defaults to 50.
        features (int): Defaults to 10, at least ``classes``.
        distance (float): Of the class means from the origin, in standard deviations of a class. Defaults to 2.2.

    Returns:
        np.ndarray: (D, repeats * folds) accuracies in per cent.
    """
    data = generator.standard_normal((data_sets, classes, per_class, features), dtype=np.float32)
    data[:, np.arange(classes), :, np.arange(classes)] += distance
    size = per_class // folds
    values = []
    order = generator.random((data_sets, classes, per_class)).argsort(axis=2)
    for _ in range(repeats):
        for fold in range(folds):
            test = order[:, :, fold * size : (fold + 1) * size]
            train = np.delete(order, np.s_[fold * size : (fold + 1) * size], axis=2)
            drawn = generator.permuted(train, axis=2)[:, :, :examples_per_class]
            values.append(_nearest_mean_accuracy(_take(data, drawn), _take(data, test)))
    return 100 * np.stack(values, axis=1)


def crossed_runs(
    generator: np.random.Generator,
    runs: int,
    images: int,
    accuracy: float = ACCURACY,
    sd_of_runs: float = 0.05,
    sd_of_images: float = 1.0,
) -> np.ndarray:
    """Which images each run gets right, (runs, images) bool: some runs are better, and some images are easier for all.

    A probit model with crossed random effects: right if run + image + noise > threshold, with noise of variance 1.

    Args:
        generator (np.random.Generator): Draws everything.
        runs (int): Of one cell.
        images (int): Of the test set, which is drawn anew as well.
        accuracy (float): Expected over all runs and images, in per cent.
        sd_of_runs (float): 0.05 makes accuracies deviate by about one point. Defaults to 0.05.
        sd_of_images (float): 1 makes half of the variance within a run common to all runs. Defaults to 1.
    """
    threshold = -NormalDist(0, math.sqrt(1 + sd_of_runs**2 + sd_of_images**2)).inv_cdf(accuracy / 100)
    latent = generator.standard_normal((runs, images), dtype=np.float32)
    latent += sd_of_images * generator.standard_normal(images, dtype=np.float32)
    return latent + sd_of_runs * generator.standard_normal((runs, 1), dtype=np.float32) > threshold


def paired_runs(
    generator: np.random.Generator,
    repetitions: int,
    difference: float,
    sds: tuple[float, float],
    correlation: float,
    fold_correlation: float = 0.0,
) -> list[tuple[np.ndarray, np.ndarray]]:
    """Ten pairs of runs of two methods, (10,) each, whose true mean difference is known.

    Args:
        generator (np.random.Generator): Draws everything.
        repetitions (int): How many such experiments.
        difference (float): Expected of first - second, in points.
        sds (tuple[float, float]): Standard deviations of both methods' runs.
        correlation (float): Of the two runs of a pair, from what they share: fold, subset and seed.
        fold_correlation (float): Of two runs of one method, see :func:`correlated_folds`. Defaults to 0.
    """
    shared, *own = (correlated_folds(generator, repetitions, RUNS, fold_correlation, 0, 1) for _ in range(3))
    first, second = (
        sd * (math.sqrt(correlation) * shared + math.sqrt(1 - correlation) * one)
        for sd, one in zip(sds, own, strict=True)
    )
    return list(zip(first + difference, second, strict=True))


def _take(data: np.ndarray, index: np.ndarray) -> np.ndarray:
    return np.take_along_axis(data, index[..., None], axis=2)


def _nearest_mean_accuracy(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """(D, C, examples, F) twice to the accuracy in each data set, (D,)."""
    means = train.mean(axis=2)
    closeness = np.einsum('dcef,dkf->dcek', test, means) - (means**2).sum(axis=2)[:, None, None, :] / 2
    return (closeness.argmax(axis=3) == np.arange(test.shape[1])[:, None]).mean(axis=(1, 2))
