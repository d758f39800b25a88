"""Arrays are read where all of their values are in the file itself; HDF5 would read the rest as zeros."""

from __future__ import annotations

import struct
from pathlib import Path

import h5py
import numpy as np
import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.hdf5 import array_of, images_of, open_file

SHAPE = (5, 4, 4, 3)
PATCHES = np.arange(5 * 4 * 4 * 3, dtype=np.uint8).reshape(SHAPE)


def write(path: Path) -> None:
    with h5py.File(path.with_name('other.h5'), 'w') as other:
        other['x'] = PATCHES
    with h5py.File(path, 'w') as file:
        file['contiguous'] = PATCHES
        file.create_dataset('chunked', data=PATCHES, chunks=(2, 4, 4, 3))
        file.create_dataset('compressed', data=np.zeros(SHAPE, np.uint8), compression='gzip')
        file.create_dataset('compact', data=np.uint8(1))
        file.create_dataset('never written', SHAPE, np.uint8)
        file.create_dataset('no chunk written', SHAPE, np.uint8, chunks=(2, 4, 4, 3))
        file.create_dataset('a chunk missing', SHAPE, np.uint8, chunks=(2, 4, 4, 3))[:4] = PATCHES[:4]
        file.create_dataset('a billion patches', (10**9, 4, 4, 3), np.uint8, chunks=(2, 4, 4, 3))[:4] = PATCHES[:4]
        file.create_dataset('external', SHAPE, np.uint8, external=str(path.with_name('secret.bin')))
        layout = h5py.VirtualLayout(SHAPE, np.uint8)
        layout[:] = h5py.VirtualSource(str(path.with_name('other.h5')), 'x', SHAPE)
        file.create_virtual_dataset('virtual', layout)
        file['linked'] = h5py.ExternalLink(str(path.with_name('other.h5')), 'x')
        file['circle'] = h5py.SoftLink('/circle')


@pytest.fixture
def file(tmp_path):
    write(tmp_path / 'x.h5')
    with open_file(tmp_path / 'x.h5') as opened:
        yield opened


@pytest.mark.parametrize('name', ['contiguous', 'chunked', 'compressed'])
def test_whole_arrays_are_read(file, name):
    assert images_of(file, name).shape == SHAPE


def test_a_single_number_is_read(file):
    assert array_of(file, 'compact')[()] == 1


@pytest.mark.parametrize(
    ('name', 'found'),
    [
        ('never written', 'values that were never written'),
        ('no chunk written', '3 of 3 chunks that were never written'),
        ('a chunk missing', '1 of 3 chunks that were never written'),
        ('a billion patches', '499,999,998 of 500,000,000 chunks'),
        ('external', 'in other files'),
        ('virtual', 'in other files'),
        ('linked', 'a link to'),
        ('circle', 'x.h5'),
    ],
)
def test_others_are_an_error(file, name, found):
    with pytest.raises(UserError, match=found):
        images_of(file, name)


def test_a_type_that_numpy_has_not_is_one_error(tmp_path):
    chunked = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    chunked.set_chunk((2,))
    with h5py.File(tmp_path / 'x.h5', 'w') as file:
        h5py.h5d.create(file.id, b'x', h5py.h5t.UNIX_D32LE, h5py.h5s.create_simple((4,)), chunked)
    with open_file(tmp_path / 'x.h5') as file, pytest.raises(UserError, match='no HDF5 file'):
        array_of(file, 'x')


def test_names_whose_free_room_goes_round_in_a_circle_are_one_error(tmp_path):
    """HDF5 itself would take all memory."""
    path = tmp_path / 'x.h5'
    with h5py.File(path, 'w') as file:
        file['x'] = PATCHES
    content = bytearray(path.read_bytes())
    heap = content.index(b'HEAP')
    free, address = struct.unpack_from('<QQ', content, heap + 16)
    struct.pack_into('<Q', content, address + free, free)
    path.write_bytes(content)
    with pytest.raises(UserError, match='circle'):
        open_file(path)
