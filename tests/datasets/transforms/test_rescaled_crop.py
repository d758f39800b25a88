"""The fused crop against the transforms that it stands for."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from mmcv.transforms import RandomFlip

from sdp_plugin.datasets.transforms import LoadScribbles, LoadStrokes, RandomLabelledCrop, RandomRescale
from sdp_plugin.datasets.transforms.rescaled_crop import RandomRescaledCrop, rescaled_mask_window, rescaled_window
from sdp_plugin.scribbles.formats.scribblesup import write_scribblesup
from sdp_plugin.scribbles.strokes import ScribbleSet, Stroke

# (height, width) of images, and crops larger and smaller than they become.
SIZES = [(60, 80), (97, 41), (33, 50), (200, 150)]
SEEDS = range(60)


def image_of(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    """Smooth blotches with edges, as photographs have them."""
    rng = np.random.default_rng(seed)
    coarse = rng.integers(0, 256, (shape[0] // 6 + 2, shape[1] // 6 + 2, 3), dtype=np.uint8)
    image = cv2.resize(coarse, shape[::-1], interpolation=cv2.INTER_CUBIC)
    cv2.rectangle(image, (5, 5), (shape[1] // 2, shape[0] // 2), (255, 0, 128), 2)
    return image


def mask_of(shape: tuple[int, int], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    mask = rng.integers(0, 21, shape, dtype=np.uint8)
    mask[rng.random(shape) < 0.3] = 255
    return mask


def scribbles_of(shape: tuple[int, int], seed: int = 0) -> ScribbleSet:
    rng = np.random.default_rng(seed)
    scale = np.array(shape[::-1])
    strokes = [
        Stroke(rng.uniform(-0.1, 1.1, (n, 2)) * scale if seed % 2 else rng.integers(0, scale, (n, 2)), int(c))
        for n, c in zip((1, 2, 7, 30), rng.integers(0, 21, 4), strict=True)
    ]
    return ScribbleSet(tuple(strokes), shape[1], shape[0])


def run(transforms: list, record: dict, seed: int) -> dict:
    np.random.seed(seed)
    for transform in transforms:
        record = transform(record)
    return record


def assert_same(ours: dict, reference: dict) -> None:
    assert ours['img'].shape == reference['img'].shape
    assert ours['img'].flags.c_contiguous
    difference = np.abs(ours['img'].astype(int) - reference['img'])
    assert difference.max() <= 3
    assert difference.mean() < 0.2
    np.testing.assert_array_equal(ours['gt_seg_map'], reference['gt_seg_map'])
    assert ours['gt_seg_map'].dtype == np.uint8
    for key in ('img_shape', 'scale_factor', 'flip', 'flip_direction', 'seg_fields'):
        assert ours[key] == reference[key], key


@pytest.mark.parametrize('crop_size', [32, (48, 64), 150])
@pytest.mark.parametrize('shape', SIZES)
def test_masks_come_out_as_from_the_three_transforms(shape, crop_size):
    """With one random state: the ratio, the window, the flip and the random state after them are the same."""
    reference = [RandomRescale(), RandomLabelledCrop(crop_size), RandomFlip(prob=0.5)]
    ours = [RandomRescaledCrop(crop_size)]
    for seed in SEEDS:
        records = [
            dict(img=image_of(shape, seed), gt_seg_map=mask_of(shape, seed), seg_fields=['gt_seg_map'])
            for _ in range(2)
        ]
        expected = run(reference, records[0], seed)
        after = np.random.random()
        assert_same(run(ours, records[1], seed), expected)
        assert np.random.random() == after


@pytest.mark.parametrize('shape', SIZES)
def test_images_without_masks_come_out_as_from_the_three_transforms(shape):
    reference = [RandomRescale(), RandomLabelledCrop(48, min_labelled=0), RandomFlip(prob=0.5)]
    ours = [RandomRescaledCrop(48, min_labelled=0)]
    for seed in SEEDS:
        found, expected = (run(transforms, dict(img=image_of(shape)), seed) for transforms in (ours, reference))
        assert found['img'].shape == (48, 48, 3)
        difference = np.abs(found['img'].astype(int) - expected['img'])
        assert difference.max() <= 3
        for key in ('img_shape', 'scale_factor', 'flip', 'flip_direction'):
            assert found[key] == expected[key], key


@pytest.mark.parametrize('mode', ['distance', 'opencv', 'pillow'])
@pytest.mark.parametrize('min_labelled', [0, 1, 200])
@pytest.mark.parametrize('shape', SIZES)
def test_strokes_come_out_as_drawn_on_the_rescaled_image(tmp_path, shape, min_labelled, mode):
    options = dict(line_width=3, mode=mode)
    reference = [
        RandomRescale(), LoadScribbles(**options), RandomLabelledCrop(32, min_labelled), RandomFlip(prob=0.5)
    ]  # fmt: skip
    ours = [LoadStrokes(**options), RandomRescaledCrop(32, min_labelled=min_labelled)]
    labelled = 0
    for seed in SEEDS:
        path = tmp_path / f'{seed}.xml'
        write_scribblesup(path, scribbles_of(shape, seed))
        records = [
            dict(img=image_of(shape, seed), img_shape=shape, ori_shape=shape, scribble_path=str(path), seg_fields=[])
            for _ in range(2)
        ]
        expected = run(reference, records[0], seed)
        assert_same(run(ours, records[1], seed), expected)
        labelled += (expected['gt_seg_map'] != 255).any()
    assert labelled > len(SEEDS) // 3


def test_an_index_png_is_a_mask(tmp_path):
    path = tmp_path / 'drawn.png'
    cv2.imwrite(str(path), mask_of((60, 80)))
    record = dict(img=image_of((60, 80)), img_shape=(60, 80), scribble_path=str(path))
    expected = dict(img=record['img'], gt_seg_map=mask_of((60, 80)), seg_fields=['gt_seg_map'])
    assert_same(
        run([LoadStrokes(), RandomRescaledCrop(40)], record, 3),
        run([RandomRescale(), RandomLabelledCrop(40), RandomFlip(prob=0.5)], expected, 3),
    )


def test_an_image_without_labels_is_cropped_all_the_same(tmp_path):
    path = tmp_path / 'empty.xml'
    write_scribblesup(path, ScribbleSet((), 80, 60))
    record = dict(img=image_of((60, 80)), img_shape=(60, 80), scribble_path=str(path))
    results = run([LoadStrokes(), RandomRescaledCrop(40)], record, 0)
    assert (results['gt_seg_map'] == 255).all()


def test_the_stored_image_and_mask_are_left_alone():
    image, mask = image_of((60, 80)), mask_of((60, 80))
    image.flags.writeable = mask.flags.writeable = False
    for seed in range(10):
        record = dict(img=image, gt_seg_map=mask, seg_fields=['gt_seg_map'])
        results = run([RandomRescaledCrop(40, ratio_range=(1, 1))], record, seed)
        results['img'][:] = results['gt_seg_map'][:] = 0
    assert image.any()
    assert mask.any()


def windows(height: int, width: int, rng: np.random.Generator):
    for _ in range(10):
        h, w = (int(rng.integers(1, length + 1)) for length in (height, width))
        yield int(rng.integers(height - h + 1)), int(rng.integers(width - w + 1)), h, w


@pytest.mark.parametrize('shape', [*SIZES, (1, 1), (7, 300)])
def test_any_window_of_any_size_is_as_cut_from_the_whole(shape):
    rng = np.random.default_rng(0)
    image, mask = image_of(shape), mask_of(shape)
    for _ in range(40):
        scaled = tuple(int(rng.integers(1, 3 * length + 2)) for length in shape[::-1])
        whole = cv2.resize(image, scaled)
        whole_mask = cv2.resize(mask, scaled, interpolation=cv2.INTER_NEAREST)
        for window in windows(scaled[1], scaled[0], rng):
            top, left, height, width = window
            cut = np.s_[top : top + height, left : left + width]
            difference = np.abs(rescaled_window(image, scaled, window).astype(int) - whole[cut])
            assert difference.max() <= 6
            assert difference.mean() < 1
            np.testing.assert_array_equal(rescaled_mask_window(mask, scaled, window), whole_mask[cut])


def test_a_window_at_the_upper_left_is_exact():
    image = image_of((200, 150))
    for scaled in [(75, 100), (221, 173), (150, 200), (93, 310)]:
        whole = cv2.resize(image, scaled)
        np.testing.assert_array_equal(rescaled_window(image, scaled, (0, 0, 60, 70)), whole[:60, :70])


def test_padding_is_filled(tmp_path):
    crop = RandomRescaledCrop((50, 60), ratio_range=(0.5, 0.5), flip_prob=0.0, pad_val=(1, 2, 3))
    record = dict(img=image_of((40, 30)), gt_seg_map=np.ones((40, 30), np.uint8), seg_fields=['gt_seg_map'])
    results = crop(record)
    assert results['img'].shape == (50, 60, 3)
    assert (results['img'][20:] == (1, 2, 3)).all()
    assert (results['img'][:, 15:] == (1, 2, 3)).all()
    np.testing.assert_array_equal(np.argwhere(results['gt_seg_map'] != 255).max(axis=0), (19, 14))


def test_repr_names_the_parameters():
    text = repr(RandomRescaledCrop(40, ratio_range=(0.7, 1.3), flip_prob=0.2))
    assert 'ratio_range=(0.7, 1.3)' in text
    assert 'crop_size=(40, 40)' in text
    assert 'flip_prob=0.2' in text
