from __future__ import annotations

import pickle
from multiprocessing import get_context

import h5py
import numpy as np
import pytest

from sdp_plugin.datasets import hdf5_reading
from sdp_plugin.datasets.transforms import LoadPatch
from sdp_plugin.errors import UserError


@pytest.fixture
def stored(tmp_path):
    patches = np.random.default_rng(0).integers(0, 256, (5, 8, 10, 3), dtype=np.uint8)
    path = tmp_path / 'tiles.h5'
    with h5py.File(path, 'w') as file:
        file['tiles'] = patches
        file.create_dataset('packed', data=patches, chunks=(1, 8, 10, 3), compression='gzip')
        file['broken'] = np.zeros(3)
    return path, patches


def load(transform, path, index):
    return transform({'h5_path': str(path), 'h5_index': index})


def test_adds_a_bgr_image_and_its_shape(stored):
    path, patches = stored
    results = load(LoadPatch(array='tiles'), path, 3)
    np.testing.assert_array_equal(results['img'], patches[3, ..., ::-1])
    assert results['img'].dtype == np.uint8
    assert results['img'].flags.c_contiguous
    assert results['img_shape'] == results['ori_shape'] == (8, 10)


def test_opens_a_file_once(stored, monkeypatch):
    path, _ = stored
    opened = []
    monkeypatch.setattr(h5py, 'File', lambda *args, original=h5py.File, **kw: opened.append(1) or original(*args, **kw))
    transform = LoadPatch(array='tiles')
    for index in range(5):
        load(transform, path, index)
    assert len(opened) == 1


def test_a_pickled_copy_loads_the_same(stored):
    path, patches = stored
    transform = LoadPatch(array='tiles')
    load(transform, path, 0)
    copied = pickle.loads(pickle.dumps(transform))
    np.testing.assert_array_equal(load(copied, path, 2)['img'], patches[2, ..., ::-1])


def test_loads_in_workers_forked_after_a_patch_was_loaded(stored):
    path, patches = stored
    transform = LoadPatch(array='packed')
    load(transform, path, 0)
    with get_context('fork').Pool(2) as pool:
        loaded = pool.starmap(load, [(transform, path, index) for index in range(5)])
    for results, patch in zip(loaded, patches, strict=True):
        np.testing.assert_array_equal(results['img'], patch[..., ::-1])


def test_the_cache_goes_where_it_is_told(stored, tmp_path, monkeypatch):
    path, patches = stored
    monkeypatch.setattr(hdf5_reading, '_SMALL_BYTES', 0)
    transform = LoadPatch(array='packed', cache_dir=tmp_path / 'cache')
    for index in range(5):
        np.testing.assert_array_equal(load(transform, path, index)['img'], patches[index, ..., ::-1])
    assert len(list((tmp_path / 'cache').glob('tiles.*.npy'))) == 1


@pytest.mark.parametrize(
    ('array', 'name', 'index', 'problem'),
    [
        ('tiles', 'missing.h5', 0, 'missing'),
        ('x', 'tiles.h5', 0, 'no array "x"'),
        ('tiles', 'tiles.h5', 5, 'image 5 of "tiles"'),
        ('broken', 'tiles.h5', 0, 'no images'),
    ],
)
def test_names_the_patch_that_cannot_be_read(stored, array, name, index, problem):
    with pytest.raises(UserError, match=rf'(?s){problem}.*{name}'):
        load(LoadPatch(array=array), stored[0].with_name(name), index)


def test_repr_tells_the_array():
    assert repr(LoadPatch(array='tiles')) == "LoadPatch(array='tiles', cache_dir=None)"
