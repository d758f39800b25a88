from __future__ import annotations

import gzip
import logging
import os
import pickle
import time
from collections import Counter

import cv2
import numpy as np
import pytest
from mmengine.logging import MMLogger
from tile_files import pcam_path, write_array, write_pcam, write_sparse_patches
from torch.utils.data import DataLoader
from torchvision.datasets import PCAM as TORCHVISION_PCAM

from sdp_plugin.errors import UserError
from sdp_plugin.registry import DATASETS

LOADING = [dict(type='sdp_plugin.LoadPatch')]


def build(root, **kwargs):
    return DATASETS.build(dict(type='sdp_plugin.PCamDataset', data_root=str(root), **kwargs))


@pytest.fixture
def root(tmp_path):
    write_pcam(tmp_path)
    return tmp_path


@pytest.mark.parametrize(('split', 'written'), [('train', 'train'), ('val', 'val'), ('valid', 'val'), ('test', 'test')])
def test_splits(tmp_path, split, written):
    patches = write_pcam(tmp_path, total=6, split=written)
    dataset = build(tmp_path, split=split, pipeline=LOADING)
    assert dataset.get_gt_labels().tolist() == [0, 1, 0, 1, 0, 1]
    assert dataset.metainfo['classes'] == ('normal', 'tumour')
    for index, patch in enumerate(patches):
        item = dataset[index]
        np.testing.assert_array_equal(item['img'], patch[..., ::-1])  # BGR
        assert item['gt_label'] == index % 2


def as_torchvision_has_them(root, split, tmp_path):
    (tmp_path / 'pcam').symlink_to(root)
    return TORCHVISION_PCAM(tmp_path, split=split)


def assert_equal_to_torchvision(ours, theirs):
    assert len(ours) == len(theirs) > 0
    for index in np.unique(np.linspace(0, len(ours) - 1, 500, dtype=int)).tolist():
        item, (image, label) = ours[index], theirs[index]
        np.testing.assert_array_equal(cv2.cvtColor(item['img'], cv2.COLOR_BGR2RGB), np.asarray(image))
        assert item['gt_label'] == label


@pytest.mark.parametrize(
    'storage',
    [{}, {'chunks': (1, 96, 96, 3)}, {'chunks': (32, 96, 96, 3), 'compression': 'gzip'}, {'chunks': True}],
    ids=['contiguous', 'a-chunk-each', 'gzip', 'auto-chunks'],
)
def test_same_pixels_as_torchvision(tmp_path, storage):
    write_pcam(tmp_path / 'data', total=40, split='val', **storage)
    theirs = as_torchvision_has_them(tmp_path / 'data', 'val', tmp_path)
    assert_equal_to_torchvision(build(tmp_path / 'data', split='val', pipeline=LOADING), theirs)


@pytest.mark.real_data
@pytest.mark.parametrize('split', ['train', 'test'])
def test_same_pixels_as_torchvision_on_real_patches(real_data, tmp_path, split):
    theirs = as_torchvision_has_them(real_data / 'pcam', split, tmp_path)
    assert_equal_to_torchvision(build(real_data / 'pcam', split=split, pipeline=LOADING), theirs)


def keep_the_pixels(items):
    return {'img': np.stack([item['img'] for item in items]), 'process': os.getpid()}


# A spawned worker first imports the whole stack, so one is enough.
@pytest.mark.parametrize(('start_method', 'workers'), [('fork', 2), pytest.param('spawn', 1, marks=pytest.mark.slow)])
def test_workers_read_what_the_main_process_reads(root, start_method, workers):
    patches = write_pcam(root, total=24)
    dataset = build(root, pipeline=LOADING)
    assert dataset[0]['img'].any()  # the parent has an open handle before the workers start
    loader = DataLoader(
        dataset, batch_size=4, num_workers=workers, multiprocessing_context=start_method, collate_fn=keep_the_pixels
    )
    batches = list(loader)
    np.testing.assert_array_equal(np.concatenate([batch['img'] for batch in batches]), patches[..., ::-1])
    assert os.getpid() not in {batch['process'] for batch in batches}
    np.testing.assert_array_equal(dataset[23]['img'], patches[23, ..., ::-1])  # and the parent's still works


def test_pickles_without_its_handles(root):
    dataset = build(root, pipeline=LOADING)
    before = dataset[5]['img']
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(dataset))[5]['img'], before)


def drawn(dataset):
    return {dataset.get_data_info(index)['tile_id'] for index in range(len(dataset))}


def test_draws_are_nested_and_balanced(tmp_path):
    write_pcam(tmp_path, total=60)
    small, large = (build(tmp_path, examples_per_class=number, seed=3) for number in (5, 20))
    assert Counter(small.get_gt_labels().tolist()) == {0: 5, 1: 5}
    assert drawn(small) < drawn(large)
    assert drawn(small) != drawn(build(tmp_path, examples_per_class=5, seed=4))


