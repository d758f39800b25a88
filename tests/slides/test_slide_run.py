"""Whole runs on generated slides: what is written lies where the colours lie, whatever interrupts it."""

from __future__ import annotations

import csv
import json
import os
import signal
import time
from itertools import pairwise
from pathlib import Path

import jsonschema
import numpy as np
import pytest
import shapely
import tifffile
from PIL import Image
from pyramids import COLOURS, NAMES, class_of_cell, painted, read_colours, write_pyramid_file

from sdp_plugin.catalogue.crc import CRC
from sdp_plugin.catalogue.nct_crc import NCT_CRC
from sdp_plugin.catalogue.pcam import PCAM
from sdp_plugin.errors import UserError
from sdp_plugin.slides.classes import slide_classes
from sdp_plugin.slides.heatmap import OPACITY, colour_map
from sdp_plugin.slides.inference import LogitsFile
from sdp_plugin.slides.model import SlideModel, slide_model
from sdp_plugin.slides.run import SlideOptions, predict_slides

INPUT = 24
CLASSES = slide_classes(NAMES, 'blue')
POSITION = {'type': 'array', 'items': {'type': 'number'}, 'minItems': 2, 'maxItems': 2}
RING = {'type': 'array', 'items': POSITION, 'minItems': 4}
GEOJSON = {  # RFC 7946, and what QuPath asks of properties
    'type': 'object',
    'required': ['type', 'features'],
    'properties': {
        'type': {'const': 'FeatureCollection'},
        'features': {
            'type': 'array',
            'items': {
                'type': 'object',
                'required': ['type', 'id', 'geometry', 'properties'],
                'properties': {
                    'type': {'const': 'Feature'},
                    'id': {'type': 'string', 'format': 'uuid'},
                    'geometry': {
                        'type': 'object',
                        'required': ['type', 'coordinates'],
                        'properties': {
                            'type': {'const': 'Polygon'},
                            'coordinates': {'type': 'array', 'items': RING, 'minItems': 1},
                        },
                    },
                    'properties': {
                        'type': 'object',
                        'required': ['objectType', 'classification', 'measurements'],
                        'properties': {
                            'objectType': {'enum': ['detection', 'annotation']},
                            'classification': {
                                'type': 'object',
                                'required': ['name', 'color'],
                                'properties': {
                                    'name': {'type': 'string', 'pattern': '^[A-Z]'},
                                    'color': {
                                        'type': 'array',
                                        'items': {'type': 'integer', 'minimum': 0, 'maximum': 255},
                                        'minItems': 3,
                                        'maxItems': 3,
                                    },
                                },
                            },
                            'measurements': {'type': 'object', 'additionalProperties': {'type': 'number'}},
                        },
                    },
                },
            },
        },
    },
}


def model(network=read_colours, mpp: float = 1.0) -> SlideModel:
    return SlideModel(network, (INPUT, INPUT), mpp, 'colours')


