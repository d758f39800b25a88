"""NCT-CRC-HE-100K and CRC-VAL-HE-7K: one to train on, the other to test on."""

from __future__ import annotations

from collections import Counter

import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.registry import DATASETS


def build(root, **kwargs):
    return DATASETS.build(dict(type='sdp_plugin.NCTCRCDataset', data_root=str(root), **kwargs))


def folders_of(dataset):
    return {dataset.get_data_info(index)['img_path'].split('/')[-3] for index in range(len(dataset))}


@pytest.mark.parametrize(
    ('asked', 'folder'),
    [
        (dict(split='train'), 'NCT-CRC-HE-100K'),
        (dict(split='train', normalised=False), 'NCT-CRC-HE-100K-NONORM'),
        (dict(split='test'), 'CRC-VAL-HE-7K'),
        (dict(split='test', normalised=False), 'CRC-VAL-HE-7K'),
    ],
)
def test_each_split_has_its_folder(small_nct, asked, folder):
    dataset = build(small_nct, **asked)
    assert folders_of(dataset) == {folder}
    assert Counter(dataset.get_gt_labels().tolist()) == dict.fromkeys(range(9), 2)
    assert dataset.metainfo['classes'][-1] == 'TUM'
    assert dataset.get_data_info(17)['tile_id'] == 'TUM/TUM-0001'


def test_examples_are_drawn_for_training_only(small_nct):
    dataset = build(small_nct, examples_per_class=1, seed=4)
    assert Counter(dataset.get_gt_labels().tolist()) == dict.fromkeys(range(9), 1)
    with pytest.raises(UserError, match='always used whole'):
        build(small_nct, split='test', examples_per_class=1)


@pytest.mark.parametrize(
    ('asked', 'word'), [(dict(split='val'), 'no validation part'), (dict(normalised='no'), 'neither True nor False')]
)
def test_what_there_is_not_is_refused(small_nct, asked, word):
    with pytest.raises(UserError, match=word):
        build(small_nct, **asked)


def test_a_missing_folder_names_the_command(tmp_path):
    with pytest.raises(UserError, match=r'prepare_data\.py'):
        build(tmp_path)
