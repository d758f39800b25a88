from __future__ import annotations

import errno
import inspect
import os
from collections import Counter
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from tile_files import write_tiles

from sdp_plugin.catalogue.folds import stratified_folds
from sdp_plugin.errors import UserError
from sdp_plugin.registry import DATASETS

TILES_OF_A_CLASS = 13
# Three patients in each class, of 5, 4 and 4 tiles.
NAMES = [f'patient{index % 3}_tile{index:02}.png' for index in range(TILES_OF_A_CLASS)]


def build(root, **kwargs):
    return DATASETS.build(dict(type='sdp_plugin.TileFolderDataset', data_root=str(root), **kwargs))


def tile_ids(dataset):
    return {dataset.get_data_info(index)['tile_id'] for index in range(len(dataset))}


@pytest.fixture
def root(tmp_path):
    return write_tiles(tmp_path / 'tiles', {'normal': NAMES, 'tumour': NAMES})


def test_classes_are_the_folders(root):
    (root / '.cache').mkdir()
    (root / 'README.txt').write_text('about')
    (root / 'normal' / 'notes.txt').write_text('about')
    (root / 'normal' / '.hidden.png').write_bytes(b'')
    dataset = build(root, num_folds=None)
    assert dataset.metainfo['classes'] == ('normal', 'tumour')
    assert Counter(dataset.get_gt_labels().tolist()) == {0: TILES_OF_A_CLASS, 1: TILES_OF_A_CLASS}


def test_classes_can_be_given(root):
    dataset = build(root, num_folds=None, classes=['tumour', 'normal'])
    assert dataset.metainfo['classes'] == ('tumour', 'normal')
    assert dataset.get_data_info(0)['tile_id'].startswith('tumour/')
    assert dataset.get_data_info(0)['gt_label'] == 0


def test_images_load(root):
    item = build(root, pipeline=[dict(type='sdp_plugin.LoadImage')])[0]
    assert item['img'].shape == (8, 8, 3)


@pytest.mark.parametrize('split', ['train', 'val', 'valid', 'test'])
def test_an_undivided_folder_is_any_split(root, split):
    assert len(build(root, split=split, num_folds=None)) == 2 * TILES_OF_A_CLASS


@pytest.mark.parametrize('group_pattern', [None, r'patient\d+'])
def test_every_tile_is_in_one_test_fold(root, group_pattern):
    tested = Counter()
    for fold in range(3):
        train, test = (
            build(root, split=split, num_folds=3, fold=fold, group_pattern=group_pattern) for split in ('train', 'test')
        )
        assert not tile_ids(train) & tile_ids(test)
        assert len(train) + len(test) == 2 * TILES_OF_A_CLASS
        tested.update(tile_ids(test))
    assert set(tested.values()) == {1}
    assert len(tested) == 2 * TILES_OF_A_CLASS


@pytest.mark.parametrize('pattern', [r'patient\d+', r'/(patient\d+)_', r'(?P<patient>patient\d+)'])
def test_no_patient_is_split(root, pattern):
    test = build(root, split='test', num_folds=3, fold=1, group_pattern=pattern)
    assert len({tile_id.split('/')[1].split('_')[0] for tile_id in tile_ids(test)}) == 1


def test_draws_lie_inside_the_training_part(root):
    training = tile_ids(build(root, num_folds=4, fold=2))
    small, large = (tile_ids(build(root, num_folds=4, fold=2, examples_per_class=n, seed=5)) for n in (2, 7))
    assert len(small) == 4
    assert small < large < training


def test_reencoding_changes_neither_folds_nor_draws(root, tmp_path):
    reencoded = write_tiles(
        tmp_path / 'jpeg', {folder: [name.replace('.png', '.JPG') for name in NAMES] for folder in ('normal', 'tumour')}
    )
    arguments = dict(num_folds=3, fold=1, examples_per_class=5)
    assert tile_ids(build(root, **arguments)) == tile_ids(build(reencoded, **arguments))


def test_listing_order_does_not_matter(root, monkeypatch):
    expected = build(root).load_data_list()
    listed = Path.iterdir
    monkeypatch.setattr(Path, 'iterdir', lambda folder: sorted(listed(folder), reverse=True))
    assert build(root).load_data_list() == expected


def test_what_macos_leaves_is_passed_over(root):
    (root / 'normal' / '._patient0_tile00.png').write_bytes(b'\0\5\x16\7')
    (root / 'normal' / '.DS_Store').write_bytes(b'\0')
    (root / '.Trashes').mkdir()
    assert len(build(root, num_folds=None)) == 2 * TILES_OF_A_CLASS


@pytest.fixture
def warnings(monkeypatch):
    said = []
    monkeypatch.setattr('sdp_plugin.datasets.tile_datasets.print_log', lambda line, **_: said.append(line))
    return said


def test_what_is_no_part_of_the_data_set_is_said(root, warnings):
    build(root, num_folds=None)
    (root / 'README.txt').write_text('about')
    (root / 'normal' / '.hidden').touch()
    assert warnings == []
    write_tiles(root, {'.': ['a.png', 'b.tif'], 'normal/deeper': ['c.png']})
    for name in ('normal/a.webp', 'tumour/a.WEBP', 'tumour/b.gif', 'tumour/c'):
        (root / name).touch()
    assert len(build(root, num_folds=None)) == 2 * TILES_OF_A_CLASS
    (line,) = warnings
    assert line.endswith(
        f'No part of the data set in {root}: 2 image(s) beside the class folders, 1 file(s) ending in .gif in them, '
        '2 file(s) ending in .webp in them, 1 file(s) without a suffix in them, 1 folder(s) in them.'
    )


