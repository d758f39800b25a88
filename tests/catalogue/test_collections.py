"""What data sets are asked for: nonsense is refused before a file is looked at, and names are said in one place."""

from __future__ import annotations

import inspect
import os
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from sdp_plugin.catalogue.crc import KatherTiles
from sdp_plugin.catalogue.data_checks import COLLECTIONS
from sdp_plugin.catalogue.nct_crc import NCTTiles
from sdp_plugin.catalogue.pcam import PCam
from sdp_plugin.catalogue.tile_folder import TileFolder
from sdp_plugin.catalogue.voc import VOCFiles
from sdp_plugin.errors import UserError

ROOT = Path(__file__).parents[2]
TEXTS = (None, 3, ['a'], {'a': 1}, 'a\0b')
NUMBERS = ('1', 1.0, True, None, [1])
TILES = dict(
    data_root=TEXTS,
    split=('all', 'Train', '', None, 3, ['train'], {'train': 1}),
    examples_per_class=('12', 0, -1, 1.5, True, [3]),
    seed=NUMBERS,
)
FOLDS = dict(num_folds=('3', 1, 0, -2, 2.0, True, [3]), fold=(*NUMBERS, -1, 10), fold_seed=NUMBERS)
BAD = {
    PCam: TILES | dict(exclude=(3, ['a'], True, 'a\0b')),
    KatherTiles: TILES | FOLDS | dict(group_by=('patient', '', None, 3, ['none'])),
    TileFolder: TILES
    | FOLDS
    | dict(
        group_pattern=('(', '[', 3, ['a'], True),
        classes=('normal', [], ['one'], ['a', 'a'], ['a', ''], ['a', 1], [['a'], ['b']], {'a': 0, 'b': 1}, 3),
    ),
    NCTTiles: TILES | dict(normalised=(None, 1, 'no')),
    VOCFiles: dict(
        data_root=TEXTS,
        ann_file=TEXTS,
        data_prefix=(None, 3, 'JPEGImages', ['JPEGImages'], {'images': 'a'}, {3: 'a'}, {'img_path': 3}),
        scribble_suffix=TEXTS,
    ),
}
CASES = [(kind, name, value) for kind, options in BAD.items() for name, values in options.items() for value in values]


@pytest.mark.parametrize('kind', BAD)
def test_the_table_knows_every_argument(kind):
    assert set(BAD[kind]) == {field.name for field in fields(kind)}
    hash(kind())


@pytest.mark.parametrize(('kind', 'name', 'value'), CASES)
def test_nonsense_is_refused(kind, name, value):
    with pytest.raises(UserError):
        kind.from_config({name: value, 'type': 'sdp_plugin.Any', 'pipeline': []})


def test_examples_are_drawn_for_training_only():
    with pytest.raises(UserError, match='used whole'):
        PCam(split='test', examples_per_class=3)


def test_folds_have_no_validation_part():
    assert TileFolder(split='valid', num_folds=None).split == 'val'
    with pytest.raises(UserError, match='no validation part'):
        TileFolder(split='valid')


def test_the_table_and_the_data_sets_name_the_same():
    from sdp_plugin.registry import DATASETS

    for name, collection in COLLECTIONS.items():
        dataset = DATASETS.get(name)
        assert dataset.COLLECTION is collection
        own = {field.name for field in fields(collection)}
        assert own < set(inspect.signature(dataset).parameters)
    assert set(COLLECTIONS) == set(DATASETS.module_dict)


NEW_DATA_SET = """
from dataclasses import dataclass
import sys
from typing import ClassVar
from types import MappingProxyType
from sdp_plugin.catalogue import data_checks
from sdp_plugin.catalogue.tile_folder import FoldedTiles

@dataclass(frozen=True)
class Breast(FoldedTiles):
    class_folders: ClassVar = ('benign', 'malignant')
    class_names: ClassVar = ('benign', 'malignant')
    pattern: ClassVar = None
    complete_size: ClassVar = None

data_checks.COLLECTIONS = MappingProxyType({**data_checks.COLLECTIONS, 'BreastDataset': Breast})
config = dict(type='sdp_plugin.BreastDataset', data_root=sys.argv[1], num_folds=2, examples_per_class=1)
cfg = dict(train_dataloader=dict(dataset=config))
data_checks.check_run(cfg)
print(data_checks.fingerprint(config), data_checks.obstacle(dict(train_dataloader=dict(dataset=config | dict(fold=2)))))
assert not {'torch', 'mmseg', 'mmpretrain', 'mmcv'} & set(sys.modules)

from sdp_plugin.datasets.tile_datasets import TileDataset
from sdp_plugin.registry import DATASETS

@DATASETS.register_module()
class BreastDataset(TileDataset):
    COLLECTION = Breast
    METAINFO = dict(classes=Breast.class_names)

print(len(DATASETS.build(config)))
"""


def test_a_new_data_set_is_one_class_of_its_own_and_two_lines(tmp_path):
    """All that a plan, a check and a training need of it: nothing else in the package knows its name."""
    for folder in ('benign', 'malignant'):
        (tmp_path / folder).mkdir()
        for index in range(4):
            (tmp_path / folder / f'{index}.png').write_bytes(bytes(index))
    done = subprocess.run(
        [sys.executable, '-c', NEW_DATA_SET, str(tmp_path)],
        capture_output=True,
        text=True,
        env=os.environ | {'PYTHONPATH': str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    told, length = done.stdout.strip().splitlines()[-2:]
    assert 'fold is out of range' in told
    assert length == '2'
