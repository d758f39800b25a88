"""Packing images with class labels of their own as the bytes that they are, and putting them together into batches."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from mmcv.transforms import BaseTransform
from mmpretrain.structures import DataSample
from torch.utils.data import default_collate

from sdp_plugin.catalogue.voc import FOREGROUND_CLASSES
from sdp_plugin.datasets import arguments
from sdp_plugin.datasets.transforms.packing import collate_images, metas_of, set_metas
from sdp_plugin.errors import UserError
from sdp_plugin.registry import FUNCTIONS, TRANSFORMS


@TRANSFORMS.register_module()
class PackClassLabels(BaseTransform):
    """Pack an image and its classes as MMPretrain's ``PackInputs`` does, but do not copy the image.

    The image stays as it lies in memory: :class:`sdp_plugin.models.MultiLabelPreprocessor` reorders and widens it on
    the device, a batch at once.

    Required Keys:

    - img (uint8, shape (H, W, 3))
    - gt_label (np.int64, shape (K,); class indices)

    Added Keys:

    - inputs (Tensor): uint8, shape (3, H, W), a view of ``img``
    - data_samples (DataSample): with ``gt_label``, int64, shape (K,), ``gt_score``, float32, shape (num_classes,), one
      for each class that is there and zero for the others, and META_KEYS

    Args:
        num_classes (int): Number of classes. Defaults to VOC's 20 foreground classes.

    Raises:
        UserError: If a label is none of the classes.
    """

    def __init__(self, num_classes: int = len(FOREGROUND_CLASSES)) -> None:
        self.num_classes = arguments.whole_number('num_classes', num_classes, 1)

    def transform(self, results: dict) -> dict:
        """Pack the record."""
        labels = np.asarray(results['gt_label'], dtype=np.int64).reshape(-1)
        if len(labels) and not 0 <= labels.min() <= labels.max() < self.num_classes:
            raise UserError(
                f'A class label of {results.get("img_path", "an image")} is out of range.',
                looked_for=f'0 to {self.num_classes - 1}, for num_classes={self.num_classes}',
                found=labels.tolist(),
                remedy='set num_classes of PackClassLabels and of the model to the number of classes',
            )
        scores = np.zeros(self.num_classes, np.float32)
        scores[labels] = 1
        sample = DataSample(gt_label=torch.from_numpy(labels), gt_score=torch.from_numpy(scores))
        set_metas(sample, metas_of(results))
        return dict(inputs=torch.from_numpy(results['img']).permute(2, 0, 1), data_samples=sample)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(num_classes={self.num_classes})'


@FUNCTIONS.register_module()
def collate_class_labels(samples: Sequence[dict]) -> dict:
    """Put packed samples of one size together.

    Args:
        samples (Sequence[dict]): N results of :class:`PackClassLabels`.

    Returns:
        dict: ``inputs``, uint8, shape (N, 3, H, W) in channels-last order, and ``data_samples``, the scores, float32,
        shape (N, num_classes).
    """
    scores = default_collate([sample['data_samples'].gt_score for sample in samples])
    return dict(inputs=collate_images(samples), data_samples=scores)
