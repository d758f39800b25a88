"""Packed bytes become what MMSegmentation's packing and preprocessing make."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmseg.datasets.transforms import PackSegInputs
from mmseg.models import SegDataPreProcessor
from torch.utils.data import DataLoader

from sdp_plugin.datasets.transforms import PackBytes, collate_bytes
from sdp_plugin.models import SegmentationPreprocessor

SETTINGS = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], seg_pad_val=255)


def records(height: int = 11, width: int = 14) -> list[dict]:
    rng = np.random.default_rng(0)
    return [
        dict(
            img=rng.integers(0, 256, (height, width, 3), dtype=np.uint8),
            gt_seg_map=rng.integers(0, 21, (height, width), dtype=np.uint8),
            img_path=f'{i}.jpg',
            ori_shape=(20, 30),
            img_shape=(height, width),
            scale_factor=(0.5, 0.5),
            flip=bool(i % 2),
            flip_direction='horizontal' if i % 2 else None,
        )
        for i in range(3)
    ]


@pytest.mark.parametrize('order', [dict(bgr_to_rgb=True), dict()])
@pytest.mark.parametrize('size', [dict(size=(11, 14)), dict(size=(16, 20)), dict(size_divisor=8), dict(size=(8, 20))])
def test_batches_are_those_of_mmsegmentation(order, size):
    settings = SETTINGS | order | size
    reference = pseudo_collate([PackSegInputs()(record) for record in records()])
    expected = SegDataPreProcessor(**settings)(reference, training=True)
    batch = collate_bytes([PackBytes()(record) for record in records()])
    assert batch['inputs'].dtype == batch['data_samples']['labels'].dtype == torch.uint8
    found = SegmentationPreprocessor(**settings)(batch, training=True)
    torch.testing.assert_close(found['inputs'], expected['inputs'], rtol=0, atol=0)
    assert len(found['data_samples']) == len(expected['data_samples']) == 3
    for ours, theirs in zip(found['data_samples'], expected['data_samples'], strict=True):
        assert torch.equal(ours.gt_sem_seg.data, theirs.gt_sem_seg.data)
        assert ours.gt_sem_seg.data.dtype == torch.int64
        for key in ('img_path', 'ori_shape', 'scale_factor', 'flip', 'flip_direction', 'padding_size'):
            assert ours.get(key) == theirs.get(key), key


def test_fixed_sizes_are_kept_in_channels_last_order():
    batch = collate_bytes([PackBytes()(record) for record in records()])
    found = SegmentationPreprocessor(**SETTINGS, size=(11, 14))(batch, training=True)
    assert batch['inputs'].is_contiguous(memory_format=torch.channels_last)
    assert found['inputs'].is_contiguous(memory_format=torch.channels_last)


def test_lists_are_treated_as_before():
    images = pseudo_collate([PackSegInputs()(record) for record in records()])
    again = pseudo_collate([PackSegInputs()(record) for record in records()])
    found = SegmentationPreprocessor(**SETTINGS, size=(11, 14))(images, training=False)
    expected = SegDataPreProcessor(**SETTINGS, size=(11, 14))(again, training=False)
    assert torch.equal(found['inputs'], expected['inputs'])


def test_packing_copies_nothing():
    record = records()[0]
    packed = PackBytes()(record)
    assert np.shares_memory(packed['inputs'].numpy(), record['img'])
    assert np.shares_memory(packed['data_samples'].gt_sem_seg.data.numpy(), record['gt_seg_map'])


def test_worker_processes_send_the_same():
    samples = [PackBytes()(record) for record in records()]
    (sent,) = DataLoader(samples, batch_size=3, num_workers=1, collate_fn=collate_bytes, multiprocessing_context='fork')
    here = collate_bytes(samples)
    assert torch.equal(sent['inputs'], here['inputs'])
    assert torch.equal(sent['data_samples']['labels'], here['data_samples']['labels'])
    assert sent['data_samples']['metas'] == here['data_samples']['metas']