@pytest.mark.parametrize('total', [12, 262_144])
def test_warns_of_another_size_than_the_official(tmp_path, total):
    write_sparse_patches(pcam_path(tmp_path, 'x'), total)
    write_array(pcam_path(tmp_path, 'y'), 'y', np.zeros((total, 1, 1, 1), np.uint8))
    lines = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.append((record.levelno, record.getMessage()))
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    try:
        start = time.process_time()
        build(tmp_path)
        seconds = time.process_time() - start
    finally:
        logger.removeHandler(handler)
    warnings = [line for level, line in lines if level == logging.WARNING and '12 tiles' in line]
    assert len(warnings) == (total == 12)
    assert seconds < 10  # 1.2 s on one core; hashing or checking patch by patch would take minutes


def only_compressed(root):
    path = pcam_path(root, 'x')
    path.with_name(f'{path.name}.gz').write_bytes(gzip.compress(path.read_bytes()[:1000]))
    path.unlink()


def half_a_download(root, part='x'):
    path = pcam_path(root, part)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def labels_of(array):
    return lambda root: write_array(pcam_path(root, 'y'), 'y', array)


def patches_of(array):
    return lambda root: write_array(pcam_path(root, 'x'), 'x', array)


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (lambda root: pcam_path(root, 'x').unlink(), 'file of PCam is missing'),
        (lambda root: pcam_path(root, 'y').unlink(), 'file of PCam is missing'),
        (only_compressed, 'gunzip --keep'),
        (half_a_download, 'not all of it'),
        (lambda root: half_a_download(root, 'y'), 'not all of it'),
        (lambda root: pcam_path(root, 'x').write_bytes(b''), 'no HDF5 file'),
        (lambda root: pcam_path(root, 'y').write_text('<html>'), 'no HDF5 file'),
        (lambda root: write_array(pcam_path(root, 'x'), 'images', np.zeros(3)), 'no array "x"'),
        (labels_of(np.zeros((11, 1, 1, 1), np.uint8)), '12 patches in .*, 11 labels'),
        (labels_of(np.full((12, 1, 1, 1), 2, np.uint8)), 'labels that PCam does not have'),
        (labels_of(np.zeros((12, 1, 1, 1), np.float32)), 'float32'),
        (labels_of(np.zeros(12, np.uint8)), r'shape \(12,\)'),
        (patches_of(np.zeros((12, 96, 96, 3), np.float32)), 'float32'),
        (patches_of(np.zeros((12, 3, 96, 96), np.uint8)), r'shape \(12, 3, 96, 96\)'),
        (patches_of(np.zeros((0, 96, 96, 3), np.uint8)), r'shape \(0, 96, 96, 3\)'),
    ],
)
def test_spoilt_files(root, spoil, message):
    spoil(root)
    with pytest.raises(UserError, match=message):
        build(root)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'split': 'training'}, 'Unknown split'),
        ({'data_root': '/no/such/folder'}, 'data folder is missing'),
        ({'examples_per_class': 7}, 'normal 6, tumour 6'),
        ({'examples_per_class': 2, 'split': 'test'}, 'test split, which is always used whole'),
    ],
)
def test_mistaken_arguments(root, arguments, message):
    with pytest.raises(UserError, match=message):
        build(**{'root': root, **{'root' if key == 'data_root' else key: value for key, value in arguments.items()}})


def drawn_ids(dataset):
    return {dataset.get_data_info(index)['tile_id'] for index in range(len(dataset))}


def test_excluded_patches_are_not_drawn(root):
    (root / 'duplicates.txt').write_text(
        '# a patch, and the same one elsewhere\ntest/3 test/1\ntrain/2 test/3\n\ntrain/5\n'
    )
    everything = {f'train/{index}' for index in range(12)}
    assert drawn_ids(build(root, exclude='duplicates.txt')) == everything - {'train/2', 'train/5'}
    for seed in range(5):
        drawn = drawn_ids(build(root, exclude='duplicates.txt', examples_per_class=5, seed=seed))
        assert drawn == everything - {'train/2', 'train/5'}
        # What is left is drawn in the same order as without the list.
        few = drawn_ids(build(root, examples_per_class=2, seed=seed))
        if not few & {'train/2', 'train/5'}:
            assert drawn_ids(build(root, exclude='duplicates.txt', examples_per_class=2, seed=seed)) == few
    with pytest.raises(UserError, match='examples_per_class to at most 5'):
        build(root, exclude='duplicates.txt', examples_per_class=6)


@pytest.mark.parametrize(
    ('content', 'asked', 'word'),
    [
        (None, {}, 'prepare_data.py pcam'),
        ('train/12', {}, 'train/0 to train/11'),
        ('train/one', {}, 'train/one'),
        ('train/1', {'split': 'test'}, 'always used whole'),
    ],
)
def test_a_list_that_does_not_fit_is_refused(root, content, asked, word):
    write_pcam(root, split='test')
    if content is not None:
        (root / 'duplicates.txt').write_text(content)
    with pytest.raises(UserError, match=word):
        build(root, exclude='duplicates.txt', **asked)
