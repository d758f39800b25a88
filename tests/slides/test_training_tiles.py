from __future__ import annotations

import json
from unittest.mock import Mock

import numpy as np
import pytest
from PIL import Image
from pyramids import write_pyramid_file

from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.tile_places import TilePlace, read_tile_places
from sdp_plugin.slides.reading import open_slide
from sdp_plugin.slides.training_tiles import cut_tiles


@pytest.fixture
def slide(tmp_path):
    picture = np.zeros((200, 300, 3), np.uint8)
    picture[:, 100:] = 200
    with open_slide(write_pyramid_file(tmp_path / 'a.tif', picture, (1,), 0.5)) as opened:
        yield opened


def drawn(path, *points):
    geometry = {'type': 'LineString', 'coordinates': points}
    path.write_text(json.dumps([{'type': 'Feature', 'geometry': geometry, 'properties': {}}]))
    return path


def test_tiles_with_strokes_are_cut_and_those_of_before_stay_in_the_table(slide, tmp_path):
    out = tmp_path / 'out'
    first = cut_tiles(slide, drawn(tmp_path / 'a.json', (10, 10), (190, 20)), 1.0, 50, out)
    assert first == (TilePlace('a_0_0', 0, 0, 100, 100, 50, 50), TilePlace('a_100_0', 100, 0, 100, 100, 50, 50))
    means = [np.asarray(Image.open(out / 'JPEGImages' / f'{place.image_id}.jpg')).mean().round() for place in first]
    assert means == [0, 200]
    again = cut_tiles(slide, drawn(tmp_path / 'b.json', (110, 10), (120, 150)), 1.0, 50, out)
    assert [place.image_id for place in again] == ['a_100_0', 'a_100_100']
    assert [place.image_id for place in read_tile_places(out / 'tiles.csv')] == ['a_0_0', 'a_100_0', 'a_100_100']
    names = (out / 'ImageSets' / 'Segmentation' / 'train_aug.txt').read_text().split()
    assert names == ['a_0_0', 'a_100_0', 'a_100_100']


def test_tiles_of_another_size_or_resolution_are_not_mixed(slide, tmp_path):
    strokes = drawn(tmp_path / 'a.json', (10, 10), (20, 20))
    cut_tiles(slide, strokes, 1.0, 50, tmp_path / 'out')
    for mpp, size in ((1.0, 25), (0.5, 50)):
        with pytest.raises(UserError, match='of another size or resolution'):
            cut_tiles(slide, strokes, mpp, size, tmp_path / 'out')


def test_strokes_elsewhere_are_refused(slide, tmp_path):
    with pytest.raises(UserError, match='No stroke'):
        cut_tiles(slide, drawn(tmp_path / 'a.json', (400, 10), (500, 20)), 1.0, 50, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


def test_another_slide_of_the_same_name_is_refused(slide, tmp_path):
    out, strokes = tmp_path / 'out', drawn(tmp_path / 'a.json', (10, 10), (190, 20))
    places = cut_tiles(slide, strokes, 1.0, 50, out)
    before = {path: path.read_bytes() for path in out.rglob('*') if path.is_file()}
    (tmp_path / 'd').mkdir()
    other = write_pyramid_file(tmp_path / 'd' / 'a.tif', np.full((200, 300, 3), 90, np.uint8), (1,), 0.5)
    with open_slide(other) as opened, pytest.raises(UserError, match='another slide of the name a'):
        cut_tiles(opened, strokes, 1.0, 50, out)
    assert {path: path.read_bytes() for path in out.rglob('*') if path.is_file()} == before
    assert cut_tiles(slide, strokes, 1.0, 50, out) == places


@pytest.mark.parametrize(('mpp', 'size'), [(1.0, 25), (0.5, 50)])
def test_other_tiles_of_a_slide_are_refused_wherever_they_lie(slide, tmp_path, mpp, size):
    cut_tiles(slide, drawn(tmp_path / 'a.json', (10, 10), (20, 20)), 1.0, 50, tmp_path / 'out')
    elsewhere = drawn(tmp_path / 'b.json', (260, 160), (270, 170))
    with pytest.raises(UserError, match='of another size or resolution'):
        cut_tiles(slide, elsewhere, mpp, size, tmp_path / 'out')


def test_work_that_was_killed_goes_on(slide, tmp_path, monkeypatch):
    out, strokes = tmp_path / 'out', drawn(tmp_path / 'a.json', (10, 10), (190, 20))
    with monkeypatch.context() as patch:
        patch.setattr('sdp_plugin.slides.training_tiles.write_tile_places', Mock(side_effect=KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            cut_tiles(slide, strokes, 1.0, 50, out)
    with pytest.raises(UserError, match='of another size or resolution'):
        cut_tiles(slide, strokes, 2.0, 25, out)
    assert len(cut_tiles(slide, strokes, 1.0, 50, out)) == len(read_tile_places(out / 'tiles.csv')) == 2


@pytest.mark.parametrize(('mpp', 'size'), [(1.0, 100_000), (40.0, 5000)])
def test_tiles_that_take_all_memory_are_refused_before_the_strokes_are_read(slide, tmp_path, mpp, size):
    with pytest.raises(UserError, match='smaller --size'):
        cut_tiles(slide, tmp_path / 'missing.json', mpp, size, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()


@pytest.mark.parametrize('name', ['a\nb.tif', 'a\x1b.tif', ' a.tif', 'a\\b.tif', '\udce9.tif'])
def test_names_that_no_list_can_hold_are_refused(slide, tmp_path, name):
    slide.path = slide.path.rename(tmp_path / name)
    with pytest.raises(UserError, match='name of the slide'):
        cut_tiles(slide, drawn(tmp_path / 'a.json', (10, 10), (190, 20)), 1.0, 50, tmp_path / 'out')
    assert not (tmp_path / 'out').exists()
