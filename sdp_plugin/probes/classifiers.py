"""Classifiers of frozen features: what a few labelled examples make of them, without training the network.

Features are centred by the mean of the labelled examples. Nothing is chosen by looking at test images.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np

STRENGTHS = (0.01, 0.1, 1.0, 10.0, 100.0, 1000.0)
"""Inverse strengths of the regularisation (scikit-learn's ``C``) to try, for features of mean squared norm 1."""

USUAL_STRENGTH = 1.0
"""For one example a class, of which no part can be held out."""

PARTS = 5
"""Into how many parts the examples of each class are dealt, where there are as many."""

NEIGHBOURS, TEMPERATURE = 20, 0.07

LEAST = float(np.finfo(np.float32).tiny)
"""The least probability, as in :class:`sdp_plugin.evaluation.ImageScores`."""


@dataclass(frozen=True)
class Probed:
    """What a classifier makes of test images.

    Args:
        log_scores (np.ndarray): float64, shape (N, classes), logarithms of the class probabilities.
        chosen (Mapping[str, float]): What was chosen by the training examples, by name.
        held_out (np.ndarray | None): float64, shape (n, classes): the log scores of the labelled examples, each from a
            classifier that was fitted without it; None where nothing was held out.
    """

    log_scores: np.ndarray
    chosen: Mapping[str, float] = field(default_factory=dict)
    held_out: np.ndarray | None = None


def classify(
    classifier: str, train: np.ndarray, labels: np.ndarray, test: np.ndarray, num_classes: int, seed: int = 0
) -> Probed:
    """Fit a classifier to labelled features and apply it.

    Args:
        classifier (str): One of :data:`CLASSIFIERS`.
        train (np.ndarray): Features of the labelled examples, float, shape (n, D).
        labels (np.ndarray): Their class indices, int, shape (n,).
        test (np.ndarray): Features of the images to classify, float, shape (N, D).
        num_classes (int): Number of classes. One without any example gets the least score.
        seed (int): Deals the examples to the parts of which each is predicted without it. Defaults to 0.

    Returns:
        Probed: The scores.
    """
    present, encoded = np.unique(labels, return_inverse=True)
    log_scores = np.full((len(test), num_classes), np.log(LEAST))
    if len(present) == 1:
        log_scores[:, present[0]] = 0
        return Probed(log_scores)
    train, test = train.astype(np.float64), test.astype(np.float64)
    mean = train.mean(axis=0)
    probed = CLASSIFIERS[classifier](train - mean, encoded, test - mean, seed)
    log_scores[:, present] = np.maximum(probed.log_scores, np.log(LEAST))
    held_out = None
    if probed.held_out is not None:
        held_out = np.full((len(train), num_classes), np.log(LEAST))
        held_out[:, present] = np.maximum(probed.held_out, np.log(LEAST))
    return Probed(log_scores, probed.chosen, held_out)


def logistic_regression(train: np.ndarray, labels: np.ndarray, test: np.ndarray, seed: int) -> Probed:
    """Multinomial logistic regression by L-BFGS, with an L2 penalty and an intercept, as scikit-learn defines it.

    Features are divided by the root of the examples' mean squared norm. ``C`` is the one of :data:`STRENGTHS`, from the
    smallest on, after which the mean log loss over up to five stratified parts of the examples, each predicted from the
    others, falls no further. Of one example a class nothing can be held out, and ``C`` is 1.
    """
    scale = np.sqrt((train**2).sum(axis=1).mean()) or 1.0
    axes, along = _principal_axes(train / scale)
    if np.bincount(labels).min() < 2:
        fits = _Fits(along, labels, np.ones((1, len(labels)), bool))
        fits.fit(USUAL_STRENGTH)
        strength, held_out, weights = USUAL_STRENGTH, None, fits.weights_of_all()
    else:
        strength, held_out, weights = _best_of_strengths(along, labels, parts_of(labels, seed))
    logits = test @ (axes @ weights[:-1] / scale) + weights[-1]
    return Probed(_log_softmax(_of_all_classes(logits.T)).T, {'C': strength}, held_out)


def simple_shot(train: np.ndarray, labels: np.ndarray, test: np.ndarray, seed: int) -> Probed:
    """Nearest class mean after centring and scaling to length 1 ("CL2N" of Wang et al., SimpleShot, arXiv 1911.04623).

    Scores are those of a softmax of the negative squared distances.
    """
    return Probed(_by_class_means(train, labels, test), held_out=_held_out(_by_class_means, train, labels, seed))


def _by_class_means(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    train, test = _of_length_one(train), _of_length_one(test)
    means = np.stack([train[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    return _log_softmax((2 * test @ means.T - (means**2).sum(axis=1)).T).T


def nearest_neighbours(train: np.ndarray, labels: np.ndarray, test: np.ndarray, seed: int) -> Probed:
    """The 20 nearest examples by cosine similarity vote with the weight ``exp(similarity / 0.07)``.

    As Wu et al. (CVPR 2018) and DINO (arXiv 2104.14294) have it. With fewer examples all vote.
    """
    return Probed(_by_votes(train, labels, test), held_out=_held_out(_by_votes, train, labels, seed))


def _by_votes(train: np.ndarray, labels: np.ndarray, test: np.ndarray) -> np.ndarray:
    similarity = _of_length_one(test) @ _of_length_one(train).T
    count = min(NEIGHBOURS, len(train))
    nearest = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
    logits = np.take_along_axis(similarity, nearest, axis=1) / TEMPERATURE
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    votes = np.stack([(weights * (labels[nearest] == label)).sum(axis=1) for label in range(labels.max() + 1)], axis=1)
    return np.log(np.maximum(votes / votes.sum(axis=1, keepdims=True), LEAST))


CLASSIFIERS: Mapping[str, Callable[[np.ndarray, np.ndarray, np.ndarray, int], Probed]] = MappingProxyType(
    {'logistic regression': logistic_regression, 'SimpleShot': simple_shot, 'k-NN': nearest_neighbours}
)
"""By name, what takes centred features, labels from 0 without gaps, centred test features and a seed."""


def _of_length_one(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), np.finfo(np.float64).tiny)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    """Over the first axis."""
    logits = logits - logits.max(axis=0)
    return logits - np.log(np.exp(logits).sum(axis=0))


# --- Examples that are held out ---------------------------------------------------------------------------------


def parts_of(labels: np.ndarray, seed: int) -> np.ndarray:
    """Deal the examples of each class to parts.

    Returns:
        np.ndarray: int64, shape (n,), the part of each example, 0 to at most :data:`PARTS` - 1.
    """
    count = min(PARTS, int(np.bincount(labels).min()))
    # Dealt through all classes, as folds are.
    order = np.lexsort((np.random.default_rng(seed).permutation(len(labels)), labels))
    parts = np.empty(len(labels), dtype=np.int64)
    parts[order] = np.arange(len(labels)) % max(count, 1)
    return parts


def _held_out(
    scores_of: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray],
    train: np.ndarray,
    labels: np.ndarray,
    seed: int,
) -> np.ndarray | None:
    """The log scores of each example by those of the other parts, shape (n, classes); None of one example a class."""
    if np.bincount(labels).min() < 2:
        return None
    parts = parts_of(labels, seed)
    scores = np.empty((len(labels), labels.max() + 1))
    for part in range(parts.max() + 1):
        others = parts != part
        mean = train[others].mean(axis=0)
        scores[~others] = scores_of(train[others] - mean, labels[others], train[~others] - mean)
    return scores


# --- Logistic regression ---------------------------------------------------------------------------------------------


def _best_of_strengths(
    examples: np.ndarray, labels: np.ndarray, parts: np.ndarray
) -> tuple[float, np.ndarray, np.ndarray]:
    """``C``, the log scores of the examples at it, each from the parts without it, and the weights of all examples."""
    members = parts == np.arange(parts.max() + 1)[:, None]
    fits = _Fits(examples, labels, np.concatenate([np.ones_like(members[:1]), ~members]))
    least = np.inf
    for strength in STRENGTHS:
        scores = fits.fit(strength)[:, 1 + parts, np.arange(len(labels))].T
        of_labels = -scores[np.arange(len(labels)), labels]
        loss = np.mean([of_labels[part].mean() for part in members])
        if loss >= least:
            # Weaker regularisation takes longest and over-fits more still.
            break
        best, least = (strength, scores, fits.weights_of_all()), loss
    return best


def _principal_axes(examples: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Orthonormal axes that span the examples, shape (D, rank), and the examples along them, shape (n, rank).

    Weights are combinations of the examples, so along these axes the problem is the same. The examples are not
    correlated along them, which is what makes its curvature known.
    """
    few = len(examples) < examples.shape[1]
    squares, vectors = np.linalg.eigh(examples @ examples.T if few else examples.T @ examples)
    kept = squares > 1e-12 * squares[-1]
    vectors, lengths = vectors[:, kept], np.sqrt(squares[kept])
    if few:
        return examples.T @ (vectors / lengths), vectors * lengths
    return vectors, examples @ vectors


def _of_all_classes(logits: np.ndarray) -> np.ndarray:
    """With those of the first of two classes, which are 0: two share one vector of weights, as in scikit-learn."""
    return logits if len(logits) > 1 else np.concatenate([np.zeros_like(logits), logits])


class _Fits:
    """Fits to several parts of the same examples, as one minimisation: a pass over the examples serves all fits.

    The parameters are scaled so that the curvature of the loss is near 1 in every direction, which L-BFGS takes a few
    steps for. Each strength begins where the one before ended.

    Args:
        examples (np.ndarray): float64, shape (n, D), along principal axes.
        labels (np.ndarray): int, shape (n,), from 0 without gaps.
        used (np.ndarray): bool, shape (fits, n): which examples each fit is of.
    """

    def __init__(self, examples: np.ndarray, labels: np.ndarray, used: np.ndarray) -> None:
        self.examples = examples
        self.shares = used / used.sum(axis=1, keepdims=True)
        classes = np.arange(labels.max() + 1)
        self.targets = (labels == classes[:, None])[:, None] * self.shares
        self.sizes = used.sum(axis=1)
        self.variances = (examples**2).mean(axis=0)
        columns = 1 if len(classes) == 2 else len(classes)
        self.parameters = np.zeros((columns, len(used), examples.shape[1] + 1))
        self.penalties = np.zeros((len(used), 1))

    def weights_of_all(self) -> np.ndarray:
        """Those of the first fit, shape (D + 1, columns), the intercepts last; one column for two classes."""
        return self.parameters[:, 0].T.copy()

    def fit(self, strength: float) -> np.ndarray:
        """Fit all.

        Args:
            strength (float): ``C``.

        Returns:
            np.ndarray: Log probabilities of all examples by each fit, shape (classes, fits, n).
        """
        from scipy.optimize import minimize

        self.penalties = 1.0 / (strength * self.sizes)[:, None]
        probabilities = np.exp(self._log_probabilities(self.parameters))[-len(self.parameters) :]
        spread = (probabilities * (1 - probabilities) * self.shares).sum(axis=-1, keepdims=True)
        curvature = np.concatenate([self.variances * spread + self.penalties, spread], axis=-1)
        scales = 1.0 / np.sqrt(np.maximum(curvature, LEAST))

        def objective(scaled: np.ndarray) -> tuple[float, np.ndarray]:
            loss, gradient = self._loss_and_gradient(scaled.reshape(scales.shape) * scales)
            return loss, (gradient * scales).ravel()

        options = {'gtol': 1e-5, 'ftol': 1e-11, 'maxiter': 2000}
        found = minimize(objective, (self.parameters / scales).ravel(), method='L-BFGS-B', jac=True, options=options)
        self.parameters = found.x.reshape(scales.shape) * scales
        return self._log_probabilities(self.parameters)

    def _log_probabilities(self, parameters: np.ndarray) -> np.ndarray:
        # One matrix product for all fits and classes: their own ones would read the examples again and again.
        logits = parameters.reshape(-1, parameters.shape[-1])[:, :-1] @ self.examples.T
        return _log_softmax(_of_all_classes(logits.reshape(*parameters.shape[:2], -1) + parameters[..., -1:]))

    def _loss_and_gradient(self, parameters: np.ndarray) -> tuple[float, np.ndarray]:
        """The sum over the fits of the mean log loss with half the penalty times the squared weights."""
        log_probabilities = self._log_probabilities(parameters)
        pull = self.penalties * parameters[..., :-1]
        loss = 0.5 * np.vdot(pull, parameters[..., :-1]) - np.vdot(self.targets, log_probabilities)
        error = (np.exp(log_probabilities) * self.shares - self.targets)[-len(parameters) :]
        along = (error.reshape(-1, error.shape[-1]) @ self.examples).reshape(pull.shape)
        return float(loss), np.concatenate([along + pull, error.sum(axis=-1, keepdims=True)], axis=-1)
