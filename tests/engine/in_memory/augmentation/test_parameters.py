"""Distributions are compared with draws of the transforms themselves, at fixed seeds."""

from __future__ import annotations

from dataclasses import fields

import numpy as np
import pytest
from reference_augmentation import CROP, FLIP, JITTER, ROTATION, SHIPPED, build
from scipy import stats

from sdp_plugin.engine.in_memory.augmentation import (
    AugmentationParameters,
    AugmentationSettings,
    draw_parameters,
    settings_from_pipeline,
)
from sdp_plugin.engine.in_memory.augmentation.parameters import FLIPS
from sdp_plugin.errors import UserError

COUNT = 20_000
# Of each of the comparisons below; all seeds are fixed.
SIGNIFICANCE = 1e-3
JITTER_NAMES = ('brightness', 'contrast', 'saturation', 'hue')


def draw(pipeline: list[dict], height: int = 96, width: int = 96) -> AugmentationParameters:
    _, settings = settings_from_pipeline(pipeline)
    return draw_parameters(settings, COUNT, height, width, seed=0, epoch=0)


def draw_from(config: dict, method: str, *arguments) -> list:
    transform = build(config)
    np.random.seed(0)
    return [getattr(transform, method)(*arguments) for _ in range(COUNT)]


def assert_same_frequencies(ours, theirs) -> None:
    """A chi-square test of homogeneity over all values that either side drew."""
    values, positions = np.unique(np.concatenate([ours, theirs]), return_inverse=True)
    table = [np.bincount(part, minlength=len(values)) for part in np.split(positions, 2)]
    # Where both drew a single value there is nothing left to compare.
    assert len(values) == 1 or stats.chi2_contingency(table).pvalue > SIGNIFICANCE


@pytest.mark.parametrize('axis', ['top', 'left'])
@pytest.mark.parametrize(
    ('config', 'height', 'width'),
    [(CROP, 96, 96), (CROP | dict(padding=(0, 1, 2, 3), crop_size=(40, 60)), 48, 65)],
    ids=['shipped', 'not square'],
)
def test_offsets(axis, config, height, width):
    left, top, right, bottom = settings_from_pipeline([config])[1].padding
    padded = np.empty((height + top + bottom, width + left + right, 3), np.uint8)
    theirs = np.array(draw_from(config, 'rand_crop_params', padded))[:, ['top', 'left'].index(axis)]
    ours = getattr(draw([config], height, width), axis)
    assert_same_frequencies(ours, theirs)
    assert (ours.min(), ours.max()) == (theirs.min(), theirs.max())


@pytest.mark.parametrize(
    'config',
    [
        FLIP,
        FLIP | dict(prob=0.3, direction='vertical'),
        FLIP | dict(prob=0.7, direction=['horizontal', 'diagonal']),
        FLIP | dict(prob=[0.2, 0.1, 0.4], direction=['horizontal', 'vertical', 'diagonal']),
    ],
    ids=['shipped', 'vertical', 'two directions', 'three probabilities'],
)
def test_flips(config):
    theirs = [direction or 'none' for direction in draw_from(config, '_choose_direction')]
    assert_same_frequencies(np.array(FLIPS)[draw([config]).flip], theirs)


@pytest.mark.parametrize(
    'config', [ROTATION, ROTATION | dict(prob=0.3, degree=(-20.0, 70.0))], ids=['shipped', 'some, in a range']
)
def test_rotations(config):
    theirs = draw_from(config, 'generate_degree')
    ours = draw([config])
    assert stats.ks_2samp(ours.angle, [angle for _, angle in theirs]).pvalue > SIGNIFICANCE
    assert_same_frequencies(ours.rotated, [rotates for rotates, _ in theirs])


@pytest.mark.parametrize('number', range(4), ids=JITTER_NAMES)
@pytest.mark.parametrize(
    'config',
    [JITTER, dict(type='ColorJitter', brightness=1.5, contrast=(0.2, 3.0), saturation=(0.9, 0.95), hue=(-0.1, 0.5))],
    ids=['shipped', 'ranges'],
)
def test_factors(number, config):
    theirs = np.array([drawn[number + 1] for drawn in draw_from(config, '_rand_params')])
    ours = getattr(draw([config]), JITTER_NAMES[number])
    assert stats.ks_2samp(ours, theirs).pvalue > SIGNIFICANCE


def test_orders():
    def numbers(orders):
        return np.asarray(orders) @ [64, 16, 4, 1]

    theirs = numbers([drawn[0] for drawn in draw_from(JITTER, '_rand_params')])
    ours = numbers(draw([JITTER]).order)
    assert_same_frequencies(ours, theirs)
    assert len(np.unique(ours)) == 24


def test_what_is_drawn_is_independent():
    ours = draw(SHIPPED)
    columns = [getattr(ours, field.name) for field in fields(ours) if field.name not in ('order', 'rotated')]
    correlations = np.corrcoef([*columns, *ours.order.T[:3]]) - np.eye(len(columns) + 3)
    of_orders = np.s_[-3:, -3:]
    np.testing.assert_allclose(correlations[of_orders] * (1 - np.eye(3)), -1 / 3 * (1 - np.eye(3)), atol=0.03)
    correlations[of_orders] = 0
    assert np.abs(correlations).max() < 0.03


def test_samples_differ_from_epoch_to_epoch_and_seed_to_seed():
    _, settings = settings_from_pipeline(SHIPPED)
    angles = [
        draw_parameters(settings, 50, 96, 96, seed, epoch).angle for seed, epoch in [(0, 0), (0, 1), (1, 0), (1, 1)]
    ]
    assert len(np.unique(angles)) == 200


def test_an_epoch_does_not_depend_on_earlier_ones():
    _, settings = settings_from_pipeline(SHIPPED)
    first = draw_parameters(settings, 50, 96, 96, seed=3, epoch=7)
    np.random.seed(5)
    draw_parameters(settings, 50, 96, 96, seed=3, epoch=6)
    again = draw_parameters(settings, 50, 96, 96, seed=3, epoch=7)
    for field in fields(first):
        np.testing.assert_array_equal(getattr(first, field.name), getattr(again, field.name))


def test_the_entries_of_some_samples():
    parameters = draw_parameters(settings_from_pipeline(SHIPPED)[1], 10, 96, 96, seed=0, epoch=0)
    some = parameters[np.array([7, 2])]
    assert len(some) == 2
    assert some.angle.tolist() == [parameters.angle[7], parameters.angle[2]]
    assert some.order.tolist() == parameters.order[[7, 2]].tolist()
    assert len(parameters[3:8]) == 5


def test_without_settings_nothing_moves():
    parameters = draw_parameters(AugmentationSettings(), 100, 30, 40, seed=0, epoch=0)
    assert not any(getattr(parameters, name).any() for name in ('top', 'left', 'flip', 'rotated'))


def test_a_crop_that_does_not_fit_is_refused():
    _, settings = settings_from_pipeline([CROP])
    with pytest.raises(UserError, match='larger than the padded image'):
        draw_parameters(settings, 4, 60, 96, seed=0, epoch=0)
