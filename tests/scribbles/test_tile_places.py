"""Strokes on a slide come to the tiles that were cut from it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.formats.qupath import read_qupath, read_qupath_tiles
from sdp_plugin.scribbles.formats.scribblesup import read_scribblesup
from sdp_plugin.scribbles.tile_places import TilePlace, read_tile_places, write_tile_places

CLASSES = ('Stroma', 'Tumor')
PLACES = (
    TilePlace('s_0_0', 0, 0, 750, 748, 384, 384),
    TilePlace('s_750_0', 750, 0, 750, 748, 384, 384),
    TilePlace('s_9000_0', 9000, 0, 750, 748, 384, 384),
)


def feature(coordinates: list, name: str) -> dict:
    geometry = {'type': 'LineString', 'coordinates': coordinates}
    return {'type': 'Feature', 'geometry': geometry, 'properties': {'classification': {'name': name}}}


@pytest.fixture
def drawn(tmp_path):
    path = tmp_path / 'slide.geojson'
    area = {'type': 'Feature', 'geometry': {'type': 'Polygon', 'coordinates': []}, 'properties': {}}
    strokes = [feature([[100, 50], [200, 60]], 'Tumor'), feature([[700, 300], [900, 350]], 'Stroma')]
    path.write_text(json.dumps({'type': 'FeatureCollection', 'features': [*strokes, area]}))
    return path


def test_each_tile_has_the_strokes_that_come_near_it(drawn):
    first, second = read_qupath_tiles(drawn, CLASSES, PLACES)
    assert (first.image_id, second.image_id) == ('s_0_0', 's_750_0')
    assert [stroke.class_index for stroke in first.drawn.strokes] == [1, 0]
    assert [stroke.class_index for stroke in second.drawn.strokes] == [0]
    assert (first.drawn.width, first.drawn.height) == (384, 384)
    assert first.left_out == ('1 Polygon feature(s)',)
    assert second.left_out == ()
    scale = np.array([384 / 750, 384 / 748])
    expected = (np.array([[700, 300], [900, 350]]) - (750, 0)) * scale - 0.5
    np.testing.assert_allclose(second.drawn.strokes[0].points, expected)


def test_a_tile_alone_gives_the_same_as_its_offset_and_scale(drawn):
    place = TilePlace('tile', 40, 20, 800, 800, 200, 200)
    [ours] = read_qupath_tiles(drawn, CLASSES, [place])
    alone = read_qupath(drawn, CLASSES, (200, 200), offset=(40, 20), scale=0.25)
    assert len(ours.drawn.strokes) == 2
    for a, b in zip(ours.drawn.strokes, alone.drawn.strokes, strict=True):
        np.testing.assert_allclose(a.points, b.points)


def test_the_table_is_read_as_it_was_written(tmp_path):
    write_tile_places(PLACES, tmp_path / 'tiles.csv')
    assert read_tile_places(tmp_path / 'tiles.csv') == PLACES


HEADER = 'image_id,x,y,width,height,columns,rows\n'


@pytest.mark.parametrize(
    'text',
    [
        '',
        'image_id,x\na,1\n',
        f'{HEADER}a,0,0,0,1,1,1\n',
        f'{HEADER}a,{10**20},0,1,1,1,1\n',
        f'{HEADER}a,1_0,0,1,1,1,1\n',
        f'{HEADER}../a,0,0,1,1,1,1\n',
        f'{HEADER},0,0,1,1,1,1\n',
        f'{HEADER}a,0,0,1,1,1,1\na,1,0,1,1,1,1\n',
    ],
)
def test_what_is_no_table_of_tiles(tmp_path, text):
    (tmp_path / 'tiles.csv').write_text(text)
    with pytest.raises(UserError, match=r'table of tiles|names no tiles|names a tile'):
        read_tile_places(tmp_path / 'tiles.csv')


def test_strokes_of_another_slide(drawn):
    with pytest.raises(UserError, match='no stroke on any of these tiles'):
        read_qupath_tiles(drawn, CLASSES, PLACES[2:])


def test_the_tool_writes_a_file_for_each_tile(drawn, tmp_path, run_tool):
    write_tile_places(PLACES, tmp_path / 'tiles.csv')
    arguments = ('convert', drawn, tmp_path / 'out', '--from', 'qupath', '--tiles', tmp_path / 'tiles.csv')
    status, printed, errors = run_tool('scribbles.py', *arguments, '--class-names', 'Stroma,Tumor')
    assert status == 0, errors
    assert '2 written' in printed
    [stroke] = read_scribblesup(tmp_path / 'out' / 's_750_0.xml', CLASSES).strokes
    assert stroke.class_index == 0


def test_a_slide_whose_name_is_a_formula(tmp_path):
    places = [TilePlace('=cmd|calc_0_0', 0, 0, 10, 10, 5, 5), TilePlace("'quoted", 0, 0, 10, 10, 5, 5)]
    write_tile_places(places, tmp_path / 'tiles.csv')
    assert "\n'=cmd" in (tmp_path / 'tiles.csv').read_text().replace('\r', '')
    assert list(read_tile_places(tmp_path / 'tiles.csv')) == places
