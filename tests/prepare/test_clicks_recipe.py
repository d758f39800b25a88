"""Clicks become strokes of one point in ScribbleSup's XML, where their images say where they lie."""

from __future__ import annotations

import json
from collections import Counter

import numpy as np
import pytest
from PIL import Image

from sdp_plugin.catalogue.downloads import CLICKS_ON_BACKGROUND, CLICKS_ON_OBJECTS
from sdp_plugin.errors import UserError
from sdp_plugin.prepare.clicks_recipe import clicks_as_scribbles
from sdp_plugin.prepare.digests import digests_of
from sdp_plugin.scribbles.formats.index_png import read_index_png
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
    scribbles = clicks_as_scribbles(clicks, ['a', 'b'], tmp_path)
    assert list(scribbles) == ['a', 'b']
    assert scribbles['b'].strokes == ()
    assert (scribbles['a'].width, scribbles['a'].height) == (100, 80)
    assert [stroke.class_index for stroke in scribbles['a'].strokes] == [0, 7, 8]
    mask = rasterise(scribbles['a'], line_width=5)
    # Objects lie over the background, and a click beside the image labels what of its dot lies inside.
    assert Counter(mask.ravel().tolist()) == {255: 8000 - 21 - 4, 7: 21, 8: 4}
    rows, columns = np.nonzero(mask == 7)
    assert np.hypot(rows - 20, columns - 10).max() <= 2.5


def test_clicks_on_larger_originals_are_scaled(clicks, tmp_path):
    scribbles = clicks_as_scribbles(clicks, ['a'], tmp_path, longest_side=500)
    points = [stroke.points[0].tolist() for stroke in scribbles['a'].strokes]
    assert points == pytest.approx(np.array([[2, 4], [2, 4], [19.9, -0.2]]))


def test_images_of_another_size_are_noticed(clicks, tmp_path):
    clicks[1].write_text(json.dumps({'a': [{'x': 300, 'y': 20, 'cls': 7}]}))
    with pytest.raises(UserError, match='--clicks-side 500'):
        clicks_as_scribbles(clicks, ['a'], tmp_path)
    with pytest.raises(UserError, match='200 pixels'):
        clicks_as_scribbles(clicks, ['a'], tmp_path, longest_side=200)


def test_a_missing_image_is_named(clicks, tmp_path):
    with pytest.raises(UserError, match=r'c\.jpg'):
        clicks_as_scribbles(clicks, ['c'], tmp_path)


@pytest.mark.slow
@pytest.mark.real_data
def test_the_published_clicks_agree_with_the_masks(real_data):
    voc = real_data / 'VOCdevkit' / 'VOC2012'
    files = [real_data / 'clicks' / name for name in ('background_from_scribbles.json', 'whats_the_point.json')]
    for path, published in zip(files, (CLICKS_ON_BACKGROUND, CLICKS_ON_OBJECTS), strict=True):
        assert digests_of(path, published).fault() == ''
    ids = (voc / 'ImageSets' / 'Segmentation' / 'train_aug.txt').read_text().split()
    with pytest.raises(UserError, match='--clicks-side 500'):
        clicks_as_scribbles(files, ids, voc / 'JPEGImages')
    right, all_clicks = Counter(), Counter()
    for image_id, scribbles in clicks_as_scribbles(files, ids, voc / 'JPEGImages', longest_side=500).items():
        mask = read_index_png(voc / 'SegmentationClassAug' / f'{image_id}.png')
        for stroke in scribbles.strokes:
            kind = 'object' if stroke.class_index else 'background'
            x, y = np.clip(np.round(stroke.points[0]).astype(int), 0, np.array(mask.shape[::-1]) - 1)
            all_clicks[kind] += 1
            right[kind] += mask[y, x] == stroke.class_index
    assert all_clicks == {'object': 6571, 'background': 8368}
    assert right['object'] / all_clicks['object'] == pytest.approx(0.873, abs=5e-4)
    assert right['background'] / all_clicks['background'] == pytest.approx(0.977, abs=5e-4)
