from __future__ import annotations

import h5py
import numpy as np
import pytest
from simple_features import held_out_accuracy

from sdp_plugin.demo_data.drawing import random_state
from sdp_plugin.demo_data.pcam_tiles import draw_pcam_tile, touches_centre


@pytest.mark.parametrize(('split', 'count'), [('train', 24), ('valid', 4), ('test', 8)])
def test_files_are_as_the_official_ones(miniature, split, count):
    with h5py.File(miniature.pcam / f'camelyonpatch_level_2_split_{split}_x.h5') as file:
        assert list(file) == ['x']
        assert (file['x'].shape, file['x'].dtype) == ((count, 96, 96, 3), np.uint8)
        assert len(np.unique(file['x'][:], axis=0)) == count
    with h5py.File(miniature.pcam / f'camelyonpatch_level_2_split_{split}_y.h5') as file:
        assert list(file) == ['y']
        assert (file['y'].shape, file['y'].dtype) == ((count, 1, 1, 1), np.uint8)
        assert file['y'][:].sum() == count / 2


def test_order_does_not_give_the_label_away(miniature):
    with h5py.File(miniature.pcam / 'camelyonpatch_level_2_split_train_y.h5') as file:
        even = file['y'][::2].ravel()
    assert 0 < even.sum() < len(even)


@pytest.mark.parametrize('tumour', [True, False])
def test_label_is_whether_tumour_touches_the_centre(tumour):
    nests = [draw_pcam_tile(random_state(0, 'label', index), tumour)[1] for index in range(40)]
    assert all(bool(nest[32:64, 32:64].any()) == tumour == touches_centre(nest) for nest in nests)
    if not tumour:
        assert any(nest.any() for nest in nests), 'no tile without tumour in the centre has any at its border'


@pytest.mark.parametrize(
    ('row', 'column', 'touches'), [(32, 32, True), (63, 63, True), (31, 40, False), (40, 64, False)]
)
def test_centre_is_the_middle_32_pixels(row, column, touches):
    nests = np.zeros((96, 96), dtype=bool)
    nests[row, column] = True
    assert touches_centre(nests) == touches


def test_simple_features_tell_the_labels_apart_but_not_perfectly():
    tiles = [draw_pcam_tile(random_state(0, 'learn', index), index % 2 == 1)[0] for index in range(240)]
    accuracy = held_out_accuracy(tiles, np.arange(240) % 2)
    assert 0.55 < accuracy < 0.97
