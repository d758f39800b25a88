"""The VOC data sets: records, and what they refuse."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mmseg.registry import DATASETS
from mmseg.utils import register_all_modules

from sdp_plugin.catalogue.voc import read_id_list
from sdp_plugin.datasets.voc_datasets import VOCClassLabelDataset, VOCDataset
from sdp_plugin.errors import UserError

IDS = ['2007_000032', '2007_000039', '2007_000063']
FOLDERS = {'img_path': 'JPEGImages', 'scribble_path': '../scribbles'}


@pytest.fixture
def root(tmp_path) -> Path:
    root = tmp_path / 'VOC2012'
    for folder, suffix in [('JPEGImages', '.jpg'), ('SegmentationClassAug', '.png'), ('../scribbles', '.xml')]:
        (root / folder).mkdir(parents=True, exist_ok=True)
        for image_id in IDS:
            (root / folder / f'{image_id}{suffix}').touch()
    (root / 'list.txt').write_text('\n'.join(IDS) + '\n\n')
    return root


def build(root: Path, **changes) -> VOCDataset:
    return VOCDataset(**{'data_root': str(root), 'ann_file': 'list.txt', 'data_prefix': dict(FOLDERS), **changes})


def test_records_in_the_order_of_the_list(root):
    dataset = build(root)
    assert [dataset.get_data_info(i)['image_id'] for i in range(len(dataset))] == IDS
    record = dataset.get_data_info(1)
    assert Path(record['img_path']) == root / 'JPEGImages/2007_000039.jpg'
    assert Path(record['scribble_path']).resolve() == (root / '../scribbles/2007_000039.xml').resolve()
    assert 'seg_map_path' not in record


def test_scribbles_as_png(root):
    dataset = build(root, scribble_suffix='.png', data_prefix={**FOLDERS, 'scribble_path': 'SegmentationClassAug'})
    assert dataset.get_data_info(0)['scribble_path'].endswith('2007_000032.png')


def test_classes():
    assert len(VOCDataset.METAINFO['classes']) == len(VOCDataset.METAINFO['palette']) == 21
    assert VOCDataset.METAINFO['classes'][0] == 'background'
    assert VOCClassLabelDataset.METAINFO['classes'] == VOCDataset.METAINFO['classes'][1:]


def test_found_from_mmseg_without_custom_imports(root):
    register_all_modules(init_default_scope=False)
    config = dict(type='sdp_plugin.VOCDataset', data_root=str(root), ann_file='list.txt', data_prefix=dict(FOLDERS))
    assert len(DATASETS.build(config)) == 3


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'data_root': 'nowhere'}, r'(?s)folder for img_path is missing.*nowhere'),
        ({'ann_file': 'none.txt'}, r'(?s)list of image ids is missing.*none\.txt'),
        ({'data_prefix': {**FOLDERS, 'scribble_path': 'none'}}, 'folder for scribble_path is missing'),
        ({'data_prefix': {**FOLDERS, 'masks': 'none'}}, r'(?s)Unknown key in data_prefix.*masks'),
    ],
)
def test_wrong_paths(root, changes, message):
    with pytest.raises(UserError, match=message):
        build(root, **changes)


@pytest.mark.parametrize(('folder', 'kind'), [('JPEGImages', 'img'), ('../scribbles', 'scribble')])
def test_an_id_without_its_file(root, folder, kind):
    next((root / folder).glob('*39*')).unlink()
    with pytest.raises(UserError, match=rf'(?s)1 of 3 images .* have no {kind} file.*2007_000039'):
        build(root)


@given(content=st.binary(max_size=60) | st.text(max_size=40).map(lambda text: text.encode('utf-8', 'ignore')))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_any_file_is_a_list_or_one_error(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / 'any list.txt'
    path.write_bytes(content)
    try:
        ids = read_id_list(path)
    except UserError:
        return
    assert ids
    assert len(set(ids)) == len(ids)
    assert not any('/' in image_id or image_id != image_id.strip() for image_id in ids)


def test_a_list_that_is_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / 'list.txt')
    with pytest.raises(UserError, match='no regular file'):
        read_id_list(tmp_path / 'list.txt')


@pytest.mark.parametrize('content', [b'\xef\xbb\xbfa\nb\n', b'a\r\nb', b'\n a \n\nb\n'])
def test_lists_of_other_editors(tmp_path, content):
    (tmp_path / 'list.txt').write_bytes(content)
    assert read_id_list(tmp_path / 'list.txt') == ['a', 'b']


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'\n \n', 'is empty'),
        (b'a\nb\na\n', r'(?s)names an id twice.*a in'),
        (b'/JPEGImages/a.jpg /Masks/a.png\n', 'more than ids'),
        (b'\xff\xfe\x00', 'no text file'),
    ],
)
def test_bad_lists(tmp_path, content, message):
    path = tmp_path / 'list.txt'
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_id_list(path)
