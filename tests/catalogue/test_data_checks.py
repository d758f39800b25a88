from __future__ import annotations

import shutil
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
from mmengine.config import Config
from tile_files import write_sparse_patches

from sdp_plugin.catalogue import data_checks
from sdp_plugin.catalogue.crc import CLASS_FOLDERS
from sdp_plugin.catalogue.data_checks import ABSENT, UNKNOWN, check_run, fingerprint, forget, obstacle
from sdp_plugin.errors import UserError
from sdp_plugin.registry import DATASETS
from sdp_plugin.scribbles.formats.index_png import read_index_png, write_index_png
from sdp_plugin.settings import load_config

ROOT = Path(__file__).parents[2]
EMPTY_HOLDER = 'CRC-Prim-HE-06'


@pytest.fixture(autouse=True)
def _looked_at_anew():
    forget()


def crc(root, **more) -> dict:
    return dict(type='sdp_plugin.CRCDataset', data_root=str(root), split='train', seed=0, pipeline=[]) | more


def pcam(root, **more) -> dict:
    return dict(type='sdp_plugin.PCamDataset', data_root=str(root), split='train', seed=0, pipeline=[]) | more


def voc(root, **more) -> dict:
    return (
        dict(
            type='sdp_plugin.VOCDataset',
            data_root=str(root),
            ann_file='ImageSets/Segmentation/train_aug.txt',
            data_prefix=dict(img_path='JPEGImages', scribble_path=str(root.parents[1] / 'scribbles' / 'pascal_2012')),
            pipeline=[],
        )
        | more
    )


def run(train, test=None, **more) -> dict:
    loaders = {'train_dataloader': dict(dataset=train)} | ({'test_dataloader': dict(dataset=test)} if test else {})
    return loaders | more


CONFIGS = {'pcam': pcam, 'crc': crc, 'voc': voc}


@pytest.fixture
def copied(small_data, tmp_path):
    """Copies of the small data sets, to be spoilt."""
    shutil.copytree(small_data.pcam.parent, tmp_path / 'data')
    return {name: tmp_path / 'data' / getattr(small_data, name).relative_to(small_data.pcam.parent) for name in CONFIGS}


@pytest.mark.parametrize('name', CONFIGS)
def test_a_fingerprint_is_that_of_the_content(small_data, copied, name):
    here, there = CONFIGS[name](getattr(small_data, name)), CONFIGS[name](copied[name])
    assert fingerprint(here) == fingerprint(there)
    assert len(fingerprint(here)) == 12
    assert int(fingerprint(here), 16) >= 0