def rows_of(path: Path) -> list[dict[str, str]]:
    with open(path, newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def features_of(path: Path) -> list[dict]:
    content = json.loads(path.read_text())
    jsonschema.validate(content, GEOJSON, format_checker=jsonschema.FormatChecker())
    shapes = [shapely.geometry.shape(feature['geometry']) for feature in content['features']]
    assert all(shape.is_valid and shape.area for shape in shapes)
    assert len({feature['id'] for feature in content['features']}) == len(shapes)
    return content['features']


def rounded(value: float) -> int:
    return int(value + 0.5)


# mpp of the slide, factors of its levels, stride, unit. Of the model, mpp is 1 and tiles are of 24 pixels.
SLIDES = {
    'one level, side by side': (0.5, (1,), None, 'CENTIMETER'),
    'one level, tiles smaller than a pixel of a quarter': (0.2431, (1,), 11, 'CENTIMETER'),
    'twofold levels': (0.25, (1, 2, 4), None, 'INCH'),
    'twofold levels, overlapping': (0.25, (1, 2, 4), 7, 'CENTIMETER'),
    'fourfold levels, overlapping': (0.1, (1, 4, 8), 10, 'INCH'),
    'odd levels': (0.3, (1, 3), 13, 'CENTIMETER'),
    'levels that are too coarse': (0.7, (1, 5), 9, 'CENTIMETER'),
    'with gaps': (0.5, (1, 2), 40, 'CENTIMETER'),
    'the resolution of the model': (1.0, (1, 2), 5, 'CENTIMETER'),
    'coarser than the model': (1.6, (1,), None, 'CENTIMETER'),
}


@pytest.mark.parametrize('kind', SLIDES)
def test_the_right_place_has_the_right_colour(tmp_path, kind):
    mpp, factors, stride, unit = SLIDES[kind]
    step = rounded((stride or INPUT) / mpp)
    # The last tiles reach over the edges; their centres do not.
    width, height = 7 * step + 2 * step // 3 + 1, 5 * step + 3 * step // 4 + 1
    truth = painted(width, height, (step, step))
    path = write_pyramid_file(tmp_path / 'slide.tif', COLOURS[truth], factors, mpp, unit)
    lines = []
    [outcome] = predict_slides([path], model(), CLASSES, tmp_path / 'out', SlideOptions(stride=stride), lines.append)
    folder = tmp_path / 'out' / 'slide'

    side = rounded(INPUT / mpp)
    rows = rows_of(folder / 'tiles.csv')
    assert [(int(row['column']), int(row['row'])) for row in rows] == [(c, r) for r in range(6) for c in range(8)]
    for row in rows:
        column, line = int(row['column']), int(row['row'])
        assert NAMES[class_of_cell(column, line)] == row['predicted']
        assert float(row[f'prob_{row["predicted"]}']) == 1
        assert (int(row['width']), int(row['height'])) == (side, side)
        x, y = int(row['x']), int(row['y'])
        # Tile and cell have one centre, to half a pixel.
        assert abs(2 * x + side - (2 * column + 1) * step) <= 1
        assert abs(2 * y + side - (2 * line + 1) * step) <= 1
        x, y = int(row['cell_x']), int(row['cell_y'])
        cell = truth[y : y + int(row['cell_height']), x : x + int(row['cell_width'])]
        assert np.unique(cell).tolist() == [class_of_cell(column, line)]
    assert sum(int(row['cell_width']) * int(row['cell_height']) for row in rows) == width * height

    drawn = np.full_like(truth, -1)
    for feature in features_of(folder / 'tiles.geojson'):
        name = feature['properties']['classification']['name'].lower()
        x0, y0, x1, y1 = (int(value) for value in shapely.geometry.shape(feature['geometry']).bounds)
        drawn[y0:y1, x0:x1] = NAMES.index(name)
        assert feature['properties']['measurements'][f'Probability: {name.capitalize()}'] == 1
    np.testing.assert_array_equal(drawn, truth)

    blue = NAMES.index('blue')
    outlined = shapely.union_all([shapely.geometry.shape(f['geometry']) for f in features_of(folder / 'blue.geojson')])
    expected = [shapely.box(x, y, min(x + step, width), min(y + step, height)) for x, y in cells_of(blue, step, truth)]
    assert outlined.equals(shapely.union_all(expected))

    check_pyramid(folder / 'heatmap.ome.tif', truth, mpp)
    check_overlay(folder / 'heatmap.png', COLOURS[truth], truth == blue, outcome.summary['overlay_scale'])
    areas = {name: area['mm2'] for name, area in outcome.summary['classes'].items()}
    for index, name in enumerate(NAMES):
        assert areas[name] == pytest.approx((truth == index).sum() * mpp**2 / 1e6, abs=2e-6)
    assert outcome.summary['target']['mm2'] == areas['blue']
    assert ('coarser' in '\n'.join(lines)) == (mpp > 1)


def cells_of(class_index: int, step: int, truth: np.ndarray) -> list[tuple[int, int]]:
    corners = truth[::step, ::step]
    return [(column * step, row * step) for row, column in np.argwhere(corners == class_index).tolist()]


def check_pyramid(path: Path, truth: np.ndarray, mpp: float) -> None:
    """Every pixel that lies on the slide has the class of the place at its centre, at the resolution that it says."""
    with tifffile.TiffFile(path) as file:
        [series] = file.series
        levels = [level.asarray() for level in series.levels]
        pixels = tifffile.xml2dict(file.ome_metadata)['OME']['Image']['Pixels']
        numerator, denominator = file.pages[0].tags['XResolution'].value
    of_ome = float(pixels['PhysicalSizeX'])
    assert pixels['PhysicalSizeXUnit'] == 'µm'
    assert [channel['Name'] for channel in pixels['Channel']] == [name.capitalize() for name in NAMES]
    assert 1e4 * denominator / numerator == pytest.approx(of_ome, rel=1e-6)
    assert max(levels[0].shape) >= 1024
    scale = of_ome / mpp
    y, x = (np.floor((np.arange(length) + 0.5) * scale).astype(int) for length in levels[0].shape[1:])
    y, x = y[y < truth.shape[0]], x[x < truth.shape[1]]
    for index, channel in enumerate(levels[0]):
        np.testing.assert_array_equal(channel[: len(y), : len(x)] == 255, truth[y][:, x] == index)
    for finer, coarser in pairwise(levels):
        assert coarser.shape[1:] == tuple(-(-length // 2) for length in finer.shape[1:])


def check_overlay(path: Path, image: np.ndarray, chosen: np.ndarray, scale: int) -> None:
    overlay = np.asarray(Image.open(path)).astype(int)
    assert overlay.shape[:2] == tuple(-(-length // scale) for length in image.shape[:2])
    assert max(overlay.shape) <= 2048
    y, x = (((np.arange(length) + 0.5) * scale).astype(int) for length in overlay.shape[:2])
    y, x = y.clip(max=len(image) - 1), x.clip(max=image.shape[1] - 1)
    if scale == 1:
        colours = colour_map(chosen[y][:, x].astype(float))
        expected = (OPACITY * colours + (1 - OPACITY) * image[y][:, x]).round()
        assert np.abs(overlay - expected).max() <= 1


def test_large_slides_have_an_overlay_of_bounded_size(tmp_path):
    truth = painted(5000, 900, (300, 300))
    path = write_pyramid_file(tmp_path / 'slide.tif', COLOURS[truth], (1,), 0.5)
    options = SlideOptions(stride=150, shown=2)
    [outcome] = predict_slides([path], model(), CLASSES, tmp_path / 'out', options, lambda line: None)
    scale = outcome.summary['overlay_scale']
    assert scale == 3
    overlay = np.asarray(Image.open(tmp_path / 'out' / 'slide' / 'heatmap.png')).astype(int)
    assert overlay.shape == (300, 1667, 3)
    # Inside of cells, colours over an overview of the slide are those over one colour.
    for row, column in [(0, 0), (1, 3), (2, 15)]:
        index = class_of_cell(column, row)
        expected = OPACITY * colour_map(float(NAMES[index] == 'blue')) + (1 - OPACITY) * COLOURS[index]
        inside = overlay[row * 100 + 3 : row * 100 + 97, column * 100 + 3 : column * 100 + 97]
        assert np.abs(inside - expected).max() <= 1


def of_its_batch(tiles: np.ndarray) -> np.ndarray:
    """Numbers that depend on the tiles beside a tile, as the last bits of a real network's do."""
    logits = read_colours(tiles) * 0.01 + tiles.mean(axis=(1, 2, 3), dtype=np.float64)[:, None] / 255
    return (logits + tiles.mean() / 1e4).astype(np.float32)


@pytest.fixture
def noisy_slide(tmp_path) -> Path:
    truth = painted(600, 450, (30, 30))
    noise = np.random.default_rng(0).integers(0, 30, (*truth.shape, 3), dtype=np.uint8)
    return write_pyramid_file(tmp_path / 'noisy.tif', COLOURS[truth] // 2 + 50 + noise, (1, 2), 0.5)


def test_killed_at_ten_moments_the_table_is_the_same(noisy_slide, tmp_path):
    options = SlideOptions(stride=12, batch_size=30, shown=1)
    calls = tmp_path / 'calls'

    def run(out: Path) -> None:
        def slow(tiles: np.ndarray) -> np.ndarray:
            with calls.open('a') as file:
                file.write('.')
            time.sleep(0.02)
            return of_its_batch(tiles)

        predict_slides([noisy_slide], model(slow), CLASSES, out, options, lambda line: None)

    begin = time.monotonic()
    run(tmp_path / 'whole')
    duration = time.monotonic() - begin
    batches = len(calls.read_text())
    assert batches > 10
    calls.unlink()
    killed = 0
    for moment in range(10):
        child = os.fork()
        if not child:
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_REAL, duration * (0.15 + 0.08 * moment))
            run(tmp_path / 'killed')
            os._exit(0)
        killed += os.WIFSIGNALED(os.waitpid(child, 0)[1])
    assert killed
    run(tmp_path / 'killed')
    for name in ('tiles.csv', 'tiles.geojson', 'blue.geojson', 'heatmap.png', 'summary.json'):
        assert (tmp_path / 'killed/noisy' / name).read_bytes() == (tmp_path / 'whole/noisy' / name).read_bytes()
    assert not [path for path in (tmp_path / 'killed').rglob('.*.*.*') if path.name != '.logits.f32' and not killed]
    assert batches <= len(calls.read_text()) <= batches + killed


@pytest.mark.parametrize(('bytes_there', 'done'), [(0, 0), (79, 0), (80, 4), (99, 4), (160, 8), (179, 8), (180, 9)])
def test_half_a_batch_is_cut_off(tmp_path, bytes_there, done):
    path = tmp_path / 'logits'
    path.write_bytes(bytes(bytes_there))
    file = LogitsFile(path, count=9, classes=5, batch_size=4)
    assert file.done() == done
    file.append(np.full((min(4, 9 - start), 5), 7, np.float32) for start in range(done, 9, 4))
    assert file.read().shape == (9, 5)
    np.testing.assert_array_equal(file.read()[:, 0] == 7, np.arange(9) >= done)


def test_a_finished_slide_is_not_classified_again_and_other_settings_are_refused(noisy_slide, tmp_path):
    calls = []

    def counted(tiles: np.ndarray) -> np.ndarray:
        calls.append(len(tiles))
        return read_colours(tiles)

    def run(**options) -> list[str]:
        lines = []
        chosen = slide_classes(NAMES, options.pop('target', 'blue'))
        predict_slides([noisy_slide], model(counted), chosen, tmp_path / 'out', SlideOptions(**options), lines.append)
        return lines

    run(shown=1)
    count = sum(calls)
    assert f'{count} of {count} tiles are there already' in run(shown=2, target='red')[0]
    assert sum(calls) == count
    outlines = [tmp_path / 'out' / 'noisy' / f'{name}.geojson' for name in ('blue', 'red')]
    ids = [{feature['id'] for feature in features_of(path)} for path in outlines]
    assert all(ids)
    assert not ids[0] & ids[1]
    with pytest.raises(UserError, match='another step, tiles') as error:
        run(stride=12)
    assert '--overwrite' in str(error.value)
    run(stride=12, overwrite=True)
    assert sum(calls) > 2 * count
    assert [path.is_file() for path in outlines] == [True, False]


def test_a_bad_slide_is_one_line_and_the_others_are_finished(noisy_slide, tmp_path):
    broken, cut = tmp_path / 'broken.svs', tmp_path / 'cut.tif'
    broken.write_bytes(noisy_slide.read_bytes()[:5000])
    cut.write_bytes(noisy_slide.read_bytes().replace(b'\x78', b'\x00', 400))
    another = tmp_path / 'another.tif'
    another.write_bytes(noisy_slide.read_bytes())
    lines = []
    outcomes = predict_slides(
        [broken, noisy_slide, cut, another], model(), CLASSES, tmp_path / 'out', SlideOptions(), lines.append
    )
    assert [bool(outcome.problem) for outcome in outcomes] == [True, False, True, False]
    assert len(lines) == 4
    assert not [line for line in lines if '\n' in line]
    assert 'broken.svs (1 of 4): left out: ' in lines[0]
    assert 'cut.tif cannot be read at x=' in lines[2]
    listed = rows_of(tmp_path / 'out' / 'slides.csv')
    assert [row['slide'] for row in listed] == [str(outcome.slide) for outcome in outcomes]
    assert [bool(row['problem']) for row in listed] == [True, False, True, False]
    assert float(listed[1]['blue, mm2']) == outcomes[1].summary['classes']['blue']['mm2']
    assert not (tmp_path / 'out' / 'broken').exists()
    assert not (tmp_path / 'out' / 'cut' / 'tiles.csv').exists()


def test_what_a_person_can_get_wrong(noisy_slide, tmp_path):
    def refused(match: str, path: Path = noisy_slide, network=read_colours, **options) -> None:
        with pytest.raises(UserError, match=match):
            predict_slides([path], model(network), CLASSES, tmp_path / 'out', SlideOptions(**options), print)

    refused('no such slide', tmp_path / 'nowhere.svs')
    refused('The stride is no distance', stride=0)
    refused('No tile of .* holds enough tissue', least_tissue=1.01)
    refused('gives no numbers', network=lambda tiles: np.full((len(tiles), 5), np.nan, np.float32))
    white = write_pyramid_file(tmp_path / 'white.tif', np.full((300, 300, 3), 244, np.uint8), (1,), 0.5)
    refused('shows no tissue', white)
    with pytest.raises(UserError, match='one folder of results'):
        predict_slides([noisy_slide, tmp_path / 'b' / 'noisy.svs'], model(), CLASSES, tmp_path, SlideOptions(), print)
    with pytest.raises(UserError, match='no such class'):
        slide_classes(NAMES, 'tumour')
    with pytest.raises(UserError, match='no probability'):
        slide_classes(NAMES, None, 1.5)


def test_a_class_of_any_name_is_outlined_in_the_folder_of_the_slide():
    names = [slide_classes((name,)).outlines_file for name in ('../../x', '/etc/x', 'tiles', 'n' * 200, 'Tumor 1')]
    assert names == ['______x.geojson', '_etc_x.geojson', 'tiles_.geojson', f'{"n" * 60}.geojson', 'Tumor 1.geojson']


def test_the_classes_of_each_data_set_of_tiles_have_their_colours():
    for card in (PCAM, CRC, NCT_CRC):
        assert slide_classes(card.classes).colours == card.palette
    assert slide_classes(NCT_CRC.classes).target_name == 'TUM'


@pytest.mark.parametrize('mpp', [0.0, -0.5, float('nan'), 1000.0])
def test_a_resolution_of_tiles_that_is_none_is_refused(mpp):
    with pytest.raises(UserError, match='no resolution of tiles'):
        slide_model(None, 'a.pth', mpp)


def test_the_contact_sheet_shows_tiles_and_where_the_network_looks(noisy_slide, tmp_path):
    looked = []

    def activation(tile: np.ndarray, class_index: int) -> np.ndarray:
        looked.append((tile.shape, class_index))
        return np.linspace(0, 1, tile.shape[0] * tile.shape[1]).reshape(tile.shape[:2])

    with_map = SlideModel(read_colours, (INPUT, INPUT), 1.0, 'colours', activation)
    predict_slides([noisy_slide], with_map, CLASSES, tmp_path, SlideOptions(shown=3), lambda line: None)
    page = (tmp_path / 'noisy' / 'contact_sheet.html').read_text()
    assert page.count('<figure>') == len(looked) == 3 * (len(NAMES) + 1)
    assert page.count('where it looks') == len(looked)
    assert {shape for shape, _ in looked} == {(INPUT, INPUT, 3)}
    assert 'src="http' not in page
    assert 'Most certainly violet' in page
