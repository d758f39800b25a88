"""Whether probabilities mean what they say: expected calibration error, Brier score, reliability, temperature.

Of each image only the class with the highest probability counts for the calibration error and the reliability: its
probability is the *confidence*, which should be the share of such images that are classified right.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import logsumexp, ndtr, softmax

NUM_BINS = 15
TEMPERATURES = (0.02, 50.0)


@dataclass(frozen=True)
class Reliability:
    """Images in bins of equal size, by ascending confidence.

    Args:
        order (np.ndarray): (N,) the images by confidence.
        starts (np.ndarray): (B,) where in this order each bin begins.
        sizes (np.ndarray): (B,) images of each bin.
        confidence (np.ndarray): (B,) mean confidence, 0 to 1.
        accuracy (np.ndarray): (B,) share that is classified right, 0 to 1.
    """

    order: np.ndarray
    starts: np.ndarray
    sizes: np.ndarray
    confidence: np.ndarray
    accuracy: np.ndarray


def reliability(confidences: np.ndarray, correct: np.ndarray, num_bins: int = NUM_BINS) -> Reliability:
    """Put images into bins of equal mass.

    Args:
        confidences (np.ndarray): (N,) probability of the predicted class, 0 to 1.
        correct (np.ndarray): (N,) bool.
        num_bins (int): B; fewer where there are fewer images. Defaults to 15.
    """
    num_bins = min(num_bins, len(confidences))
    order = np.argsort(confidences, kind='stable')
    edges = np.linspace(0, len(order), num_bins + 1).astype(int)
    sizes = np.diff(edges)
    means = (np.add.reduceat(values[order], edges[:-1], dtype=np.float64) / sizes for values in (confidences, correct))
    return Reliability(order, edges[:-1], sizes, *means)


def calibration_error(bins: Reliability) -> float:
    """The expected calibration error, debiased: the mean distance of confidence and accuracy over the images.

    Even the accuracy of calibrated bins differs from their confidence by chance, which the plain error adds up. What
    chance adds, as if the accuracies were normally distributed round their estimates, is taken off (Kumar, Liang and Ma
    2019, section 5, for the absolute error). No estimate of an absolute value is unbiased everywhere: of bins that are
    clearly off nothing is left to mend, of calibrated ones three fifths of what chance adds stay. A single run may come
    out negative.

    Args:
        bins (Reliability): The images in bins.

    Returns:
        float: As a share, 0 for none.
    """
    distance = np.abs(bins.confidence - bins.accuracy)
    error = np.sqrt(bins.accuracy * (1 - bins.accuracy) / bins.sizes)
    z = np.divide(distance, error, out=np.full(len(error), np.inf), where=error > 0)
    # The mean of the absolute value of a normal variable.
    by_chance = error * math.sqrt(2 / math.pi) * np.exp(-(z**2) / 2) + distance * (1 - 2 * ndtr(-z))
    return float(np.average(2 * distance - by_chance, weights=bins.sizes))


def calibration_error_contributions(bins: Reliability, confidences: np.ndarray, correct: np.ndarray) -> np.ndarray:
    """What each image adds to :func:`calibration_error`, (N,) float32 with that mean.

    The bins and the sides on which they lie are taken as given, so the spread is right for bins that are clearly not
    calibrated, and too large for the others.
    """
    sides = np.repeat(np.sign(bins.confidence - bins.accuracy), bins.sizes)
    added = np.empty(len(confidences))
    added[bins.order] = sides * (confidences - correct)[bins.order]
    return (added + (calibration_error(bins) - added.mean())).astype(np.float32)


def brier_contributions(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """What each image adds to the Brier score: half the squared distance of its probabilities from its class.

    The half keeps it within 0 and 1; of two classes it is (p - y)², as it is usually given.

    Args:
        probabilities (np.ndarray): (N, C).
        labels (np.ndarray): (N,) class indices.

    Returns:
        np.ndarray: (N,) float32.
    """
    of_label = probabilities[np.arange(len(labels)), labels]
    return ((np.square(probabilities).sum(axis=1) - 2 * of_label + 1) / 2).astype(np.float32)


def fitted_temperature(log_scores: np.ndarray, labels: np.ndarray) -> float:
    """The temperature by which log probabilities are divided so that the labels are likeliest (Guo et al. 2017).

    Args:
        log_scores (np.ndarray): (N, C) of images that were neither trained nor are tested on.
        labels (np.ndarray): (N,) their class indices.

    Returns:
        float: 1 changes nothing, more makes less confident; between 0.02 and 50.
    """
    from scipy.optimize import brentq  # a fifth of a second, which reports without probes need not wait for

    log_scores = np.asarray(log_scores, dtype=np.float64)
    of_label = log_scores[np.arange(len(labels)), labels].mean()
    low, high = np.log(TEMPERATURES)

    def slope(log_temperature: float) -> float:
        """The derivative of the loss by the inverse temperature, which falls as the temperature rises."""
        expected = (softmax(log_scores / math.exp(log_temperature), axis=1) * log_scores).sum(axis=1).mean()
        return expected - of_label

    if not slope(low) > 0:
        return math.exp(low)
    if slope(high) > 0:
        return math.exp(high)
    return math.exp(brentq(slope, low, high, xtol=1e-9))


def at_temperature(log_scores: np.ndarray, temperature: float) -> np.ndarray:
    """The log probabilities at a temperature, (N, C) float32."""
    scaled = np.asarray(log_scores, dtype=np.float32) / np.float32(temperature)
    return scaled - logsumexp(scaled, axis=1, keepdims=True)
