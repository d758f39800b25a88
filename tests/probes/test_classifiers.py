"""Probes agree with scikit-learn called directly, and with a few lines that are written in another way."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression, LogisticRegressionCV
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.neighbors import NearestCentroid

from sdp_plugin.probes.classifiers import CLASSIFIERS, STRENGTHS, classify, parts_of
from sdp_plugin.statistics.calibration import fitted_temperature

DIMENSIONS = 24


@pytest.fixture
def make():
    """``make(examples a class, classes)``: training features and labels, test features and labels."""

    def draw(count: int, classes: int = 2, seed: int = 0, dimensions: int = DIMENSIONS):
        random = np.random.default_rng(seed)
        means = random.normal(size=(classes, dimensions))

        def of(number):
            labels = np.tile(np.arange(classes), number)
            noise = random.normal(scale=2.0, size=(len(labels), dimensions))
            return (5 + means[labels] + noise).astype(np.float32), labels

        return (*of(count), *of(40))

    return draw


def scaled(train, test):
    mean = train.mean(axis=0, dtype=np.float64)
    scale = np.sqrt(((train - mean) ** 2).sum(axis=1).mean())
    return (train - mean) / scale, (test - mean) / scale


@pytest.mark.parametrize('count', [2, 7, 60])
@pytest.mark.parametrize('classes', [2, 5])
def test_logistic_regression_is_scikit_learns(make, count, classes):
    train, labels, test, _ = make(count, classes)
    probed = classify('logistic regression', train, labels, test, classes, seed=3)
    features, others = scaled(train, test)
    direct = LogisticRegression(C=probed.chosen['C'], max_iter=5000, tol=1e-8).fit(features, labels)
    np.testing.assert_allclose(np.exp(probed.log_scores), direct.predict_proba(others), atol=2e-3)


@pytest.mark.parametrize('classes', [2, 4])
def test_each_example_is_predicted_without_it_for_the_temperature(make, classes):
    train, labels, test, _ = make(12, classes)
    probed = classify('logistic regression', train, labels, test, classes, seed=1)
    features, _ = scaled(train, test)
    direct = LogisticRegression(C=probed.chosen['C'], max_iter=5000, tol=1e-8)
    split = PredefinedSplit(parts_of(labels, 1))
    expected = cross_val_predict(direct, features, labels, cv=split, method='predict_proba')
    # Where the penalty is weak, the loss is flat round its minimum: single probabilities differ more than their mean.
    assert np.abs(np.exp(probed.held_out) - expected).mean() < 2e-3
    temperatures = [fitted_temperature(scores, labels) for scores in (probed.held_out, np.log(expected))]
    assert temperatures[0] == pytest.approx(temperatures[1], rel=0.02)


@pytest.mark.parametrize('classifier', ['SimpleShot', 'k-NN'])
def test_each_example_is_predicted_from_the_other_parts(make, classifier):
    train, labels, test, _ = make(6, 3)
    probed = classify(classifier, train, labels, test, 3, seed=2)
    parts = parts_of(labels, 2)
    assert set(parts) == set(range(5))
    for example, part in enumerate(parts):
        others = parts != part
        alone = classify(classifier, train[others], labels[others], train[[example]], 3)
        np.testing.assert_allclose(probed.held_out[example], alone.log_scores[0], atol=1e-6)


@pytest.mark.parametrize('classifier', CLASSIFIERS)
def test_of_one_example_a_class_nothing_is_held_out(make, classifier):
    train, labels, test, _ = make(1)
    assert classify(classifier, train, labels, test, 2).held_out is None


@pytest.mark.parametrize('classes', [2, 4])
@pytest.mark.parametrize('seed', range(3))
def test_the_strength_is_that_of_scikit_learns_cross_validation(make, classes, seed):
    train, labels, test, _ = make(12, classes, seed)
    probed = classify('logistic regression', train, labels, test, classes, seed)
    features, _ = scaled(train, test)
    split = PredefinedSplit(parts_of(labels, seed))
    search = LogisticRegressionCV(
        Cs=list(STRENGTHS), cv=split, scoring='neg_log_loss', max_iter=5000, use_legacy_attributes=False, l1_ratios=(0,)
    )
    assert probed.chosen['C'] == pytest.approx(search.fit(features, labels).C_)


def test_the_parts_are_stratified_and_the_seed_deals_them():
    labels = np.repeat([0, 1, 2], [5, 7, 30])
    parts = parts_of(labels, 0)
    assert all(np.ptp(np.bincount(parts[labels == label], minlength=5)) <= 1 for label in range(3))
    assert (parts != parts_of(labels, 1)).any()
    assert (parts == parts_of(labels, 0)).all()


def test_simple_shot_is_the_nearest_centroid(make):
    train, labels, test, _ = make(5, 4)
    mean = train.astype(np.float64).mean(axis=0)
    unit = [(each - mean) / np.linalg.norm(each - mean, axis=1)[:, None] for each in (train, test)]
    expected = NearestCentroid().fit(unit[0], labels).predict(unit[1])
    log_scores = classify('SimpleShot', train, labels, test, 4).log_scores
    np.testing.assert_array_equal(log_scores.argmax(axis=1), expected)
    np.testing.assert_allclose(np.exp(log_scores).sum(axis=1), 1)


def test_the_nearest_neighbours_vote_by_their_similarity(make):
    train, labels, test, _ = make(15, 3)
    scores = np.exp(classify('k-NN', train, labels, test, 3).log_scores)
    mean = train.astype(np.float64).mean(axis=0)
    for image, found in zip(test[:10], scores, strict=False):
        votes = np.zeros(3)
        near = []
        for example, label in zip(train, labels, strict=True):
            a, b = image - mean, example - mean
            near.append((a @ b / np.linalg.norm(a) / np.linalg.norm(b), label))
        for similarity, label in sorted(near, reverse=True)[:20]:
            votes[label] += np.exp(similarity / 0.07)
        np.testing.assert_allclose(found, votes / votes.sum(), atol=1e-6)


@pytest.mark.parametrize('classifier', CLASSIFIERS)
def test_one_example_a_class(make, classifier):
    train, labels, test, truth = make(1, 3)
    probed = classify(classifier, train, labels, test, 3)
    assert np.isfinite(probed.log_scores).all()
    assert (probed.log_scores.argmax(axis=1) == truth).mean() > 0.4
    assert probed.chosen == ({'C': 1.0} if classifier == 'logistic regression' else {})


@pytest.mark.parametrize('classifier', CLASSIFIERS)
def test_a_class_without_examples_is_never_chosen(make, classifier):
    train, labels, test, _ = make(6, 2)
    log_scores = classify(classifier, train, labels + 1, test, 4).log_scores
    assert log_scores.shape == (len(test), 4)
    assert set(log_scores.argmax(axis=1)) <= {1, 2}
    assert np.isfinite(log_scores).all()


@pytest.mark.parametrize('classifier', CLASSIFIERS)
def test_examples_that_are_all_the_same(classifier):
    train, labels = np.ones((6, DIMENSIONS), np.float32), np.tile([0, 1], 3)
    log_scores = classify(classifier, train, labels, train, 2).log_scores
    np.testing.assert_allclose(np.exp(log_scores), 0.5, atol=1e-6)
