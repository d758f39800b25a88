from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from PIL import Image

from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.formats.index_png import read_index_png, write_index_png

masks = arrays(np.uint8, array_shapes(min_dims=2, max_dims=2, max_side=20))
PALETTE = np.arange(768, dtype=np.uint8).reshape(256, 3)


@given(masks, st.booleans(), st.integers(0, 255))
def test_round_trip(tmp_path_factory, mask, coloured, ignore_index):
    path = tmp_path_factory.mktemp('round') / 'trip.png'
    write_index_png(path, mask, PALETTE if coloured else None, ignore_index, ignore_index)
    assert np.array_equal(read_index_png(path, ignore_index, ignore_index), mask)


def test_zero_for_unlabelled_as_napari_saves_it(tmp_path):
    """An int32 labels layer, which napari saves as 16 bits."""
    Image.fromarray(np.array([[0, 1], [2, 0]], np.uint16)).save(tmp_path / 'labels.png')
    assert read_index_png(tmp_path / 'labels.png', file_ignore_index=0).tolist() == [[255, 1], [2, 255]]
    mask = np.array([[255, 1], [2, 255]], np.uint8)
    write_index_png(tmp_path / 'back.png', mask, file_ignore_index=0)
    assert np.array(Image.open(tmp_path / 'back.png')).tolist() == [[0, 1], [2, 0]]


def test_an_ambiguous_ignore_value_is_refused(tmp_path):
    write_index_png(tmp_path / 'mask.png', np.array([[255, 1]], np.uint8))
    with pytest.raises(UserError, match='uses the value 255'):
        read_index_png(tmp_path / 'mask.png', file_ignore_index=0)
    with pytest.raises(UserError, match='class 0 would become unlabelled'):
        write_index_png(tmp_path / 'new.png', np.array([[255, 0]], np.uint8), file_ignore_index=0)
    assert not (tmp_path / 'new.png').exists()


def _save(path, array, **options):
    Image.fromarray(array).save(path, **options)


FAULTS = {
    'empty': (lambda path: path.write_bytes(b''), 'empty'),
    'text': (lambda path: path.write_text('no picture'), 'no whole PNG'),
    'JPEG': (lambda path: _save(path, np.zeros((4, 4), np.uint8), format='JPEG'), 'no whole PNG'),
    'colour': (lambda path: _save(path, np.zeros((4, 4, 3), np.uint8)), 'holds colours'),
    '16 bits': (lambda path: _save(path, np.full((4, 4), 300, np.uint16)), 'do not fit'),
}


@pytest.mark.parametrize('fault', FAULTS)
def test_a_fault_is_one_error_that_names_the_file(tmp_path, fault):
    make, message = FAULTS[fault]
    path = tmp_path / 'mask.png'
    make(path)
    with pytest.raises(UserError, match=message) as raised:
        read_index_png(path)
    assert str(path) in str(raised.value)


def test_a_truncated_png(tmp_path):
    path = tmp_path / 'mask.png'
    _save(path, np.random.default_rng(0).integers(0, 20, (50, 50), np.uint8))
    whole = path.read_bytes()
    for size in range(1, len(whole) - 12, 97):
        path.write_bytes(whole[:size])
        with pytest.raises(UserError, match='no whole PNG'):
            read_index_png(path)
