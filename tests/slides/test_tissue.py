"""Tissue by colour and by drawn areas, and the cells that they cover."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.slides.tiling import TileGrid, cells_on
from sdp_plugin.slides.tissue import drawn_areas, find_tissue

PINK, GLASS, INK = (205, 120, 180), (243, 242, 244), (10, 5, 30)


def picture(noise: int = 6) -> np.ndarray:
    """At 8 micrometres a pixel: a disc with a small hole and a large one, a speck, and a black line."""
    image = np.full((400, 500, 3), GLASS, np.uint8)
    cv2.circle(image, (200, 200), 120, PINK, -1)
    cv2.circle(image, (150, 200), 6, GLASS, -1)
    cv2.circle(image, (230, 200), 40, GLASS, -1)
    cv2.circle(image, (450, 60), 3, PINK, -1)
    cv2.line(image, (400, 300), (480, 390), INK, 6)
    rng = np.random.default_rng(0)
    return (image.astype(int) + rng.integers(-noise, noise + 1, image.shape)).clip(0, 255).astype(np.uint8)


def test_tissue_without_specks_and_with_small_holes_filled():
    mask = find_tissue(picture(), 8)
    assert mask[200, 100]
    assert mask[200, 150], 'a small hole is filled'
    assert not mask[200, 230], 'a large one is not'
    assert not mask[60, 450], 'a speck is no tissue'
    assert not mask[345, 440], "nor is a pen's line"
    disc = np.pi * (120**2 - 40**2)
    assert mask.sum() == pytest.approx(disc, rel=0.03)


@pytest.mark.parametrize(('colour', 'all_of_it'), [(PINK, True), (GLASS, False), (INK, False)])
def test_slides_of_one_kind(colour, all_of_it):
    """Otsu's threshold would part what is all the same."""
    noise = np.random.default_rng(0).integers(-5, 6, (300, 300, 3))
    mask = find_tissue((np.array(colour) + noise).clip(0, 255).astype(np.uint8), 8)
    assert mask.mean() == all_of_it


def test_the_same_tissue_at_any_scale():
    fine = find_tissue(picture(), 8)
    coarse = find_tissue(cv2.resize(picture(), None, fx=0.25, fy=0.25, interpolation=cv2.INTER_AREA), 32)
    assert coarse.mean() == pytest.approx(fine.mean(), rel=0.05)


@pytest.mark.real_data
def test_tissue_of_the_real_slide(real_data):
    from sdp_plugin.slides.reading import open_slide

    with open_slide(real_data / 'slides' / 'CMU-1-Small-Region.svs') as slide:
        mask = find_tissue(slide.overview(4), 4 * 0.499)
    assert 0.28 < mask.mean() < 0.38
    assert mask[1900 // 4, 1100 // 4]
    assert not mask[: 20 // 4, 100 // 4 :].any()
    assert not mask[500 // 4 : 800 // 4, : 700 // 4].any()


def of_polygon(corners: str) -> str:
    return f'{{"features": [{{"type": "Feature", "geometry": {{"type": "Polygon", "coordinates": [[{corners}]]}}}}]}}'


def geojson(path, *geometries: dict) -> str:
    features = [{'type': 'Feature', 'geometry': geometry, 'properties': {}} for geometry in geometries]
    path.write_text(json.dumps({'type': 'FeatureCollection', 'features': features}))
    return path


def ring(x0: float, y0: float, x1: float, y1: float) -> list:
    return [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]


def test_areas_of_qupath_with_holes_and_several_parts(tmp_path):
    polygon = {'type': 'Polygon', 'coordinates': [ring(40, 40, 400, 360), ring(100, 100, 200, 200)]}
    several = {'type': 'MultiPolygon', 'coordinates': [[ring(120, 120, 160, 160)], [ring(700, 500, 900, 600)]]}
    line = {'type': 'LineString', 'coordinates': [[0, 0], [10, 10]]}
    mask = drawn_areas(geojson(tmp_path / 'a.geojson', polygon, several, line), (150, 200), 4)
    expected = np.zeros((150, 200), bool)
    expected[10:90, 10:100] = True
    expected[25:50, 25:50] = False
    expected[30:40, 30:40] = True
    expected[125:150, 175:200] = True
    # Drawing takes pixels whose centre lies on the edge, too.
    assert (mask != expected).sum() <= 400
    assert not (mask != expected)[12:24, 12:98].any()


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('no JSON', 'is no JSON'),
        ('[1, 2]', 'is not as it has to be'),
        (
            '{"features": [{"type": "Feature", "geometry": {"type": "Polygon", "coordinates": 3}}]}',
            'a geometry that is none',
        ),
        (of_polygon('[0, 1e9], [1, 1], [0, 1], [0, 1e9]'), 'far outside'),
        ('{"features": [{"type": "Feature", "geometry": {"type": "Point", "coordinates": [0, 0]}}]}', 'holds no area'),
        (of_polygon('[9e5, 9e5], [9e6, 9e5], [9e6, 9e6]'), 'elsewhere'),
    ],
)
def test_what_is_no_area(tmp_path, text, message):
    (tmp_path / 'a.geojson').write_text(text)
    with pytest.raises(UserError, match=message):
        drawn_areas(tmp_path / 'a.geojson', (100, 100), 4)


@pytest.mark.parametrize('step', [(8, 8), (10, 6), (3, 7), (40, 60)])
@pytest.mark.parametrize('least', [0.25, 0.5, 1])
def test_cells_that_are_covered(step, least):
    """Beside counting level-0 pixels, one by one."""
    scale, size = 4, (119, 78)
    mask = np.random.default_rng(0).random((20, 30)) > 0.4
    grid = TileGrid(size, (96, 96), step)
    pixels = mask.repeat(scale, 0).repeat(scale, 1)[: size[1], : size[0]]
    expected = []
    for index in range(grid.columns * grid.rows):
        cell = grid.cell(index)
        covered = pixels[cell.y : cell.y + cell.height, cell.x : cell.x + cell.width].mean()
        expected += [index] if covered >= least else []
    assert cells_on(mask, scale, grid, least).tolist() == expected


def test_a_missing_file_of_areas_is_not_called_scribbles(tmp_path):
    with pytest.raises(UserError, match='does not exist') as caught:
        drawn_areas(tmp_path / 'a.geojson', (100, 100), 4)
    assert 'scribbles' not in str(caught.value)
