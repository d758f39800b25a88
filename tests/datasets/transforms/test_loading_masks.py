"""Full masks and image-level classes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from sdp_plugin.datasets.transforms.loading_masks import ClassLabelsFromMask, LoadClassLabels, LoadMask
from sdp_plugin.errors import UserError


def palette_png(path: Path, mask: np.ndarray) -> Path:
    image = Image.fromarray(mask, mode='P')
    image.putpalette([value for index in range(256) for value in (index, 255 - index, (7 * index) % 256)])
    image.save(path)
    return path


@pytest.fixture
def mask() -> np.ndarray:
    mask = np.zeros((6, 8), np.uint8)
    mask[2:4, 3:5], mask[5], mask[0, 0] = 15, 255, 20
    return mask


def detection_file(path: Path, *names: str) -> str:
    objects = ''.join(f'<object><name>{name}</name><difficult>1</difficult></object>' for name in names)
    path.write_text(f'<annotation><size/>{objects}</annotation>')
    return str(path)


def test_palette_masks_keep_their_indices(tmp_path, mask):
    path = palette_png(tmp_path / 'mask.png', mask)
    results = LoadMask()(dict(seg_map_path=str(path), img_path='a.jpg', img_shape=(6, 8), seg_fields=[]))
    assert np.array_equal(results['gt_seg_map'], mask)
    assert results['gt_seg_map'].dtype == np.uint8
    assert results['seg_fields'] == ['gt_seg_map']


def test_mask_of_another_size_is_an_error(tmp_path, mask):
    path = palette_png(tmp_path / 'mask.png', mask)
    with pytest.raises(UserError, match=r'(?s)another size.*8 x 6.*6 x 8.*mask\.png'):
        LoadMask()(dict(seg_map_path=str(path), img_path='a.jpg', img_shape=(8, 6)))


@pytest.mark.parametrize(('value', 'num_classes'), [(99, 21), (21, 21), (254, 21), (2, 2)])
def test_a_class_that_there_is_not_is_an_error(tmp_path, mask, value, num_classes):
    mask[mask == 15] = mask[mask == 20] = 1
    mask[4, 4] = value
    path = palette_png(tmp_path / 'mask.png', mask)
    record = dict(seg_map_path=str(path), img_path='a.jpg', img_shape=(6, 8))
    with pytest.raises(UserError, match=rf'(?s)no class.*0 to {num_classes - 1}.*{value} in .*mask\.png'):
        LoadMask(num_classes)(record)
    with pytest.raises(UserError, match='no class'):
        LoadMask(num_classes)(record | dict(decoded=dict(seg_map_path=mask)))


def test_missing_mask_is_an_error(tmp_path):
    with pytest.raises(UserError, match=r'none\.png'):
        LoadMask()(dict(seg_map_path=str(tmp_path / 'none.png'), img_path='a.jpg', img_shape=(8, 6)))


def test_classes_of_a_mask_leave_out_background_and_void(mask):
    assert ClassLabelsFromMask()(dict(gt_seg_map=mask))['gt_label'].tolist() == [14, 19]


def test_classes_follow_the_crop(mask):
    assert ClassLabelsFromMask()(dict(gt_seg_map=mask[:, :2]))['gt_label'].tolist() == [19]
    assert ClassLabelsFromMask()(dict(gt_seg_map=mask[1:, :2]))['gt_label'].tolist() == []


@pytest.mark.parametrize('dtype', [np.uint8, np.int64])
@pytest.mark.parametrize('view', [np.s_[:], np.s_[::-1, ::2]])
def test_classes_of_masks_of_any_type_and_order(mask, dtype, view):
    seen = mask.astype(dtype)[view]
    expected = sorted({int(value) - 1 for value in seen.ravel()} - {-1, 254})
    assert ClassLabelsFromMask()(dict(gt_seg_map=seen))['gt_label'].tolist() == expected


def test_a_mask_that_nobody_needs_goes(mask):
    record = dict(gt_seg_map=mask, seg_fields=['gt_seg_map', 'other'])
    kept = ClassLabelsFromMask()(dict(record))
    assert kept['gt_seg_map'] is mask
    assert kept['seg_fields'] == record['seg_fields']
    without = ClassLabelsFromMask(keep_mask=False)(dict(record))
    assert without['gt_label'].tolist() == kept['gt_label'].tolist()
    assert 'gt_seg_map' not in without
    assert without['seg_fields'] == ['other']
    assert record['seg_fields'] == ['gt_seg_map', 'other']


def test_detection_files_give_each_class_once_and_sorted(tmp_path):
    path = detection_file(tmp_path / 'a.xml', 'tvmonitor', 'person', 'aeroplane', 'person')
    assert LoadClassLabels()(dict(annotation_path=path))['gt_label'].tolist() == [0, 14, 19]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (None, 'missing'),
        ('<annotation><object>', 'no readable XML'),
        ('<annotation><size/></annotation>', 'names no object'),
        ('<annotation><object><name>dragon</name></object></annotation>', 'dragon'),
        (
            '<!DOCTYPE a [<!ENTITY b "b">]><annotation><object><name>&b;</name></object></annotation>',
            'no readable XML',
        ),
    ],
)
def test_bad_detection_files(tmp_path, content, message):
    path = tmp_path / 'a.xml'
    if content is not None:
        path.write_text(content)
    with pytest.raises(UserError, match=message):
        LoadClassLabels()(dict(annotation_path=str(path)))
