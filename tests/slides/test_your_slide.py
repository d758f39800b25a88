"""docs/your_slide.md: its commands, in its order, on the real slide; only the numbers of iterations are smaller."""

from __future__ import annotations

import csv
import json
import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / 'docs' / 'your_slide.md').read_text()
SMALLER = {
    'max_epochs=20': 'max_epochs=1 examples_per_class=1 batch_size=2 num_workers=0',
    'epoch_20': 'epoch_1',
    'max_iters=2000': 'max_iters=2 crop_size=65,65 num_workers=0',
    'batch_size=4': 'batch_size=2',
    # Processes forked from one with threads of OpenSlide and torch could wait for ever.
    '--class-names': '--workers 1 --class-names',
    'iter_2000': 'iter_2',
}


def blocks(language: str) -> list[str]:
    return re.findall(rf'```{language}\n(.*?)```', PAGE, re.DOTALL)


def commands() -> list[list[str]]:
    lines = [line for block in blocks('bash') for line in block.strip().splitlines()]
    for long, short in SMALLER.items():
        assert any(long in line for line in lines)
        lines = [line.replace(long, short) for line in lines]
    return [shlex.split(line) for line in lines]


@pytest.mark.real_data
@pytest.mark.slow
def test_the_commands_of_the_page(real_data, small_data, run_tool, tmp_path, monkeypatch):
    for name in ('configs', 'tools'):
        (tmp_path / name).symlink_to(ROOT / name)
    (tmp_path / 'data').mkdir()
    (tmp_path / 'data' / 'pcam').symlink_to(small_data.pcam)
    shutil.copy(real_data / 'slides' / 'CMU-1-Small-Region.svs', tmp_path / 'slide.svs')
    [strokes] = blocks('json')
    (tmp_path / 'strokes.geojson').write_text(strokes)
    monkeypatch.chdir(tmp_path)
    tools = []
    for interpreter, tool, *arguments in commands():
        assert interpreter == 'python'
        status, printed, errors = run_tool(tool.removeprefix('tools/'), *arguments)
        assert status == 0, f'{tool}: {printed}{errors}'
        tools.append(tool.removeprefix('tools/'))
    assert {'train.py', 'predict.py', 'cut_tiles.py', 'scribbles.py', 'convert_weights.py', 'export.py'} == set(tools)

    folder = tmp_path / 'predictions' / 'first' / 'slide'
    names = {'tiles.csv', 'tiles.geojson', 'tumour.geojson', 'heatmap.png', 'heatmap.ome.tif', 'contact_sheet.html'}
    assert names < {path.name for path in folder.iterdir()}
    summary = json.loads((folder / 'summary.json').read_text())
    assert summary['tile_side'] == [187, 187]
    assert 0.5 < summary['classified_mm2'] < 0.7
    assert 'where it looks' in (folder / 'contact_sheet.html').read_text()
    check_tiles_and_strokes(tmp_path)
    config = json.loads((tmp_path / 'exported' / 'config.json').read_text())
    assert (config['spacing_um_px'], config['patch_size_pixels']) == (0.972, 96)


def check_tiles_and_strokes(folder: Path) -> None:
    """Tiles are the slide's pixels, and strokes lie on them where they lie on the slide."""
    import openslide

    from sdp_plugin.scribbles.formats.scribblesup import read_scribblesup

    strokes = [f['geometry']['coordinates'] for f in json.loads(blocks('json')[0])['features']]
    slide = openslide.OpenSlide(str(folder / 'slide.svs'))
    with open(folder / 'data' / 'my_slide' / 'tiles.csv', newline='') as file:
        places = list(csv.DictReader(file))
    assert len(places) == 6
    for place in places:
        x, y, side = int(place['x']), int(place['y']), int(place['width'])
        assert side == 748
        inside = slide.read_region((x, y), 0, (min(side, 2220 - x), min(side, 2967 - y))).convert('RGB')
        direct = np.full((side, side, 3), 255, np.uint8)
        direct[: inside.height, : inside.width] = inside
        direct = np.asarray(Image.fromarray(direct).resize((384, 384), Image.Resampling.BILINEAR), int)
        cut = np.asarray(Image.open(folder / 'data/my_slide/JPEGImages' / f'{place["image_id"]}.jpg'), int)
        assert np.abs(cut - direct).mean() < 3  # JPEG
        on_tile = read_scribblesup(
            folder / 'data/my_slide/Scribbles' / f'{place["image_id"]}.xml', ('Stroma', 'Epithelium')
        )
        for stroke in on_tile.strokes:
            # A pixel's centre is a whole number on a tile, and half of one on the slide.
            on_slide = (stroke.points + 0.5) * 748 / 384 + (x, y)
            errors = [np.abs(on_slide - line).max() for line in strokes if len(line) == len(on_slide)]
            assert min(errors) < 1.1  # XML of whole pixels
