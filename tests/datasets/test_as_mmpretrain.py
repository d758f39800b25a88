"""What MMPretrain's tests ask of its data sets, asked of ours.

One difference: ``classes`` of ``TileFolderDataset`` names folders, so that it takes no path of a list.
"""

from __future__ import annotations

import pickle

import pytest

from sdp_plugin.registry import DATASETS

KINDS = ('CRCDataset', 'PCamDataset', 'TileFolderDataset', 'VOCDataset')


@pytest.fixture(params=KINDS)
def arguments(request, small_data) -> dict:
    kind = f'sdp_plugin.{request.param}'
    if request.param == 'VOCDataset':
        folders = dict(img_path='JPEGImages', seg_map_path='SegmentationClassAug')
        ann_file = 'ImageSets/Segmentation/val.txt'
        return dict(type=kind, data_root=str(small_data.voc), ann_file=ann_file, data_prefix=folders)
    root = small_data.pcam if request.param == 'PCamDataset' else small_data.crc
    return dict(type=kind, data_root=str(root)) | ({} if request.param == 'PCamDataset' else dict(num_folds=4))


def build(arguments, **more):
    return DATASETS.build(arguments | more)


def test_metainfo_is_that_of_the_class_or_given(arguments):
    dataset = build(arguments, lazy_init=True)
    if dataset.METAINFO:
        assert dataset.metainfo['classes'] == tuple(dataset.METAINFO['classes'])
    if 'VOC' in arguments['type']:
        return  # MMSegmentation maps labels where the names change
    names = tuple(f'class {index}' for index in range(len(dataset.metainfo['classes'])))
    assert build(arguments, lazy_init=True, metainfo=dict(classes=names)).metainfo['classes'] == names
    if 'Folder' not in arguments['type']:
        assert names == build(arguments, lazy_init=True, classes=list(names)).CLASSES


def test_classes_from_a_file(small_data, tmp_path):
    (tmp_path / 'classes.txt').write_text('healthy\ncancer\n')
    dataset = DATASETS.build(
        dict(type='sdp_plugin.PCamDataset', data_root=str(small_data.pcam), classes=str(tmp_path / 'classes.txt'))
    )
    assert dataset.CLASSES == ('healthy', 'cancer')
    assert dataset.class_to_idx == {'healthy': 0, 'cancer': 1}


def test_it_is_read_when_it_is_asked_for(arguments):
    dataset = build(arguments, lazy_init=True)
    assert not dataset._fully_initialized
    if 'VOC' not in arguments['type']:
        assert "Haven't been initialized" in repr(dataset)
    dataset.full_init()
    assert len(dataset) == len(build(arguments)) > 0


def test_repr(arguments):
    dataset = build(arguments, pipeline=[dict(type='sdp_plugin.LoadImage')])
    told = repr(dataset)
    if 'VOC' in arguments['type']:
        return
    for line in (
        f'Dataset {type(dataset).__name__}',
        f'Number of samples: \t{len(dataset)}',
        f'Number of categories: \t{len(dataset.CLASSES)}',
        f'Annotation file: \t{dataset.ann_file}',
        f'Prefix of images: \t{dataset.img_prefix}',
        'With transforms:',
        'LoadImage(',
    ):
        assert line in told


def test_labels_and_categories(arguments):
    dataset = build(arguments)
    if 'VOC' in arguments['type']:
        return
    labels = dataset.get_gt_labels()
    assert labels.shape == (len(dataset),)
    assert [dataset.get_cat_ids(index) for index in range(len(dataset))] == [[label] for label in labels.tolist()]


def test_a_part_and_a_copy(arguments):
    dataset = build(arguments)
    assert len(build(arguments, indices=2)) == 2
    assert build(arguments, indices=[1]).get_data_info(0) == dataset.get_data_info(1) | {'sample_idx': 0}
    assert pickle.loads(pickle.dumps(dataset)).get_data_info(1) == dataset.get_data_info(1)
    assert len(dataset.get_subset([0])) == 1
