from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import mmcv
import numpy as np
import pytest
from PIL import Image
from reference_augmentation import CASES, SHIPPED, reference, tissue

from sdp_plugin.engine.in_memory.augmentation import draw_parameters, opencv, settings_from_pipeline
from sdp_plugin.engine.in_memory.augmentation.pillow_hue import shift_in_bytes

# More than a block.
COUNT = opencv.BLOCK + 5


@pytest.mark.parametrize('name', CASES)
def test_every_pixel_is_that_of_the_reference(name):
    pipeline, (height, width) = CASES[name]
    _, settings = settings_from_pipeline(pipeline)
    images = tissue(COUNT, height, width)
    parameters = draw_parameters(settings, COUNT, height, width, seed=3, epoch=1)
    augmented = opencv.augment(images, parameters, settings)
    for index in range(COUNT):
        expected = reference(images[index], pipeline, parameters, index, settings)
        np.testing.assert_array_equal(augmented[index], expected, err_msg=f'image {index}')


# Multiples of these come close to whole numbers, or are such; at 1 an image stays as it is.
@pytest.mark.parametrize('factor', [0.0, 1e-7, 0.5, 0.6, 1.0, 1 - 1e-7, 1 + 1e-6, 1.25, 4 / 3, 1.4, 3.0])
@pytest.mark.parametrize('name', ['brightness', 'contrast', 'saturation'])
def test_factors_at_the_edge_of_rounding(name, factor):
    pipeline = [dict(type='ColorJitter', **{name: (0, 4)})]
    _, settings = settings_from_pipeline(pipeline)
    images = _all_pairs_of_colour_and_grey()[None]
    parameters = draw_parameters(settings, 1, *images.shape[1:3], seed=0, epoch=0)
    parameters = replace(parameters, **{name: np.array([factor])})
    expected = reference(images[0], pipeline, parameters, 0, settings)
    np.testing.assert_array_equal(opencv.augment(images, parameters, settings)[0], expected)


def test_saturation_takes_both_ways():
    _, settings = settings_from_pipeline([dict(type='ColorJitter', saturation=0.4)])
    safe = opencv._Jitter(draw_parameters(settings, 200, 8, 8, seed=0, epoch=0), settings)._safe
    assert 0.8 < safe.mean() < 1


@pytest.mark.parametrize('shift', [-0.5, -0.4, -0.01, 0.0, 0.003, 0.125, 0.4, 0.5])
def test_hue_of_all_colours(shift):
    colours = _colours()
    expected = mmcv.adjust_hue(colours, shift, backend='pillow')
    shifted = opencv.shift_hue(colours[None], shift_in_bytes(np.array([shift])))
    np.testing.assert_array_equal(shifted[0], expected)


def test_luma_of_all_colours():
    colours = _colours()
    np.testing.assert_array_equal(
        opencv.luma(colours[None])[0], np.asarray(Image.fromarray(colours[..., ::-1]).convert('L'))
    )


def _colours() -> np.ndarray:
    """Every sixth red with all greens and blues: 2.8 million colours."""
    red, green, blue = np.meshgrid(np.arange(0, 256, 6), np.arange(256), np.arange(256), indexing='ij')
    return np.stack([blue, green, red], axis=-1).reshape(256, -1, 3).astype(np.uint8)


def _all_pairs_of_colour_and_grey() -> np.ndarray:
    """Colours of which most pairs of a channel's level and a luma occur."""
    random = np.random.default_rng(0)
    base = random.integers(0, 256, (256, 512, 1))
    return (base + random.integers(-60, 60, (256, 512, 3))).clip(0, 255).astype(np.uint8)


def test_threads_share_a_batch_without_changing_it():
    _, settings = settings_from_pipeline(SHIPPED)
    images = tissue(7, 96, 96)
    parameters = draw_parameters(settings, 7, 96, 96, seed=0, epoch=0)
    expected = opencv.augment(images, parameters, settings)
    out = np.zeros_like(images)
    with ThreadPoolExecutor(3) as pool:
        assert opencv.augment(images, parameters, settings, out, pool, threads=3) is out
    np.testing.assert_array_equal(out, expected)


def test_images_stay_as_they_are():
    _, settings = settings_from_pipeline(SHIPPED)
    images = tissue(2, 96, 96)
    before = images.copy()
    opencv.augment(images, draw_parameters(settings, 2, 96, 96, seed=0, epoch=0), settings)
    np.testing.assert_array_equal(images, before)
