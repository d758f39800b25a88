"""Reading images from HDF5 files of every layout."""

from __future__ import annotations

import os
import pickle
from multiprocessing import get_context
from pathlib import Path

import h5py
import numpy as np
import pytest

from sdp_plugin import bars
from sdp_plugin.datasets import cache_files, hdf5_reading
from sdp_plugin.datasets.hdf5_reading import open_images, read_images
from sdp_plugin.errors import UserError

NUM, SHAPE = 50, (12, 16, 3)
LAYOUTS = {
    'contiguous': dict(),
    'chunks of one': dict(chunks=(1, *SHAPE)),
    'chunks of eight': dict(chunks=(8, *SHAPE)),
    'parts of images': dict(chunks=(20, 5, 8, 1)),
    'automatic': dict(chunks=True),
    'gzip, chunks of one': dict(chunks=(1, *SHAPE), compression='gzip'),
    'gzip, chunks of eight': dict(chunks=(8, *SHAPE), compression='gzip', shuffle=True),
    'lzf': dict(chunks=(8, *SHAPE), compression='lzf'),
    'checksums': dict(chunks=(1, *SHAPE), fletcher32=True),
    'one chunk': dict(chunks=(NUM, *SHAPE), compression='gzip'),
}
MAPPED = {'contiguous', 'chunks of one', 'chunks of eight'}
INDICES = [7, 3, 3, 49, 0, 21, 8]


@pytest.fixture(scope='module')
def images() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (NUM, *SHAPE), dtype=np.uint8)


@pytest.fixture
def written(tmp_path, images):
    def write(layout: str, **file_options) -> Path:
        path = tmp_path / 'images.h5'
        with h5py.File(path, 'w', **file_options) as file:
            file.create_dataset('x', data=images, **LAYOUTS[layout])
        return path

    return write


@pytest.fixture
def nothing_is_small(monkeypatch):
    """Make files and passes of these few images behave as those of hundreds of thousands."""
    monkeypatch.setattr(hdf5_reading, '_SMALL_BYTES', 0)
    monkeypatch.setattr(hdf5_reading, '_PASS_BYTES', 8 * int(np.prod(SHAPE)))


def in_file(path: Path, **options):
    return open_images(path, store='file', **options)


@pytest.mark.usefixtures('nothing_is_small')
@pytest.mark.parametrize('store', ['memory', 'file'])
@pytest.mark.parametrize('layout', LAYOUTS)
def test_reads_what_h5py_reads(written, images, layout, store):
    path = written(layout)
    reader = open_images(path, store=store)
    assert len(reader) == NUM
    assert reader.layout.image_shape == SHAPE
    for _ in range(NUM):  # first directly, then prepared
        np.testing.assert_array_equal(reader.read(INDICES), images[INDICES])
    np.testing.assert_array_equal(reader.read_once(INDICES), images[INDICES])
    np.testing.assert_array_equal(reader.read(range(NUM)), images)
    np.testing.assert_array_equal(read_images(path, np.array(INDICES)), images[INDICES])
    assert reader.read([]).shape == read_images(path, []).shape == (0, *SHAPE)


@pytest.mark.parametrize('layout', LAYOUTS)
def test_maps_what_lies_in_one_piece(written, layout):
    reader = open_images(written(layout))
    assert (reader.layout.offsets is not None) == (layout in MAPPED)
    assert ('memory map of the file' in reader.describe()) == (layout in MAPPED)


def test_maps_a_file_that_begins_with_something_else(written, images):
    path = written('contiguous', userblock_size=1024)
    np.testing.assert_array_equal(open_images(path).read(INDICES), images[INDICES])


@pytest.mark.parametrize(
    ('indices', 'rows'), [([0], 1), ([0, 7, 1], 1), ([0, 8], 2), ([16, 0, 17, 1], 2), (range(NUM), 7)]
)
def test_a_subset_touches_only_its_chunks(written, images, monkeypatch, indices, rows):
    touched = []
    original = h5py.Dataset.__getitem__
    monkeypatch.setattr(
        h5py.Dataset, '__getitem__', lambda self, key, *more: touched.append(key) or original(self, key, *more)
    )
    read = read_images(written('gzip, chunks of eight'), indices)
    np.testing.assert_array_equal(read, images[list(indices)])
    assert len(touched) == rows


def test_a_pass_is_due_when_as_many_chunks_were_touched_as_there_are(written):
    reader = open_images(written('gzip, chunks of eight'))  # seven rows of chunks
    for _ in range(3):
        reader.read([0, 8])
        assert 'through HDF5' in reader.describe()
    reader.read([0])
    assert 'decoded into memory' in reader.describe()


def test_a_pass_reads_each_chunk_once(written, monkeypatch, nothing_is_small):
    reader = open_images(written('parts of images'))
    parts = list(reader._parts())
    assert [part.start for part in parts] == [0, 20, 40]
    assert parts[-1].stop == NUM


