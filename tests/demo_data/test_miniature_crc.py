from __future__ import annotations

import re

import numpy as np
from PIL import Image
from simple_features import held_out_accuracy

from sdp_plugin.demo_data.crc_tiles import CRC_CLASSES, draw_crc_tile
from sdp_plugin.demo_data.drawing import random_state
from sdp_plugin.demo_data.histology import draw_stain
from sdp_plugin.demo_data.miniature_crc import official_name

OFFICIAL = re.compile(r'[0-9A-F]+_CRC-Prim-HE-(\d\d)\w*\.tif_Row_\d+_Col_\d+\.tif')
FOLDERS = ['01_TUMOR', '02_STROMA', '03_COMPLEX', '04_LYMPHO', '05_DEBRIS', '06_MUCOSA', '07_ADIPOSE', '08_EMPTY']


def test_folders_files_and_tiles_are_as_the_official_ones(miniature):
    assert sorted(path.name for path in miniature.crc.iterdir() if path.is_dir()) == FOLDERS == list(CRC_CLASSES)
    sources = set()
    for folder in FOLDERS:
        files = list((miniature.crc / folder).iterdir())
        assert len(files) == 10
        for path in files:
            sources.add(OFFICIAL.fullmatch(path.name)[1])
            with Image.open(path) as tile:
                assert (tile.format, tile.mode, tile.size) == ('TIFF', 'RGB', (150, 150))
    assert sources == {f'{number:02d}' for number in range(1, 11)}


def test_names_match_those_of_the_real_tiles(real_data):
    names = [path.name for path in real_data.glob('Kather*/*/*_Row_*.tif')]
    assert names
    assert all(OFFICIAL.fullmatch(name) for name in names)


def test_five_thousand_names_are_distinct():
    names = {official_name(number, 1) for number in range(5000)}
    assert len(names) == 5000
    assert len({name.split('_', 1)[0] for name in names}) == 5000
    assert len({name.split('_', 1)[1] for name in names}) == 5000


def test_tiles_of_a_source_image_share_their_stain():
    def mean_colour(stain_of: int, tile: int) -> np.ndarray:
        stain = draw_stain(random_state(4, 'stain', stain_of))
        return draw_crc_tile(random_state(4, 'tile', tile), '04_LYMPHO', stain).mean(axis=(0, 1))

    assert not np.allclose(mean_colour(1, 0), mean_colour(2, 0), atol=3)


def test_simple_features_tell_the_classes_apart_but_not_perfectly():
    tiles, labels = [], []
    for label, name in enumerate(CRC_CLASSES):
        for index in range(24):
            stain = draw_stain(random_state(0, 'stain', index % 10))
            tiles.append(draw_crc_tile(random_state(0, name, index), name, stain))
            labels.append(label)
    accuracy = held_out_accuracy(tiles, np.array(labels))
    assert 0.35 < accuracy < 0.97
