from __future__ import annotations

from collections import Counter

import pytest
from tile_files import write_tiles

from sdp_plugin.errors import UserError
from sdp_plugin.registry import DATASETS

FOLDERS = (
    *('01_TUMOR', '02_STROMA', '03_COMPLEX', '04_LYMPHO'),
    *('05_DEBRIS', '06_MUCOSA', '07_ADIPOSE', '08_EMPTY'),
)
# As the official names are built: hex number, source image, its part, row and column.
NAMES = [f'1{index:03X}_CRC-Prim-HE-{index % 4 + 1:02}_0{index:02}.tif_Row_1_Col_{index}.tif' for index in range(12)]


def build(root, **kwargs):
    return DATASETS.build(dict(type='sdp_plugin.CRCDataset', data_root=str(root), **kwargs))


def tile_ids(dataset):
    return [dataset.get_data_info(index)['tile_id'] for index in range(len(dataset))]


@pytest.fixture(scope='module')
def root(tmp_path_factory):
    return write_tiles(tmp_path_factory.mktemp('crc'), dict.fromkeys(FOLDERS, NAMES))


def test_labels_follow_the_folder_numbers(root):
    dataset = build(root, num_folds=None)
    assert dataset.metainfo['classes'][0] == 'TUMOR'
    for index in range(len(dataset)):
        item = dataset.get_data_info(index)
        assert FOLDERS[item['gt_label']] == item['tile_id'].split('/')[0]
    assert Counter(dataset.get_gt_labels().tolist()) == dict.fromkeys(range(8), 12)


@pytest.mark.parametrize('fold', range(4))
def test_grouped_folds_hold_out_whole_source_images(root, fold):
    def source_images(split):
        dataset = build(root, split=split, num_folds=4, fold=fold, group_by='source_image')
        return {tile_id.split('_')[2] for tile_id in tile_ids(dataset)}

    assert len(source_images('test')) == 1
    assert not source_images('test') & source_images('train')


def test_suffix_of_the_official_name_is_not_the_files(root, tmp_path):
    names = [f'{name.removesuffix(".tif")}.png' for name in NAMES]
    reencoded = write_tiles(tmp_path, dict.fromkeys(FOLDERS, names))
    arguments = dict(num_folds=3, fold=1, examples_per_class=3, seed=2)
    assert tile_ids(build(root, **arguments)) == tile_ids(build(reencoded, **arguments))
    assert '.tif_Row_1_Col_' in tile_ids(build(reencoded, **arguments))[0]


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'split': 'val'}, 'no validation part'),
        ({'fold': 12, 'num_folds': 12}, 'fold is out of range'),
        ({'group_by': 'patient'}, 'Unknown group_by'),
        ({'group_by': 'source_image', 'num_folds': 10}, 'more folds than groups'),
        ({'examples_per_class': 12}, r'TUMOR \d+, STROMA \d+'),
    ],
)
def test_mistaken_arguments(root, arguments, message):
    with pytest.raises(UserError, match=message):
        build(root, **arguments)


def test_other_names_can_only_not_be_grouped(tmp_path):
    names = ['a.png', 'b.png', 'c.png']
    root = write_tiles(tmp_path, dict.fromkeys(FOLDERS, names))
    assert len(build(root, num_folds=3, split='test')) == 8
    with pytest.raises(UserError, match='does not tell their group'):
        build(root, num_folds=3, group_by='source_image')


def test_missing_class_folder(tmp_path):
    with pytest.raises(UserError, match=r'class folder is missing(.|\n)*08_EMPTY'):
        build(write_tiles(tmp_path, dict.fromkeys(FOLDERS[:7], NAMES)))


@pytest.mark.real_data
def test_real_tiles(real_data):
    root = real_data / 'Kather_texture_2016_image_tiles_5000'
    dataset = build(root, num_folds=None, pipeline=[dict(type='sdp_plugin.LoadImage')])
    assert len(dataset) > 100
    assert {dataset[index]['img'].shape for index in range(len(dataset))} == {(150, 150, 3)}
    tested = [tile_id for fold in range(10) for tile_id in tile_ids(build(root, split='test', fold=fold))]
    assert len(tested) == len(set(tested)) == len(dataset)