def test_more_than_fits_into_memory_goes_into_a_file(written, images, monkeypatch, nothing_is_small):
    monkeypatch.setattr(hdf5_reading, 'available_memory', lambda: 2 * images.nbytes - 1)
    reader = open_images(written('gzip, chunks of one'))
    reader.prepare()
    assert isinstance(reader._decoded, np.memmap)
    assert str(reader._decoded_at) in reader.describe()
    np.testing.assert_array_equal(reader.read(INDICES), images[INDICES])


@pytest.mark.usefixtures('nothing_is_small')
class TestCacheFile:
    def test_is_used_again(self, written, images, monkeypatch):
        path = written('automatic')
        in_file(path).prepare()
        monkeypatch.setattr(hdf5_reading.ImageReader, '_write_decoded', None)
        again = in_file(path)
        again.prepare()
        np.testing.assert_array_equal(again.read(INDICES), images[INDICES])

    def test_of_another_file_is_not_used(self, written, images):
        path = written('automatic')
        in_file(path).prepare()
        before = path.stat()
        with h5py.File(path, 'r+') as file:
            file['x'][:] = 255 - images
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
        assert path.stat().st_size == before.st_size
        changed = in_file(path)
        changed.prepare()
        np.testing.assert_array_equal(changed.read(INDICES), 255 - images[INDICES])

    def test_says_where_it_is_and_how_large(self, written, tmp_path):
        said = []
        in_file(written('automatic'), report=said.append).prepare()
        assert len(said) == 1
        assert str(tmp_path) in said[0]
        assert '28.8 kB' in said[0]

    def test_lies_beside_the_data_or_where_it_is_told(self, written, tmp_path):
        path = written('automatic')
        in_file(path).prepare()
        in_file(path, cache_dir=tmp_path / 'elsewhere').prepare()
        assert len(list(tmp_path.glob('images.*.npy'))) == len(list((tmp_path / 'elsewhere').glob('images.*.npy'))) == 1

    def test_of_a_read_only_folder_lies_in_the_cache_folder(self, written, tmp_path, monkeypatch):
        monkeypatch.setattr(cache_files.os, 'access', lambda path, mode: False)  # root may write anywhere
        monkeypatch.setenv('XDG_CACHE_HOME', str(tmp_path / 'home'))
        reader = in_file(written('automatic'))
        reader.prepare()
        assert reader._decoded_at.parent == tmp_path / 'home' / 'sdp_plugin'

    def test_a_pass_that_breaks_off_leaves_none(self, written, tmp_path, monkeypatch):
        def break_off(self, target, source, destination):
            if source.start:
                raise OSError('read error')

        monkeypatch.setattr(h5py.Dataset, 'read_direct', break_off)
        with pytest.raises(UserError, match='from image 8 on: read error'):
            in_file(written('gzip, chunks of eight')).prepare()
        assert [path.name for path in tmp_path.iterdir() if path.suffix == '.npy'] == []

    def test_what_a_killed_process_left_is_removed(self, written, tmp_path):
        reader = in_file(written('automatic'))
        reader.prepare()
        left_over = tmp_path / f'.{reader._decoded_at.stem}.123.abc.npy'
        reader._decoded_at.rename(left_over)
        in_file(reader.path).prepare()
        assert reader._decoded_at.is_file()
        assert not left_over.exists()

    def test_is_written_by_one_of_several_processes(self, written, images):
        path = written('gzip, chunks of eight')
        with get_context('fork').Pool(3) as pool:
            results = pool.map(_prepare_and_read, [path] * 3)
        writers = [wrote for wrote, _ in results]
        assert sum(writers) == 1
        for _, read in results:
            np.testing.assert_array_equal(read, images[INDICES])

    def test_without_space_is_one_error(self, written, monkeypatch, tmp_path):
        monkeypatch.setattr(cache_files.shutil, 'disk_usage', lambda folder: type('', (), dict(free=100))())
        with pytest.raises(UserError, match='100 bytes are free'):
            in_file(written('automatic')).prepare()
        assert list(tmp_path.glob('*.npy')) == []

    def test_that_cannot_be_written_leaves_the_slower_way(self, written, images, monkeypatch):
        monkeypatch.setattr(cache_files.shutil, 'disk_usage', lambda folder: type('', (), dict(free=100))())
        said = []
        reader = in_file(written('gzip, chunks of eight'), report=said.append)
        for _ in range(20):
            np.testing.assert_array_equal(reader.read(INDICES), images[INDICES])
        assert len([line for line in said if '100 bytes are free' in line]) == 1

    def test_is_found_again_by_a_pickled_reader(self, written, images, monkeypatch):
        reader = in_file(written('automatic'))
        reader.prepare()
        pickled = pickle.dumps(reader)
        assert len(pickled) < images.nbytes
        copied = pickle.loads(pickled)
        assert copied._decoded is not None
        np.testing.assert_array_equal(copied.read(INDICES), images[INDICES])


