"""Which data sets the in-memory loops read."""

from __future__ import annotations

import numpy as np
import pytest
from mmengine.dataset import BaseDataset, DefaultSampler
from torch.utils.data import DataLoader

from sdp_plugin.engine.in_memory.image_source import ImageSource

PIPELINE = [dict(type='LoadImageFromFile'), dict(type='Resize', scale=32), dict(type='PackInputs')]


class Records(BaseDataset):
    """A data set of these records."""

    def __init__(self, *records: dict) -> None:
        self.records = list(records)
        super().__init__(serialize_data=False)

    def load_data_list(self) -> list[dict]:
        return self.records


@pytest.mark.parametrize('kind', ['CustomDataset', 'mmpretrain.CustomDataset', 'sdp_plugin.PCamDataset'])
@pytest.mark.parametrize(
    ('record', 'obstacles'),
    [
        (dict(img_path='a.png', gt_label=0), []),
        (dict(img=np.zeros((4, 4, 3), np.uint8), gt_label=0), ['an image is in no file']),  # as CIFAR10 has them
        (dict(img_path='a.png', gt_label=[0, 1]), ['an image has not one class']),
    ],
)
def test_data_sets_of_files_with_a_class_are_read(kind, record, obstacles):
    dataset = Records(record)
    source = ImageSource(dict(dataset=dict(type=kind, pipeline=PIPELINE)), in_memory=True)
    assert source.obstacles(DataLoader(dataset, sampler=DefaultSampler(dataset))) == obstacles
