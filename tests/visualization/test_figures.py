from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from sdp_plugin.catalogue.palette import voc_palette
from sdp_plugin.errors import UserError
from sdp_plugin.visualization.figures import SegmentationRow, TileBlock, save_contact_sheet, save_segmentation_panels

HEIGHT, WIDTH = 60, 80


def make_row(title: str = '2000_000001') -> SegmentationRow:
    image = np.full((HEIGHT, WIDTH, 3), (30, 90, 160), dtype=np.uint8)
    mask = np.zeros((HEIGHT, WIDTH), dtype=np.uint8)
    mask[10:50, 20:60] = 12
    scribbles = np.full_like(mask, 255)
    scribbles[28:32, 25:55] = 12
    return SegmentationRow(image, scribbles, mask, {'masks': mask.copy(), 'scribbles': np.full_like(mask, 3)}, title)


def colours_in(path) -> set[tuple[int, int, int]]:
    picture = np.asarray(Image.open(path).convert('RGB'))
    return set(map(tuple, np.unique(picture.reshape(-1, 3), axis=0).tolist()))


def read_size(path) -> tuple[int, int]:
    with Image.open(path) as image:
        return image.size


def test_panels_show_image_masks_and_predictions_in_voc_colours(tmp_path):
    save_segmentation_panels([make_row()], tmp_path / 'panels.png')
    shown = colours_in(tmp_path / 'panels.png')
    assert (30, 90, 160) in shown
    for class_index in (0, 3, 12):
        assert tuple(voc_palette()[class_index].tolist()) in shown


def test_without_scribbles_their_column_is_left_out(tmp_path):
    row = dataclasses.replace(make_row(), scribbles=None)
    save_segmentation_panels([row], tmp_path / 'without.png')
    save_segmentation_panels([make_row(), row], tmp_path / 'some.png')
    save_segmentation_panels([make_row(), make_row()], tmp_path / 'all.png')
    assert read_size(tmp_path / 'without.png')[0] < read_size(tmp_path / 'some.png')[0]
    assert read_size(tmp_path / 'some.png') == read_size(tmp_path / 'all.png')


def test_scribbles_are_drawn_over_a_grey_image(tmp_path):
    row = make_row()
    blank = np.zeros_like(row.mask)
    save_segmentation_panels([dataclasses.replace(row, mask=blank, predictions={})], tmp_path / 'panels.png')
    picture = np.asarray(Image.open(tmp_path / 'panels.png').convert('RGB')).astype(int)
    stroke = (picture == voc_palette()[12]).all(axis=2)
    # The legend's patch has the colour too; the stroke is the wide one in the middle.
    rows, columns = np.nonzero(stroke[: picture.shape[0] * 2 // 3])
    assert columns.max() - columns.min() > 3 * (rows.max() - rows.min())
    around = picture[rows.min() - 6, columns.min() : columns.max()]
    assert np.ptp(around, axis=1).max() <= 1
    assert around.min() > 100


@pytest.mark.parametrize('suffix', ['.png', '.pdf', '.svg'])
def test_suffix_decides_the_format(tmp_path, suffix):
    path = tmp_path / 'new' / f'panels{suffix}'
    save_segmentation_panels([make_row()], path)
    start = path.read_bytes()[:8]
    assert start.startswith({'.png': b'\x89PNG', '.pdf': b'%PDF', '.svg': b'<?xml'}[suffix])
    assert [item.name for item in path.parent.iterdir()] == [path.name]


def test_panels_grow_by_rows_and_predictions(tmp_path):
    row = make_row()
    save_segmentation_panels([row], tmp_path / 'one.png')
    save_segmentation_panels([row, row, row], tmp_path / 'three.png')
    save_segmentation_panels([dataclasses.replace(row, predictions={})], tmp_path / 'none.png')
    one, three, none = (read_size(tmp_path / f'{name}.png') for name in ('one', 'three', 'none'))
    assert three[0] == one[0]
    assert three[1] > 2 * one[1]
    assert none[0] == pytest.approx(one[0] * 3 / 5, rel=0.05)


def test_panels_refuse_what_does_not_fit():
    row = make_row()
    cases = {
        'no image': [],
        'different predictions': [row, dataclasses.replace(row, predictions={})],
        'another size': [dataclasses.replace(row, mask=row.mask[1:])],
    }
    for problem, rows in cases.items():
        with pytest.raises(UserError, match=problem):
            save_segmentation_panels(rows, 'unwritten.png')


def test_contact_sheet_shows_every_tile(tmp_path):
    tiles = [np.full((96, 96, 3), (10 * index + 5, 200, 40), dtype=np.uint8) for index in range(11)]
    blocks = [TileBlock('Most certain', tiles[:5], ['0.99'] * 5), TileBlock('Least certain', tiles[5:], ['0.51'] * 6)]
    save_contact_sheet(blocks, tmp_path / 'sheet.png', columns=4)
    shown = colours_in(tmp_path / 'sheet.png')
    assert all((10 * index + 5, 200, 40) in shown for index in range(11))


def test_contact_sheet_size_follows_lines_and_leaves_out_empty_blocks(tmp_path):
    tiles = [np.zeros((50, 50, 3), dtype=np.uint8)] * 8
    full = TileBlock('Most certain', tiles, ['0.99'] * 8)
    save_contact_sheet([full], tmp_path / 'two_lines.png', columns=4)
    save_contact_sheet([full, TileBlock('Least certain', [], [])], tmp_path / 'one_line.png', columns=8)
    two, one = read_size(tmp_path / 'two_lines.png'), read_size(tmp_path / 'one_line.png')
    assert two[0] == pytest.approx(one[0] / 2, rel=0.05)
    assert two[1] > 1.5 * one[1]


@pytest.mark.parametrize(
    ('blocks', 'problem'),
    [
        ([], 'no tile'),
        ([TileBlock('Most certain', [], [])], 'no tile'),
        ([TileBlock('Most certain', [np.zeros((9, 9, 3), np.uint8)], [])], '1 tiles but 0 captions'),
    ],
)
def test_contact_sheet_refuses_what_does_not_fit(tmp_path, blocks, problem):
    with pytest.raises(UserError, match=problem):
        save_contact_sheet(blocks, tmp_path / 'sheet.png')
    assert not list(tmp_path.iterdir())


def test_no_torch_is_imported():
    code = 'import sys, sdp_plugin.visualization.figures; print("torch" in sys.modules)'
    done = subprocess.run([sys.executable, '-c', code], check=True, capture_output=True, text=True)
    assert done.stdout == 'False\n'
