"""Packed bytes with classes become what MMPretrain's packing and preprocessing make."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmpretrain.datasets.transforms import PackInputs
from mmpretrain.models import ClsDataPreprocessor, MultiLabelLinearClsHead
from torch.utils.data import DataLoader

from sdp_plugin.datasets.transforms import PackClassLabels, collate_class_labels
from sdp_plugin.errors import UserError
from sdp_plugin.models import MultiLabelPreprocessor

SETTINGS = dict(num_classes=20, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_onehot=True)
LABELS = ([3, 19], [0], [])


def records() -> list[dict]:
    rng = np.random.default_rng(0)
    return [
        dict(
            img=rng.integers(0, 256, (11, 14, 3), dtype=np.uint8),
            gt_label=np.array(labels, dtype=np.int64),
            img_path=f'{labels}.jpg',
            ori_shape=(20, 30),
        )
        for labels in LABELS
    ]


@pytest.mark.parametrize('changes', [dict(to_rgb=True), dict(to_rgb=False), dict(mean=None, std=None)])
def test_batches_are_those_of_mmpretrain(changes):
    settings = SETTINGS | changes
    reference = pseudo_collate([PackInputs()(record) for record in records()])
    expected = ClsDataPreprocessor(**settings)(reference, training=True)
    batch = collate_class_labels([PackClassLabels()(record) for record in records()])
    assert batch['inputs'].dtype == torch.uint8
    found = MultiLabelPreprocessor(**settings)(batch, training=True)
    assert torch.equal(found['inputs'], expected['inputs'])
    assert found['inputs'].is_contiguous(memory_format=torch.channels_last)
    head = MultiLabelLinearClsHead(20, 4, loss=dict(type='CrossEntropyLoss', use_sigmoid=True))
    features = (torch.randn(3, 4),)
    losses = [head.loss(features, batch['data_samples'])['loss'] for batch in (found, expected)]
    assert losses[0] == losses[1]


def test_classes_become_ones():
    batch = collate_class_labels([PackClassLabels()(record) for record in records()])
    assert [row.nonzero().flatten().tolist() for row in batch['data_samples']] == [sorted(labels) for labels in LABELS]
    assert set(batch['data_samples'].flatten().tolist()) == {0, 1}


def test_samples_say_what_they_show():
    record = records()[0]
    packed = PackClassLabels()(record)
    assert np.shares_memory(packed['inputs'].numpy(), record['img'])
    sample = packed['data_samples']
    assert (sample.gt_label.tolist(), sample.img_path, sample.ori_shape) == ([3, 19], '[3, 19].jpg', (20, 30))


def test_worker_processes_send_the_same():
    samples = [PackClassLabels()(record) for record in records()]
    (sent,) = DataLoader(
        samples, batch_size=3, num_workers=1, collate_fn=collate_class_labels, multiprocessing_context='fork'
    )
    here = collate_class_labels(samples)
    assert torch.equal(sent['inputs'], here['inputs'])
    assert torch.equal(sent['data_samples'], here['data_samples'])


def test_lists_are_treated_as_before():
    found, expected = (
        preprocessor(**SETTINGS)(pseudo_collate([PackInputs()(record) for record in records()]), training=True)
        for preprocessor in (MultiLabelPreprocessor, ClsDataPreprocessor)
    )
    assert torch.equal(found['inputs'], expected['inputs'])
    for ours, theirs in zip(found['data_samples'], expected['data_samples'], strict=True):
        assert torch.equal(ours.gt_score, theirs.gt_score)


@pytest.mark.parametrize('label', [-1, 20])
def test_an_unknown_class_is_an_error(label):
    record = records()[0] | dict(gt_label=np.array([3, label]))
    with pytest.raises(UserError, match=rf'(?s)\[3, 19\]\.jpg.*0 to 19.*{label}.*num_classes'):
        PackClassLabels()(record)


@pytest.mark.parametrize(
    'option', [dict(pad_size_divisor=32), dict(batch_augments=dict(augments=[dict(type='Mixup', alpha=1.0)]))]
)
def test_padding_and_mixing_are_refused(option):
    with pytest.raises(UserError, match=r'(?s)neither pads nor mixes.*ClsDataPreprocessor'):
        MultiLabelPreprocessor(**SETTINGS, **option)


def test_repr_names_the_parameters():
    assert repr(PackClassLabels(7)) == 'PackClassLabels(num_classes=7)'
