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
"""Into how many parts the examples of each class are dealt to choose ``C``, where there are as many."""

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
        seed (int): Deals the examples to the parts by which ``C`` is chosen. Defaults to 0.

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
    """Multinomial logistic regression by scikit-learn's L-BFGS, with an L2 penalty and an intercept.

    Features are divided by the root of the examples' mean squared norm. ``C`` is the one of :data:`STRENGTHS`, from the
    smallest on, after which the mean log loss over up to five stratified parts of the examples, each predicted from the
    others, falls no further. Of one example a class nothing can be held out, and ``C`` is 1.
    """
    from sklearn.linear_model import LogisticRegression

    scale = np.sqrt((train**2).sum(axis=1).mean()) or 1.0
    train, test = train / scale, test / scale
    if len(train) < train.shape[1]:
        # The weights are combinations of the examples, so in coordinates of these the problem is the same.
        basis, _ = np.linalg.qr(train.T)
        train, test = train @ basis, test @ basis
    strength, held_out = _chosen_strength(train, labels, seed)
    fitted = LogisticRegression(C=strength, max_iter=2000, tol=1e-6).fit(train, labels)
    return Probed(fitted.predict_log_proba(test), {'C': strength}, held_out)


def simple_shot(train: np.ndarray, labels: np.ndarray, test: np.ndarray, seed: int) -> Probed:
    """Nearest class mean after centring and scaling to length 1 ("CL2N" of Wang et al., SimpleShot, arXiv 1911.04623).

    Scores are those of a softmax of the negative squared distances.
    """
    train, test = _of_length_one(train), _of_length_one(test)
    means = np.stack([train[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    return Probed(_log_softmax(2 * test @ means.T - (means**2).sum(axis=1)))


def nearest_neighbours(train: np.ndarray, labels: np.ndarray, test: np.ndarray, seed: int) -> Probed:
    """The 20 nearest examples by cosine similarity vote with the weight ``exp(similarity / 0.07)``.

    As Wu et al. (CVPR 2018) and DINO (arXiv 2104.14294) have it. With fewer examples all vote.
    """
    similarity = _of_length_one(test) @ _of_length_one(train).T
    count = min(NEIGHBOURS, len(train))
    nearest = np.argpartition(-similarity, count - 1, axis=1)[:, :count]
    logits = np.take_along_axis(similarity, nearest, axis=1) / TEMPERATURE
    weights = np.exp(logits - logits.max(axis=1, keepdims=True))
    votes = np.stack([(weights * (labels[nearest] == label)).sum(axis=1) for label in range(labels.max() + 1)], axis=1)
    return Probed(np.log(np.maximum(votes / votes.sum(axis=1, keepdims=True), LEAST)))


CLASSIFIERS: Mapping[str, Callable[[np.ndarray, np.ndarray, np.ndarray, int], Probed]] = MappingProxyType(
    {'logistic regression': logistic_regression, 'SimpleShot': simple_shot, 'k-NN': nearest_neighbours}
)
"""By name, what takes centred features, labels from 0 without gaps, centred test features and a seed."""


def _of_length_one(features: np.ndarray) -> np.ndarray:
    return features / np.maximum(np.linalg.norm(features, axis=1, keepdims=True), np.finfo(np.float64).tiny)


def _log_softmax(logits: np.ndarray) -> np.ndarray:
    logits = logits - logits.max(axis=1, keepdims=True)
    return logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))


# --- The choice of C ---------------------------------------------------------------------------------------------


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


def _chosen_strength(train: np.ndarray, labels: np.ndarray, seed: int) -> tuple[float, np.ndarray | None]:
    """``C``, and the log scores of the examples at it, each from the parts without it."""
    if np.bincount(labels).min() < 2:
        return USUAL_STRENGTH, None
    parts = parts_of(labels, seed)
    fits = [_HeldOut(train, labels, parts == part) for part in range(parts.max() + 1)]
    best, least, kept = USUAL_STRENGTH, np.inf, None
    for strength in STRENGTHS:
        scores, losses = np.empty((len(labels), labels.max() + 1)), []
        for fit in fits:
            scores[fit.held_out] = fit.log_scores(strength)
            losses.append(-scores[fit.held_out, labels[fit.held_out]].mean())
        if np.mean(losses) >= least:
            # Weaker regularisation takes longest and over-fits more still.
            break
        best, least, kept = strength, np.mean(losses), scores
    return best, kept


class _HeldOut:
    """Fits to all examples but some, each from the one before, and what they make of those.

    It goes round what scikit-learn checks and copies at every fit: of a hundred examples that takes as long as fitting.
    """

    def __init__(self, train: np.ndarray, labels: np.ndarray, held_out: np.ndarray) -> None:
        self.held_out = held_out
        self.train, self.others = train[~held_out], train[held_out]
        self.targets = np.eye(labels.max() + 1)[labels[~held_out]]
        # Two classes share one vector of weights, as in scikit-learn.
        columns = 1 if self.targets.shape[1] == 2 else self.targets.shape[1]
        self.parameters = np.zeros((train.shape[1] + 1) * columns)

    def log_scores(self, strength: float) -> np.ndarray:
        """Of the examples held out, shape (n, classes)."""
        from scipy.optimize import minimize

        found = minimize(
            _objective,
            self.parameters,
            (self.train, self.targets, 1.0 / (strength * len(self.train))),
            method='L-BFGS-B',
            jac=True,
            options={'gtol': 1e-5, 'maxiter': 2000},
        )
        self.parameters = found.x
        return _log_probabilities(found.x, self.others)[0]


def _log_probabilities(parameters: np.ndarray, features: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Log probabilities, shape (n, classes), and the weights without intercepts, shape (D, columns)."""
    matrix = parameters.reshape(features.shape[1] + 1, -1)
    logits = features @ matrix[:-1] + matrix[-1]
    if logits.shape[1] == 1:
        logits = np.concatenate([np.zeros_like(logits), logits], axis=1)
    return _log_softmax(logits), matrix[:-1]


def _objective(
    parameters: np.ndarray, features: np.ndarray, targets: np.ndarray, scale: float
) -> tuple[float, np.ndarray]:
    """Mean log loss with ``scale / 2`` times the squared weights, and its gradient."""
    log_probabilities, weights = _log_probabilities(parameters, features)
    loss = -(log_probabilities * targets).sum() / len(features) + scale / 2 * (weights**2).sum()
    error = (
        (np.exp(log_probabilities) - targets)[:, -1:] if weights.shape[1] == 1 else np.exp(log_probabilities) - targets
    )
    error = error / len(features)
    gradient = np.concatenate([features.T @ error + scale * weights, error.sum(axis=0, keepdims=True)])
    return float(loss), gradient.ravel()
