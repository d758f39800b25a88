"""Random re-scaling and the crop that shows labels."""

from __future__ import annotations

import numpy as np
import pytest

from sdp_plugin.datasets.transforms.geometry import RandomLabelledCrop, RandomRescale

IGNORE = 255


def record(height: int = 60, width: int = 80, labelled: tuple = ()) -> dict:
    """An image whose pixels say where they are, and a mask that labels the given pixels with class 1."""
    rows, columns = np.mgrid[:height, :width].astype(np.uint8)
    mask = np.full((height, width), IGNORE, np.uint8)
    for pixel in labelled:
        mask[pixel] = 1
    return dict(img=np.stack([rows, columns, rows], axis=2), gt_seg_map=mask, seg_fields=['gt_seg_map'])


@pytest.fixture(autouse=True)
def _seeded():
    np.random.seed(0)


def test_rescale_is_relative_to_the_image():
    ratios = []
    for height, width in [(60, 80), (100, 40)] * 100:
        results = RandomRescale((0.5, 1.5))(record(height, width))
        assert results['img'].shape[:2] == results['gt_seg_map'].shape == results['img_shape']
        ratio = results['scale_factor']
        assert results['img'].shape[1] == round(width * ratio[0])
        ratios.append(results['img'].shape[0] / height)
    assert 0.49 <= min(ratios) < 0.55
    assert 1.45 < max(ratios) <= 1.51
    assert np.mean(ratios) == pytest.approx(1.0, abs=0.07)


def test_rescale_invents_no_label():
    results = RandomRescale((0.7, 0.7))(record(labelled=[np.s_[20:30, :]]))
    assert set(np.unique(results['gt_seg_map'])) == {1, IGNORE}


def test_crop_cuts_image_and_mask_at_the_same_place():
    for _ in range(50):
        results = RandomLabelledCrop(16)(record(labelled=[(30, 40)]))
        assert results['img'].shape == (16, 16, 3)
        assert results['img_shape'] == (16, 16)
        row, column = np.argwhere(results['gt_seg_map'] == 1)[0]
        assert tuple(results['img'][row, column, :2]) == (30, 40)


def count_labelled_crops(min_labelled: int, crops: int = 100) -> int:
    crop = RandomLabelledCrop(16, min_labelled=min_labelled)
    return sum(bool((crop(record(labelled=[(59, 79)]))['gt_seg_map'] == 1).any()) for _ in range(crops))


def test_every_crop_of_a_scribble_shows_a_label_where_a_plain_crop_rarely_does():
    assert count_labelled_crops(min_labelled=1) == 100
    assert count_labelled_crops(min_labelled=0) < 10


def test_accepted_windows_are_uniform_over_those_with_a_label():
    """One labelled pixel in the middle: each of the 16 x 16 windows around it is as likely as any other."""
    crop = RandomLabelledCrop(4, max_tries=3)
    corners = np.zeros((4, 4))
    for _ in range(3200):
        row, column = np.argwhere(crop(record(12, 12, labelled=[(6, 6)]))['gt_seg_map'] == 1)[0]
        corners[row, column] += 1
    assert corners.min() > 130
    assert corners.max() < 280


def test_small_images_are_padded_as_unlabelled():
    results = RandomLabelledCrop((20, 24), pad_val=(1, 2, 3))(record(10, 12, labelled=[(0, 0)]))
    assert results['gt_seg_map'].shape == (20, 24)
    assert (results['gt_seg_map'][10:] == IGNORE).all()
    assert (results['gt_seg_map'][:, 12:] == IGNORE).all()
    assert results['img'][-1, -1].tolist() == [1, 2, 3]


def test_an_image_without_labels_is_cropped_all_the_same():
    assert (RandomLabelledCrop(16)(record())['gt_seg_map'] == IGNORE).all()


def test_crop_without_a_mask():
    results = RandomLabelledCrop(16, min_labelled=0)(dict(img=record()['img']))
    assert results['img'].shape == (16, 16, 3)