def test_a_fingerprint_knows_the_split_and_the_labels_that_are_used(small_data):
    prints = [
        fingerprint(pcam(small_data.pcam)),
        fingerprint(pcam(small_data.pcam, split='test')),
        fingerprint(crc(small_data.crc)),
        fingerprint(voc(small_data.voc)),
        fingerprint(voc(small_data.voc, ann_file='ImageSets/Segmentation/val.txt', data_prefix={})),
        fingerprint(voc(small_data.voc, data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'))),
    ]
    assert ABSENT not in prints
    assert len(set(prints)) == len(prints)


def test_what_is_done_with_the_data_is_not_in_the_fingerprint(small_data):
    drawn = crc(small_data.crc, fold=1, num_folds=4, examples_per_class=2, seed=5)
    assert fingerprint(drawn) == fingerprint(crc(small_data.crc))


def test_the_patches_that_are_excluded_are_in_the_fingerprint(copied):
    prints = [fingerprint(pcam(copied['pcam']))]
    for key in ('train/3', 'train/4', 'test/4'):
        (copied['pcam'] / 'duplicates.txt').write_text(f'# key\n{key} more\n')
        forget()
        prints.append(fingerprint(pcam(copied['pcam'], exclude='duplicates.txt')))
    assert ABSENT not in prints
    assert len(set(prints[:3])) == 3
    assert prints[3] == prints[0]


def test_the_storage_of_patches_is_not_in_the_fingerprint(copied):
    before = fingerprint(pcam(copied['pcam']))
    path = copied['pcam'] / 'camelyonpatch_level_2_split_train_x.h5'
    with h5py.File(path) as file:
        patches = file['x'][:]
    with h5py.File(path, 'w') as file:
        file.create_dataset('x', data=patches, chunks=(5, 96, 96, 3), compression='gzip')
    forget()
    assert fingerprint(pcam(copied['pcam'])) == before


def change_a_patch(roots):
    with h5py.File(roots['pcam'] / 'camelyonpatch_level_2_split_train_x.h5', 'r+') as file:
        file['x'][0, 0, 0, 0] ^= 255


def change_a_label(roots):
    with h5py.File(roots['pcam'] / 'camelyonpatch_level_2_split_train_y.h5', 'r+') as file:
        file['y'][7] = 1 - file['y'][7]


def grow_a_tile(roots):
    with open(next((roots['crc'] / CLASS_FOLDERS[0]).iterdir()), 'ab') as file:
        file.write(b'\0')


def add_a_tile(roots):
    tile = next((roots['crc'] / CLASS_FOLDERS[0]).iterdir())
    shutil.copy(tile, tile.with_name(f'another{tile.suffix}'))


def reorder_the_list(roots):
    path = roots['voc'] / 'ImageSets' / 'Segmentation' / 'train_aug.txt'
    path.write_text('\n'.join(sorted(path.read_text().split(), reverse=True)))


def grow_a_scribble(roots):
    with open(min((roots['voc'].parents[1] / 'scribbles' / 'pascal_2012').iterdir()), 'a') as file:
        file.write('\n')


@pytest.mark.parametrize(
    ('name', 'change'),
    [
        ('pcam', change_a_patch),
        ('pcam', change_a_label),
        ('crc', grow_a_tile),
        ('crc', add_a_tile),
        ('voc', reorder_the_list),
        ('voc', grow_a_scribble),
    ],
)
def test_a_change_of_the_data_changes_the_fingerprint(copied, name, change):
    before = fingerprint(CONFIGS[name](copied[name]))
    change(copied)
    assert fingerprint(CONFIGS[name](copied[name])) == before  # kept within the process
    forget()
    assert fingerprint(CONFIGS[name](copied[name])) not in (before, ABSENT)


@pytest.mark.parametrize('name', CONFIGS)
def test_absent_data(tmp_path, name):
    root = tmp_path / 'VOCdevkit' / 'VOC2012'
    assert fingerprint(CONFIGS[name](root)) == ABSENT
    assert obstacle(run(CONFIGS[name](root))) is None  # nobody knows yet
    with pytest.raises(UserError, match=r'(?s)train_dataloader cannot be used.*folder'):
        check_run(run(CONFIGS[name](root)))


def test_a_data_set_of_somebody_else(tmp_path):
    (tmp_path / 'images').mkdir()
    (tmp_path / 'images' / 'one.png').write_bytes(b'one')
    config = dict(type='mmpretrain.ImageNet', data_root=str(tmp_path))
    before = fingerprint(config)
    (tmp_path / 'images' / 'two.png').write_bytes(b'two')
    forget()
    assert fingerprint(config) not in (before, ABSENT)
    assert obstacle(run(config)) is None
    assert fingerprint(dict(type='mmpretrain.ImageNet')) == UNKNOWN


# What is asked of the small data, which have 8 patches and 4 tiles a class.
ASKED = [
    ('pcam', {}),
    ('pcam', {'examples_per_class': 8}),
    ('pcam', {'examples_per_class': 9}),
    ('pcam', {'examples_per_class': 0}),
    ('pcam', {'split': 'validation'}),
    ('crc', {'num_folds': 4, 'examples_per_class': 3}),
    ('crc', {'num_folds': 4, 'examples_per_class': 4}),
    ('crc', {'num_folds': 4, 'fold': 4}),
    ('crc', {'num_folds': 5}),
    ('crc', {'num_folds': None, 'examples_per_class': 4}),
    ('crc', {'group_by': 'patient'}),
    ('crc', {'num_folds': 2, 'group_by': 'source_image', 'fold': 1}),
    ('voc', {}),
    ('voc', {'ann_file': 'ImageSets/Segmentation/none.txt'}),
    ('voc', {'scribble_suffix': '.png'}),
    ('tile_folder', {'num_folds': 4, 'examples_per_class': 3}),
    ('tile_folder', {'num_folds': 4, 'examples_per_class': 4}),
    ('tile_folder', {'num_folds': 3, 'group_pattern': '('}),
    ('tile_folder', {'num_folds': 3, 'group_pattern': 'nowhere'}),
    ('tile_folder', {'num_folds': 4, 'classes': ['01_TUMOR', '02_STROMA']}),
    ('tile_folder', {'num_folds': 4, 'classes': ['01_TUMOR', '99_NONE']}),
]


@pytest.mark.parametrize(('name', 'asked'), ASKED)
def test_a_check_finds_what_the_data_set_would_raise(small_data, name, asked):
    if name == 'tile_folder':
        config = crc(small_data.crc, type='sdp_plugin.TileFolderDataset') | asked
    else:
        config = CONFIGS[name](getattr(small_data, name)) | asked
    wanted = message_of(DATASETS.build, config)
    found = message_of(check_run, run(config))
    assert (wanted or '') in (found or '')
    assert bool(wanted) == bool(found)
    if wanted and fingerprint(config) != ABSENT:
        assert wanted.splitlines()[0] in obstacle(run(config))
        assert '\n' not in obstacle(run(config))


def message_of(function, argument) -> str | None:
    try:
        function(argument)
    except UserError as error:
        return str(error)
    return None


def own(root, **more) -> dict:
    return crc(root, type='sdp_plugin.TileFolderDataset', num_folds=4) | more


TOO_MANY = dict(type='Accuracy', topk=(1, 9))
HEAD = dict(head=dict(num_classes=7))
# What a test needs beside what its data set would raise: (config of the run from the root, message).
UNFIT = {
    'tests on training tiles': (
        lambda r: run(own(r, num_folds=None), own(r, num_folds=None, split='test')),
        'tiles of',
    ),
    'tests another fold': (lambda r: run(own(r, fold=0), own(r, fold=1, split='test')), '8 of the 8 tiles'),
    'tests other folds': (lambda r: run(own(r), own(r, fold_seed=1, split='test')), 'of the 8 tiles'),
    'other classes': (
        lambda r: run(own(r), own(r, num_folds=None, split='test', classes=['02_STROMA', '01_TUMOR'])),
        'other classes',
    ),
    'no such split': (
        lambda r: run(own(r), own(r, split='tset')),
        r'(?s)test_dataloader.*Unknown split',
    ),
    'no test data': (lambda r: run(own(r), own(r / 'none', split='test')), 'data folder is missing'),
    'too many for top k': (lambda r: run(own(r), own(r, split='test'), test_evaluator=[TOO_MANY]), 'topk from 1 to 8'),
    'metric of masks': (
        lambda r: run(own(r), own(r, split='test'), test_evaluator=dict(type='IoUMetric')),
        'does not fit the data',
    ),
    'other model': (lambda r: run(own(r), own(r, split='test'), model=HEAD), 'num_classes=8'),
}


@pytest.mark.parametrize('name', UNFIT)
def test_what_the_test_needs_is_checked_before_the_training(small_data, name):
    config_of, message = UNFIT[name]
    with pytest.raises(UserError, match=message):
        check_run(config_of(small_data.crc))


def spoil_a_tile(roots):
    path = max((roots['crc'] / CLASS_FOLDERS[3]).iterdir())
    path.write_bytes(path.read_bytes()[:-9])
    return crc(roots['crc'], num_folds=None, split='test')


def spoil_patches(roots):
    path = roots['pcam'] / 'camelyonpatch_level_2_split_test_x.h5'
    with h5py.File(path) as file:
        patches = file['x'][:]
    with h5py.File(path, 'w') as file:
        file.create_dataset('x', data=patches, chunks=(1, 96, 96, 3), compression='gzip')
        start = file['x'].id.get_chunk_info(3).byte_offset
    content = bytearray(path.read_bytes())
    content[start + 2 : start + 30] = bytes(28)
    path.write_bytes(content)
    return pcam(roots['pcam'], split='test')


def spoil_an_image(roots):
    min((roots['voc'] / 'JPEGImages').iterdir()).write_text('<html>')
    return voc(roots['voc'])


def spoil_a_mask(roots):
    path = min((roots['voc'] / 'SegmentationClassAug').iterdir())
    mask = read_index_png(path)
    mask[0, 0] = 99
    write_index_png(path, mask)
    return voc(roots['voc'], data_prefix=dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug'))


@pytest.mark.parametrize('spoil', [spoil_a_tile, spoil_patches, spoil_an_image, spoil_a_mask])
def test_a_broken_test_file_is_found_before_the_training(small_data, copied, spoil):
    train = pcam(small_data.pcam) if spoil is spoil_patches else {}
    broken = spoil(copied)
    cfg = dict(test_dataloader=dict(dataset=broken)) | (run(train) if train else {})
    with pytest.raises(UserError, match=r'(?s)test_dataloader cannot be used.*(cannot be decoded|no HDF5 file|99 in)'):
        check_run(cfg)
    assert obstacle(cfg) is None  # a plan does not open hundreds of files


def test_a_fitting_run_passes(small_data):
    metrics = [dict(type='Accuracy', topk=(1, 5)), dict(type='sdp_plugin.AUROC'), dict(type='of.somebody.Else')]
    model = dict(head=dict(num_classes=8), backbone=dict(num_classes=3))
    check_run(run(own(small_data.crc), own(small_data.crc, split='test'), test_evaluator=metrics, model=model))
    wrapped = dict(type='RepeatDataset', times=3, dataset=own(small_data.crc))
    check_run(run(wrapped, own(small_data.crc, split='test')))
    with pytest.raises(UserError, match='num_classes=8'):
        check_run(run(wrapped, model=dict(head=dict(num_classes=3))))


def test_every_shipped_config_passes(small_options):
    paths = sorted(path for kind in ('pretrain', 'finetune') for path in (ROOT / 'configs' / kind).glob('*.py'))
    for path in paths:
        name = path.relative_to(ROOT / 'configs').as_posix()
        check_run(load_config(path, small_options(name, small_model=False)))


@pytest.fixture
def official_names(real_data, tmp_path):
    """Empty files of the official names of all 5,000 tiles."""
    for name in (real_data / 'crc-5000-file-names.txt').read_text().split():
        path = tmp_path / name if '/' in name else tmp_path / '_' / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    assert {folder.name for folder in tmp_path.iterdir()} == set(CLASS_FOLDERS)
    return tmp_path


@pytest.mark.real_data
def test_fifty_a_class_cannot_be_drawn_without_the_image_of_most_empty_tiles(official_names):
    config = crc(official_names, num_folds=10, group_by='source_image')
    for number in (12, 25, 50):
        obstacles = {fold: obstacle(run(config | dict(fold=fold, examples_per_class=number))) for fold in range(10)}
        impossible = [fold for fold, found in obstacles.items() if found]
        if number < 50:
            assert impossible == []
            continue
        (fold,) = impossible
        assert 'EMPTY 35' in obstacles[fold]
        tested = DATASETS.build(config | dict(fold=fold, split='test'))
        assert all(EMPTY_HOLDER in item['tile_id'] for item in tested.load_data_list())


@pytest.mark.real_data
def test_the_official_folds_are_even(official_names):
    config = crc(official_names, num_folds=10)
    assert [obstacle(run(config | dict(fold=fold, examples_per_class=562))) for fold in range(10)] == [None] * 10
    assert 'TUMOR' in obstacle(run(config | dict(fold=0, examples_per_class=564)))
    assert Counter(len(DATASETS.build(config | dict(fold=f, split='test'))) for f in range(10)) == {500: 10}


def test_a_grid_is_checked_at_once(tmp_path):
    """As many cells as Table 1 has, on data sets of the official sizes."""
    for folder in CLASS_FOLDERS:
        (tmp_path / 'crc' / folder).mkdir(parents=True)
        for index in range(625):
            (tmp_path / 'crc' / folder / f'{index}.tif').touch()
    (tmp_path / 'pcam').mkdir()
    labels = np.arange(262_144, dtype=np.uint8).reshape(-1, 1, 1, 1) % 2
    write_sparse_patches(tmp_path / 'pcam' / 'camelyonpatch_level_2_split_train_x.h5', len(labels))
    with h5py.File(tmp_path / 'pcam' / 'camelyonpatch_level_2_split_train_y.h5', 'w') as file:
        file['y'] = labels
    drawn = [('pcam', number, repeat) for number in (1000, 2000, 3000) for repeat in range(10)]
    drawn += [('crc', number, repeat) for number in (12, 25, 50) for repeat in range(10)]
    cells = [
        CONFIGS[name](tmp_path / name, examples_per_class=number, seed=repeat, fold=repeat)
        for _ in range(4)
        for name, number, repeat in drawn
    ]
    started = time.process_time()
    answers = [(fingerprint(cell), obstacle(run(cell))) for cell in cells]
    seconds = time.process_time() - started
    assert len(answers) == 240
    assert {found for _, found in answers} == {None}
    prints = {print_ for print_, _ in answers}
    assert len(prints) == 2
    assert ABSENT not in prints
    assert seconds < 1.5  # 0.3 s alone on a core; without keeping answers it takes 20 times as long


def test_the_plan_needs_no_torch():
    program = (
        'import sys; from sdp_plugin.catalogue.data_checks import obstacle; '
        "sys.exit(bool({'torch', 'mmseg', 'mmpretrain', 'mmcv'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, '-c', program], cwd=ROOT).returncode == 0


@pytest.mark.parametrize('kind', ['pretrain', 'finetune'])
def test_every_shipped_data_set_is_looked_into(kind):
    configs = sorted((ROOT / 'configs' / kind).glob('*.py'))
    assert configs
    for path in configs:
        name = Config.fromfile(path).train_dataloader.dataset.type.split('.')[-1]
        assert name in data_checks.COLLECTIONS
