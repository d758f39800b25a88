"""Packing segmentation samples as the bytes that they are, and putting them together into batches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmcv.transforms import BaseTransform
from mmengine.structures import BaseDataElement, PixelData
from mmseg.structures import SegDataSample
from torch import Tensor
from torch.utils.data import default_collate

from sdp_plugin.registry import FUNCTIONS, TRANSFORMS

META_KEYS = ('img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'flip_direction')


@TRANSFORMS.register_module()
class PackBytes(BaseTransform):
    """Pack an image and its labels as MMSegmentation's ``PackSegInputs`` does, but copy nothing.

    The image stays as it lies in memory, and labels stay bytes: the data preprocessor reorders and widens them on the
    device, a batch at once.

    Required Keys:

    - img (uint8, shape (H, W, 3))
    - gt_seg_map (uint8, shape (H, W))

    Added Keys:

    - inputs (Tensor): uint8, shape (3, H, W), a view of ``img``
    - data_samples (SegDataSample): with ``gt_sem_seg``, uint8, shape (1, H, W), and META_KEYS
    """

    def transform(self, results: dict) -> dict:
        """Pack the record."""
        sample = labelled_sample(torch.from_numpy(results['gt_seg_map'])[None], metas_of(results))
        return dict(inputs=torch.from_numpy(results['img']).permute(2, 0, 1), data_samples=sample)

    def __repr__(self) -> str:
        return f'{type(self).__name__}()'


def labelled_sample(labels: Tensor, metas: Mapping[str, object]) -> SegDataSample:
    """A sample of labels, shape (1, H, W), and what else is known of it."""
    sample = SegDataSample(gt_sem_seg=PixelData(data=labels))
    set_metas(sample, metas)
    return sample


def metas_of(results: Mapping[str, object]) -> dict[str, object]:
    """What a record knows of its image beside the labels."""
    return {key: results[key] for key in META_KEYS if key in results}


def set_metas(sample: BaseDataElement, metas: Mapping[str, object]) -> None:
    """Let a sample say what is known of its image.

    As an argument of the sample, ``metainfo`` is copied deeply, which costs as much as re-scaling a mask.
    """
    for key, value in metas.items():
        sample.set_field(value, key, field_type='metainfo')


def collate_images(samples: Sequence[dict]) -> Tensor:
    """The images of packed samples of one size: uint8, shape (N, 3, H, W) in channels-last order."""
    return default_collate([sample['inputs'].permute(1, 2, 0) for sample in samples]).permute(0, 3, 1, 2)


@FUNCTIONS.register_module()
def collate_bytes(samples: Sequence[dict]) -> dict:
    """Put packed samples of one size together.

    In a worker process the two tensors are made in shared memory, so that nothing but their names is sent.

    Args:
        samples (Sequence[dict]): N results of :class:`PackBytes`.

    Returns:
        dict: ``inputs``, uint8, shape (N, 3, H, W) in channels-last order, and ``data_samples``, a dict of ``labels``,
        uint8, shape (N, 1, H, W), and ``metas``, the N dicts of what else is known.
    """
    labels = default_collate([sample['data_samples'].gt_sem_seg.data for sample in samples])
    metas = [sample['data_samples'].metainfo for sample in samples]
    return dict(inputs=collate_images(samples), data_samples=dict(labels=labels, metas=metas))