@pytest.mark.parametrize(('names', 'are_splits'), [('test train', True), ('Train Valid', True), ('test tumour', False)])
def test_classes_that_look_like_splits_are_said(tmp_path, warnings, names, are_splits):
    build(write_tiles(tmp_path, dict.fromkeys(names.split(), NAMES)))
    assert [', '.join(names.split()) in line and 'look like splits' in line for line in warnings] == [True] * are_splits


FAULTS = {
    'a pipe': (lambda root: os.mkfifo(root / 'normal' / 'pipe.png'), 'no regular file'),
    'a folder': (lambda root: (root / 'normal' / 'more.png').mkdir(), 'no regular file'),
    'a broken link': (lambda root: (root / 'normal' / 'link.png').symlink_to('gone'), 'no regular file'),
    'a name': (lambda root: (root / 'normal' / os.fsdecode(b'a\xff.png')).touch(), r'not UTF-8(.|\n)*xff'),
    'a class': (lambda root: (root / os.fsdecode(b'\xe4')).mkdir(), r'not UTF-8(.|\n)*xe4'),
}


@pytest.mark.parametrize('name', FAULTS)
def test_strange_files_are_refused(root, name):
    make, message = FAULTS[name]
    make(root)
    with pytest.raises(UserError, match=message):
        build(root)


def test_a_folder_that_may_not_be_read(root, monkeypatch):
    def denied(path):
        raise PermissionError(errno.EACCES, 'Permission denied', str(path))

    monkeypatch.setattr(Path, 'iterdir', denied)
    with pytest.raises(UserError, match=r'(?s)cannot be read.*Permission denied.*normal'):
        build(root, classes=['normal', 'tumour'])
    with pytest.raises(UserError, match='cannot be read'):
        build(root)


def test_every_fold_has_its_own_draw(root):
    """With one seed the training parts of two folds share most tiles; their draws must not."""
    common = dict(num_folds=6, examples_per_class=5, seed=3)
    drawn = [tile_ids(build(root, fold=fold, **common)) for fold in range(6)]
    larger = [tile_ids(build(root, fold=fold, **common | dict(examples_per_class=8))) for fold in range(6)]
    assert all(small < large for small, large in zip(drawn, larger, strict=True))
    shared = [len(first & second) for first, second in combinations(drawn, 2)]
    # Two independent draws of 5 of 11 share 2.3 of a class; the same order with other tiles taken out shares 4.
    assert np.mean(shared) < 6.5


def test_the_draw_of_a_fold_stays_as_it_is(root):
    drawn = tile_ids(build(root, num_folds=3, fold=1, examples_per_class=2, seed=7))
    assert sorted(drawn) == [
        *('normal/patient1_tile04', 'normal/patient1_tile07'),
        *('tumour/patient1_tile01', 'tumour/patient1_tile07'),
    ]
    tested = tile_ids(build(root, num_folds=3, fold=1, fold_seed=2, split='test'))
    assert sorted(tile_id[-2:] for tile_id in tested) == ['00', '02', '04', '04', '06', '07', '10', '11', '12']


def test_arguments_are_told(root):
    names = inspect.signature(DATASETS.get('TileFolderDataset')).parameters
    assert {'data_root', 'fold', 'group_pattern', 'classes', 'pipeline', 'test_mode'} < set(names)
    assert names['num_folds'].default == 10


def test_repr_tells_fold_and_draw(root):
    text = repr(build(root, num_folds=3, fold=1, examples_per_class=5, seed=7))
    for line in ('Annotation file: \t', 'Prefix of images: \t', 'num_folds: \t3', 'fold: \t1'):
        assert line in text
    assert 'examples_per_class: \t5' in text
    assert 'seed: \t7' in text


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'split': 'valid'}, 'no validation part'),
        ({'split': 'all'}, 'Unknown split'),
        ({'fold': 10}, 'fold is out of range'),
        ({'num_folds': 1}, 'at least two folds'),
        ({'num_folds': '10'}, 'at least two folds'),
        ({'num_folds': 14}, 'normal 13, tumour 13'),
        ({'num_folds': 4, 'group_pattern': r'patient\d+'}, 'more folds than groups'),
        ({'group_pattern': r'slide\d+'}, '26 of 26 tiles have a name that does not tell their group'),
        ({'group_pattern': '('}, 'no regular expression'),
        ({'classes': 'normal'}, 'no list of different folder names'),
        ({'classes': ['normal', 'benign']}, 'class folder is missing'),
        ({'examples_per_class': 13}, 'normal 12, tumour 11|normal 11, tumour 12|normal 12, tumour 12'),
        ({'examples_per_class': 2, 'split': 'test'}, 'always used whole'),
    ],
)
def test_mistaken_arguments(root, arguments, message):
    with pytest.raises(UserError, match=message):
        build(root, **arguments)


def test_missing_folder(tmp_path):
    with pytest.raises(UserError, match='data folder is missing'):
        build(tmp_path / 'none')


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        ({'normal': ['a.png']}, 'fewer than two class folders'),
        ({'normal': ['a.png'], 'tumour': []}, 'holds no image'),
        ({'normal': ['a.png', 'a.tif'], 'tumour': ['a.png']}, 'same tile'),
    ],
)
def test_unusable_folders(tmp_path, names, message):
    with pytest.raises(UserError, match=message):
        build(write_tiles(tmp_path, names), num_folds=None)


def test_folds_are_those_of_the_keys(root):
    whole = build(root, num_folds=None)
    keys = [whole.get_data_info(index)['tile_id'] for index in range(len(whole))]
    folds = stratified_folds(keys, whole.get_gt_labels(), 3, seed=9)
    expected = {keys[index] for index in np.flatnonzero(folds == 2)}
    assert tile_ids(build(root, split='test', num_folds=3, fold=2, fold_seed=9)) == expected
