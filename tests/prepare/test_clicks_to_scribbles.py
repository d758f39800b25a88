"""Clicks become strokes of one point in ScribbleSup's XML, where their images say where they lie."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from sdp_plugin.errors import UserError
from sdp_plugin.prepare.clicks import write_click_scribbles
from sdp_plugin.scribbles.formats.index_png import read_index_png
from sdp_plugin.scribbles.formats.scribblesup import read_scribblesup
from sdp_plugin.scribbles.rasterise import rasterise


@pytest.fixture
def clicks(tmp_path):
    """Two images of 100 x 80 pixels, and clicks on them and on a third."""
    for name in ('a', 'b'):
        Image.new('RGB', (100, 80)).save(tmp_path / f'{name}.jpg')
    contents = {
        'background.json': {'a': [{'x': 10, 'y': 20, 'cls': 0}], 'c': [{'x': 1, 'y': 1, 'cls': 0}]},
        'objects.json': {'a': [{'x': 10, 'y': 20, 'cls': 7}, {'x': 99.5, 'y': -1, 'cls': 8}], 'b': []},
    }
    for name, content in contents.items():
        (tmp_path / name).write_text(json.dumps(content))
    return [tmp_path / name for name in contents]


def test_a_click_is_drawn_as_a_dot_of_the_line_width(clicks, tmp_path):
    written = write_click_scribbles(clicks, ['a', 'b'], tmp_path, tmp_path / 'out')
    assert (written.images, written.clicks, written.background, written.without) == (2, 3, 1, 1)
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['a.xml', 'b.xml']
    read = read_scribblesup(tmp_path / 'out' / 'a.xml')
    assert (read.width, read.height) == (100, 80)
    assert [stroke.class_index for stroke in read.strokes] == [0, 7, 8]
    mask = rasterise(read, line_width=5)
    # Objects lie over the background, and a click beside the image labels what of its dot lies inside.
    assert Counter(mask.ravel().tolist()) == {255: 8000 - 21 - 4, 7: 21, 8: 4}
    rows, columns = np.nonzero(mask == 7)
    assert np.hypot(rows - 20, columns - 10).max() <= 2.5


def test_clicks_on_larger_originals_are_scaled(clicks, tmp_path):
    write_click_scribbles(clicks, ['a'], tmp_path, tmp_path / 'out', longest_side=500)
    points = [stroke.points[0].tolist() for stroke in read_scribblesup(tmp_path / 'out' / 'a.xml').strokes]
    assert points == [[2, 4], [2, 4], [19.9, -0.2]]


def test_images_of_another_size_are_noticed_before_anything_is_written(clicks, tmp_path):
    clicks[1].write_text(json.dumps({'a': [{'x': 300, 'y': 20, 'cls': 7}]}))
    with pytest.raises(UserError, match='--clicks-side 500'):
        write_click_scribbles(clicks, ['a'], tmp_path, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
    with pytest.raises(UserError, match='200 pixels'):
        write_click_scribbles(clicks, ['a'], tmp_path, tmp_path / 'out', longest_side=200)


def test_a_missing_image_is_named(clicks, tmp_path):
    with pytest.raises(UserError, match=r'c\.jpg'):
        write_click_scribbles(clicks, ['c'], tmp_path, tmp_path / 'out')


def test_the_published_clicks_agree_with_the_masks(real_data, tmp_path):
    voc = real_data / 'VOCdevkit' / 'VOC2012'
    files = [real_data / 'clicks' / name for name in ('background_from_scribbles.json', 'whats_the_point.json')]
    ids = (voc / 'ImageSets' / 'Segmentation' / 'train_aug.txt').read_text().split()
    with pytest.raises(UserError, match='--clicks-side 500'):
        write_click_scribbles(files, ids, voc / 'JPEGImages', tmp_path)
    written = write_click_scribbles(files, ids, voc / 'JPEGImages', tmp_path, longest_side=500)
    assert (written.images, written.clicks, written.background) == (3131, 6571 + 8368, 8368)
    right, all_clicks = Counter(), Counter()
    for image_id in ids:
        mask = read_index_png(voc / 'SegmentationClassAug' / f'{image_id}.png')
        for stroke in read_scribblesup(tmp_path / f'{image_id}.xml').strokes:
            kind = 'object' if stroke.class_index else 'background'
            x, y = np.clip(np.round(stroke.points[0]).astype(int), 0, np.array(mask.shape[::-1]) - 1)
            all_clicks[kind] += 1
            right[kind] += mask[y, x] == stroke.class_index
    assert right['object'] / all_clicks['object'] == pytest.approx(0.873, abs=5e-4)
    assert right['background'] / all_clicks['background'] == pytest.approx(0.977, abs=5e-4)
