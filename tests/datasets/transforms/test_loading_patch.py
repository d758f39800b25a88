from __future__ import annotations

import os
import pickle

import h5py
import numpy as np
import pytest

from sdp_plugin.datasets.transforms import LoadPatch
from sdp_plugin.errors import UserError


@pytest.fixture
def stored(tmp_path):
    patches = np.random.default_rng(0).integers(0, 256, (5, 8, 10, 3), dtype=np.uint8)
    path = tmp_path / 'tiles.h5'
    with h5py.File(path, 'w') as file:
        file['tiles'] = patches
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


def test_opens_the_file_anew_after_a_fork(stored, monkeypatch):
    path, patches = stored
    transform = LoadPatch(array='tiles')
    load(transform, path, 0)
    inherited = transform._files[str(path)]
    monkeypatch.setattr(os, 'getpid', lambda: -1)
    np.testing.assert_array_equal(load(transform, path, 1)['img'], patches[1, ..., ::-1])
    assert not inherited
    assert transform._files[str(path)] is not inherited


def test_handles_are_not_pickled(stored):
    path, patches = stored
    transform = LoadPatch(array='tiles')
    load(transform, path, 0)
    copied = pickle.loads(pickle.dumps(transform))
    assert not copied._files
    np.testing.assert_array_equal(load(copied, path, 2)['img'], patches[2, ..., ::-1])


@pytest.mark.parametrize(
    ('array', 'name', 'index'),
    [('tiles', 'missing.h5', 0), ('x', 'tiles.h5', 0), ('tiles', 'tiles.h5', 5), ('broken', 'tiles.h5', 0)],
)
def test_names_the_patch_that_cannot_be_read(stored, array, name, index):
    with pytest.raises(UserError, match=f'patch {index} of "{array}" in .*{name}'):
        load(LoadPatch(array=array), stored[0].with_name(name), index)


def test_repr_tells_the_array():
    assert repr(LoadPatch(array='tiles')) == "LoadPatch(array='tiles')"
