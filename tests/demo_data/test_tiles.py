from __future__ import annotations

import h5py
import numpy as np
import pytest
from PIL import Image

from sdp_plugin.catalogue.crc import CRC
from sdp_plugin.demo_data.tiles import CRC_PER_CLASS, SPLITS, pcam_patches, write_crc, write_pcam


@pytest.mark.parametrize('split', SPLITS)
def test_patches_are_distinct_and_in_turn_normal_and_tumour(split):
    images, labels = pcam_patches(split, SPLITS[split])
    assert images.shape == (SPLITS[split], 96, 96, 3)
    assert labels.tolist() == [0, 1] * (SPLITS[split] // 2)
    assert len({image.tobytes() for image in images}) == SPLITS[split]


def test_no_patch_is_in_two_splits():
    seen = [{image.tobytes() for image in pcam_patches(split, count)[0]} for split, count in SPLITS.items()]
    assert len(set.union(*seen)) == sum(SPLITS.values())


def test_patches_repeat_where_more_are_asked_for():
    images, labels = pcam_patches('valid', 2 * SPLITS['valid'])
    assert np.array_equal(*np.split(images, 2))
    assert np.array_equal(*np.split(labels, 2))


def test_pcam_is_laid_out_as_it_is_published(tmp_path):
    write_pcam(tmp_path, dict(train=4, test=2))
    with h5py.File(tmp_path / 'camelyonpatch_level_2_split_train_y.h5') as file:
        assert file['y'].shape == (4, 1, 1, 1)
    with h5py.File(tmp_path / 'camelyonpatch_level_2_split_test_x.h5') as file:
        assert np.array_equal(file['x'], pcam_patches('test', 2)[0])


def test_tiles_are_distinct_and_as_large_as_kathers(tmp_path):
    write_crc(tmp_path, CRC_PER_CLASS)
    tiles = {path: np.asarray(Image.open(path)) for path in tmp_path.rglob('*.tif')}
    assert {tile.shape for tile in tiles.values()} == {(150, 150, 3)}
    assert len({tile.tobytes() for tile in tiles.values()}) == len(CRC.classes) * CRC_PER_CLASS
    folders = sorted(path.name for path in tmp_path.iterdir())
    assert folders == [f'{number:02d}_{name}' for number, name in enumerate(CRC.classes, start=1)]
