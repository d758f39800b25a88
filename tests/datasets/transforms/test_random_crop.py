from __future__ import annotations

import numpy as np
import pytest
from mmpretrain.datasets.transforms import RandomCrop as MMPretrainRandomCrop

from sdp_plugin.datasets.transforms.random_crop import RandomCrop
from sdp_plugin.errors import UserError


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


class TestAsMMPretrainTestsItsOwn:
    """What MMPretrain's tests ask of its ``RandomCrop``, of ours. It has no ``pad_if_needed`` and no ``pad_val``:
    padding is always asked for, and constant padding is black."""

    IMAGE = bright_image(256, 256)

    def crop(self, **arguments):
        return RandomCrop(**dict(padding=0) | arguments)(dict(img=self.IMAGE))['img']

    @pytest.mark.parametrize('crop_size', [-1, (1, 2, 3), (1, -2)])
    def test_sizes_that_are_none(self, crop_size):
        with pytest.raises(UserError, match='crop_size'):
            self.crop(crop_size=crop_size)

    def test_a_mode_that_is_none(self):
        with pytest.raises(UserError, match='padding_mode'):
            self.crop(crop_size=224, padding_mode='co')

    @pytest.mark.parametrize(
        ('arguments', 'shape'),
        [
            (dict(crop_size=224), (224, 224, 3)),
            (dict(crop_size=(224, 160)), (224, 160, 3)),
            (dict(crop_size=224, padding=2), (224, 224, 3)),
            (dict(crop_size=224, padding=(2, 3)), (224, 224, 3)),
            (dict(crop_size=300, padding=(2, 3, 4, 5)), (264, 262, 3)),
            (dict(crop_size=300), (256, 256, 3)),
            (dict(crop_size=258, padding=1), (258, 258, 3)),
        ],
    )
    def test_shapes(self, arguments, shape):
        assert self.crop(**arguments).shape == shape

    def test_a_window_as_large_as_the_image_is_the_image(self):
        np.testing.assert_array_equal(self.crop(crop_size=256), self.IMAGE)

    def test_repr(self):
        told = "RandomCrop(crop_size=(224, 224), padding=4, padding_mode='edge')"
        assert repr(RandomCrop(224, padding=4, padding_mode='edge')) == told
