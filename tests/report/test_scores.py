from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import brier_score_loss, confusion_matrix, recall_score, roc_auc_score, roc_curve

from sdp_plugin.errors import UserError
from sdp_plugin.report.scores import BRIER, CONTRIBUTIONS, ECE, GRID, HELD_OUT, SCALED, image_scores
from sdp_plugin.statistics.calibration import at_temperature, calibration_error, reliability


def arrays(classes: int = 3, count: int = 60, seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    # Rounded, so that scores tie.
    logits = np.round(generator.normal(size=(count, classes)), 1)
    labels = generator.integers(classes, size=count).astype(np.uint8)
    logits[np.arange(count), labels] += 0.7
    log_scores = (logits - np.logaddexp.reduce(logits, axis=1)[:, None]).astype(np.float16)
    return {'log_scores': log_scores, 'predictions': log_scores.argmax(axis=1).astype(np.uint8), 'labels': labels}


def test_confusion_is_that_of_scikit_learn():
    values = arrays()
    assert (image_scores(values).confusion == confusion_matrix(values['labels'], values['predictions'])).all()


def test_roc_of_two_classes_is_that_of_scikit_learn():
    values = arrays(classes=2)
    odds = np.float32(values['log_scores'][:, 1]) - np.float32(values['log_scores'][:, 0])
    false, true, _ = roc_curve(values['labels'], odds, drop_intermediate=False)
    assert image_scores(values).roc == pytest.approx(np.interp(GRID, false, true))


def test_roc_of_several_classes_is_the_mean_of_each_against_the_rest():
    values = arrays(classes=3)
    curves = []
    for label in range(3):
        false, true, _ = roc_curve(values['labels'] == label, values['log_scores'][:, label], drop_intermediate=False)
        curves.append(np.interp(GRID, false, true))
    assert image_scores(values).roc == pytest.approx(np.mean(curves, axis=0))


def test_images_of_one_class_have_no_roc():
    values = arrays() | {'labels': np.zeros(60, np.uint8)}
    scores = image_scores(values)
    assert scores.roc is None
    assert CONTRIBUTIONS['single-label/auroc'](scores) is None


@pytest.mark.parametrize('classes', [2, 4])
def test_contributions_average_to_the_metric(classes):
    values = arrays(classes)
    scores, labels = image_scores(values), values['labels']
    measured = {name: CONTRIBUTIONS[name] for name in CONTRIBUTIONS if not name.startswith('calibration/')}
    means = {metric: function(scores).mean() for metric, function in measured.items()}
    wanted = {
        'accuracy/top1': (values['predictions'] == labels).mean(),
        'single-label/balanced-accuracy': recall_score(labels, values['predictions'], average='macro'),
        'single-label/auroc': np.mean(
            [
                roc_auc_score(
                    labels == label,
                    np.float32(values['log_scores'][:, label])
                    - (np.float32(values['log_scores'][:, 1 - label]) if classes == 2 else 0),
                )
                for label in ([1] if classes == 2 else range(classes))
            ]
        ),
    }
    assert means == pytest.approx(wanted, abs=1e-5)


@pytest.mark.parametrize(
    ('change', 'problem'),
    [
        ({'labels': None}, 'no labels'),
        ({'labels': np.zeros(59, np.uint8)}, 'do not go together'),
        ({'log_scores': np.zeros(60, np.float16)}, 'do not go together'),
        ({'labels': np.full(60, -1)}, 'labels or predictions of others'),
        ({'predictions': np.zeros(60, np.float32)}, 'other values'),
        ({'predictions': np.full(60, '0')}, 'other values'),
        ({'labels': np.full(60, 3, np.uint8)}, '3 classes'),
        ({'log_scores': np.full((60, 3), np.nan, np.float16)}, 'not numbers'),
    ],
)
def test_arrays_that_are_no_scores(change, problem):
    values = {name: array for name, array in (arrays() | change).items() if array is not None}
    with pytest.raises(UserError, match=problem):
        image_scores(values)


def test_calibration_is_of_the_predicted_class():
    values = arrays(classes=2, count=400)
    scores = image_scores(values)
    shares = np.exp(values['log_scores'].astype(np.float64))
    shares /= shares.sum(axis=1, keepdims=True)
    right = values['predictions'] == values['labels']
    expected = calibration_error(reliability(shares.max(axis=1), right))
    assert CONTRIBUTIONS['calibration/ece'](scores).mean() == pytest.approx(expected, abs=1e-5)
    expected = brier_score_loss(values['labels'], shares[:, 1])
    assert CONTRIBUTIONS['calibration/brier'](scores).mean() == pytest.approx(expected, abs=1e-5)


def test_without_images_held_aside_there_is_no_temperature():
    scores = image_scores(arrays())
    assert scores.held_out is None
    assert CONTRIBUTIONS['calibration/ece-scaled'](scores) is None


def test_the_temperature_is_of_the_images_held_aside_and_of_no_other():
    values = arrays(classes=2, count=4000)
    over_confident = values | {'log_scores': at_temperature(values['log_scores'], 0.25)}
    held_out = dict(zip(HELD_OUT, (over_confident['log_scores'][:2000], values['labels'][:2000]), strict=True))
    tested = {name: array[2000:] for name, array in over_confident.items()}
    scores = image_scores(tested | held_out)
    errors = [CONTRIBUTIONS[name](scores).mean() for name in (ECE, ECE + SCALED)]
    assert errors[0] > 0.15
    assert errors[1] < 0.04
    # Other labels of the test set give other errors, and the same temperature.
    wrong = image_scores(tested | held_out | {'labels': 1 - tested['labels']})
    assert (wrong.calibration[BRIER + SCALED] > 0).all()
    briers = [
        image_scores(tested | held_out | {'labels': labels}).calibration[BRIER + SCALED]
        for labels in (np.zeros(2000, np.uint8), np.ones(2000, np.uint8))
    ]
    # (1 - p)² and p² of one and the same p.
    assert np.sqrt(briers[0]) + np.sqrt(briers[1]) == pytest.approx(np.ones(2000), abs=1e-3)


def test_none_held_aside_is_no_temperature():
    nothing = {HELD_OUT[0]: np.zeros((0, 3), np.float16), HELD_OUT[1]: np.zeros(0, np.uint8)}
    assert image_scores(arrays() | nothing).held_out is None


@pytest.mark.parametrize(
    'held_out',
    [
        {HELD_OUT[0]: np.zeros((5, 3), np.float16)},
        {HELD_OUT[0]: np.zeros((5, 3), np.float16), HELD_OUT[1]: np.zeros(4, np.uint8)},
        {HELD_OUT[0]: np.zeros((5, 2), np.float16), HELD_OUT[1]: np.zeros(5, np.uint8)},
        {HELD_OUT[0]: np.zeros((5, 3), np.float16), HELD_OUT[1]: np.full(5, 3, np.uint8)},
    ],
)
def test_images_held_aside_that_are_none(held_out):
    with pytest.raises(UserError, match='held aside'):
        image_scores(arrays() | held_out)
