from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from sdp_plugin.catalogue.palette import voc_palette
from sdp_plugin.catalogue.voc import VOC_2012
from sdp_plugin.demo_data.scenes import CLASS_INDICES, draw_scene, random_state
from sdp_plugin.scribbles.formats.scribblesup import read_scribblesup
from sdp_plugin.scribbles.rasterise import rasterise

NUM_TRAIN, NUM_VAL = 20, 4


@pytest.fixture
def ids(miniature) -> list[str]:
    lists = miniature.voc / 'ImageSets' / 'Segmentation'
    return [line for name in ('train_aug', 'val') for line in (lists / f'{name}.txt').read_text().splitlines()]


def read_mask(miniature, image_id: str) -> np.ndarray:
    return np.asarray(Image.open(miniature.voc / 'SegmentationClassAug' / f'{image_id}.png'))


def test_each_id_has_its_four_files(miniature, ids):
    assert len(set(ids)) == len(ids) == NUM_TRAIN + NUM_VAL
    folders = {
        miniature.voc / 'JPEGImages': '.jpg',
        miniature.voc / 'SegmentationClassAug': '.png',
        miniature.voc / 'Annotations': '.xml',
        miniature.scribbles: '.xml',
    }
    for folder, suffix in folders.items():
        assert {path.name for path in folder.iterdir()} == {f'{image_id}{suffix}' for image_id in ids}


def test_masks_are_palette_pictures_of_voc_classes_with_void_borders(miniature, ids):
    for image_id in ids:
        with Image.open(miniature.voc / 'SegmentationClassAug' / f'{image_id}.png') as mask:
            assert mask.mode == 'P'
            assert mask.getpalette() == voc_palette().ravel().tolist()
            indices = np.asarray(mask)
        with Image.open(miniature.voc / 'JPEGImages' / f'{image_id}.jpg') as image:
            assert (image.mode, image.size) == ('RGB', (120, 90))
        assert indices.shape == (90, 120)
        assert set(np.unique(indices)) <= {*range(21), 255}
        beside = indices[:, 1:] != indices[:, :-1]
        void = (indices[:, 1:] == 255) | (indices[:, :-1] == 255)
        assert void[beside].all(), 'two classes touch without void between them'


def test_every_class_occurs_in_a_block_of_seven(miniature, ids):
    seen = {int(index) for image_id in ids[:7] for index in np.unique(read_mask(miniature, image_id))}
    assert seen == {0, *CLASS_INDICES, 255}


def test_detection_boxes_agree_with_the_masks(miniature, ids):
    for image_id in ids:
        mask = read_mask(miniature, image_id)
        root = ElementTree.parse(miniature.voc / 'Annotations' / f'{image_id}.xml').getroot()
        assert root.findtext('filename') == f'{image_id}.jpg'
        assert (root.findtext('size/width'), root.findtext('size/height')) == ('120', '90')
        inside = np.zeros(mask.shape, dtype=bool)
        names = set()
        for item in root.iter('object'):
            class_index = VOC_2012.classes.index(item.findtext('name'))
            names.add(class_index)
            left, top, right, bottom = (int(item.findtext(f'bndbox/{tag}')) for tag in ('xmin', 'ymin', 'xmax', 'ymax'))
            assert 1 <= left <= right <= 120
            assert 1 <= top <= bottom <= 90
            inside[top - 1 : bottom, left - 1 : right] |= mask[top - 1 : bottom, left - 1 : right] == class_index
        objects = (mask > 0) & (mask < 255)
        assert inside[objects].all(), 'an object of the mask lies in no box of its class'
        assert names >= set(np.unique(mask[objects]))


def test_scribbles_lie_on_their_classes(miniature, ids):
    right = total = 0
    for image_id in ids:
        mask = read_mask(miniature, image_id)
        drawn = rasterise(read_scribblesup(miniature.scribbles / f'{image_id}.xml'))
        labelled = (drawn != 255) & (mask != 255)
        right += (drawn == mask)[labelled].sum()
        total += labelled.sum()
        assert labelled.any()
    assert right / total > 0.97


@pytest.mark.parametrize('class_index', CLASS_INDICES)
def test_main_object_is_visible_and_varies(class_index):
    scenes = [draw_scene(random_state(9, class_index, index), class_index, (120, 90)) for index in range(3)]
    for scene in scenes:
        assert (scene.mask == class_index).mean() > 0.004
    assert not np.array_equal(scenes[0].mask == class_index, scenes[1].mask == class_index)