def _prepare_and_read(path: Path) -> tuple[bool, np.ndarray]:
    reader = in_file(path)
    original = reader._write_decoded
    written = []
    reader._write_decoded = lambda temporary: written.append(1) or original(temporary)
    reader.prepare()
    return bool(written), reader.read(INDICES)


@pytest.mark.parametrize('layout', ['contiguous', 'gzip, chunks of one', 'gzip, chunks of eight'])
@pytest.mark.parametrize('prepared', [False, True])
def test_reads_in_other_processes(written, images, layout, prepared):
    reader = open_images(written(layout))
    reader.prepare() if prepared else reader.read([1])
    with get_context('fork').Pool(2) as pool:  # forked with an open handle, then pickled
        for read in pool.map(reader.read, [[i] for i in INDICES]):
            assert any((read[0] == images[i]).all() for i in INDICES)
        np.testing.assert_array_equal(pool.apply(reader.read, (INDICES,)), images[INDICES])
    np.testing.assert_array_equal(reader.read(INDICES), images[INDICES])


def test_inherited_handles_are_not_used(written, images, monkeypatch):
    reader = open_images(written('gzip, chunks of one'))
    reader.read([0])
    inherited = reader._dataset
    monkeypatch.setattr(os, 'getpid', lambda: -1)
    np.testing.assert_array_equal(reader.read([1]), images[[1]])
    assert not inherited
    assert reader._dataset is not inherited


@pytest.mark.parametrize(
    ('content', 'problem'),
    [
        (None, 'missing'),
        (b'no HDF5', 'no HDF5 file'),
        (dict(y=np.zeros(3)), 'no array "x"'),
        (dict(x=np.zeros((3, 4, 4, 3))), 'float64'),
        (dict(x=np.zeros((3, 4, 4), np.uint8)), r'\(3, 4, 4\)'),
        (dict(x=np.zeros((0, 4, 4, 3), np.uint8)), r'\(0, 4, 4, 3\)'),
    ],
)
def test_other_files_are_one_error(tmp_path, content, problem):
    path = tmp_path / 'images.h5'
    if isinstance(content, bytes):
        path.write_bytes(content)
    elif content is not None:
        with h5py.File(path, 'w') as file:
            for name, array in content.items():
                file[name] = array
    with pytest.raises(UserError, match=problem) as raised:
        open_images(path)
    assert 'images.h5' in str(raised.value)


@pytest.mark.parametrize('layout', LAYOUTS)
def test_a_truncated_file_is_one_error(written, layout):
    path = written(layout)
    os.truncate(path, path.stat().st_size - 2000)
    with pytest.raises(UserError, match=r'not all of it(?s:.*)images.h5'):
        open_images(path).read(range(NUM))


@pytest.mark.usefixtures('nothing_is_small')
@pytest.mark.parametrize('layout', ['gzip, chunks of eight', 'checksums'])
def test_damaged_chunks_are_one_error_and_leave_no_cache(written, layout, tmp_path):
    path = written(layout)
    with h5py.File(path) as file:
        chunk = file['x'].id.get_chunk_info(3)
    with open(path, 'r+b') as file:
        file.seek(chunk.byte_offset)
        file.write(b'\xff' * 100)
    with pytest.raises(UserError, match='not all of it'):
        in_file(path).prepare()
    with pytest.raises(UserError, match='not all of it'):
        read_images(path, range(NUM))
    assert list(tmp_path.glob('*.npy')) == []


@pytest.mark.parametrize('index', [-1, NUM])
def test_images_that_are_not_there_are_one_error(written, index):
    reader = open_images(written('contiguous'))
    with pytest.raises(UserError, match=f'image {index} of "x"'):
        reader.read([0, index])


def test_the_place_for_decoded_images_is_known(written):
    with pytest.raises(UserError, match='disk'):
        open_images(written('contiguous'), store='disk')


def test_long_passes_tell_how_far_they_are(written, monkeypatch, nothing_is_small):
    monkeypatch.setattr(bars, 'SECONDS_BETWEEN_LINES', 0)
    said = []
    reader = open_images(written('gzip, chunks of eight'), report=said.append)
    reader.prepare()
    assert len(said) == 7
    assert '100%' in said[-1]


@pytest.mark.real_data
def test_reads_real_patches(real_data):
    path = real_data / 'pcam' / 'camelyonpatch_level_2_split_test_x.h5'
    with h5py.File(path) as file:
        patches = file['x'][:]
    reader = open_images(path)
    indices = np.random.default_rng(0).permutation(len(reader))
    np.testing.assert_array_equal(reader.read(indices), patches[indices])
