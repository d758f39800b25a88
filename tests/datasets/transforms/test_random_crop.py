from __future__ import annotations

import numpy as np
import pytest
from mmpretrain.datasets.transforms import RandomCrop as MMPretrainRandomCrop

from sdp_plugin.datasets.transforms.random_crop import RandomCrop


def bright_image(height: int = 20, width: int = 24) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, (height, width, 3), np.uint8)


@pytest.mark.parametrize(
    ('padding', 'sides'), [(5, ((5, 5), (5, 5))), ((1, 2), ((2, 2), (1, 1))), ((1, 2, 3, 4), ((2, 4), (1, 3)))]
)
@pytest.mark.parametrize('mode', ['reflect', 'symmetric', 'edge', 'constant'])
def test_crops_lie_in_the_image_padded_as_asked_for(padding, sides, mode):
    image = bright_image()
    padded = np.pad(image, (*sides, (0, 0)), mode=mode)
    crop = RandomCrop(16, padding=padding, padding_mode=mode)
    windows = np.lib.stride_tricks.sliding_window_view(padded, (16, 16, 3))[..., 0, :, :, :]
    for _ in range(10):
        results = crop(dict(img=image))
        assert results['img'].shape == results['img_shape'] == (16, 16, 3)
        assert (windows == results['img']).all((2, 3, 4)).sum() == 1


def test_mmpretrain_pads_with_black_whatever_its_mode():
    # Once it does not, this class has no purpose.
    arguments = dict(crop_size=30, padding=12, padding_mode='reflect')
    assert not MMPretrainRandomCrop(**arguments)(dict(img=bright_image(6, 6)))['img'].all()
    assert RandomCrop(**arguments)(dict(img=bright_image(16, 16)))['img'].all()


def test_it_draws_as_mmpretrain_does():
    image = bright_image()
    np.random.seed(0)
    ours = [RandomCrop(18, padding=3, padding_mode='constant')(dict(img=image))['img'] for _ in range(5)]
    np.random.seed(0)
    theirs = [MMPretrainRandomCrop(18, padding=3)(dict(img=image))['img'] for _ in range(5)]
    np.testing.assert_array_equal(ours, theirs)
