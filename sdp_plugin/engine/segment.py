"""Predicted masks of a trained segmentor, beside the images and their full masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.device import get_device
from mmengine.model import BaseModel
from mmengine.registry import DefaultScope
from mmseg.registry import DATASETS, MODELS

from sdp_plugin.checkpoints.reading import load_checkpoint
from sdp_plugin.datasets.samples import id_of
from sdp_plugin.engine.construction import faults_of


@dataclass(frozen=True)
class Segmented:
    """An image of the test set and what the segmentor makes of it.

    Args:
        image_id (str): The image's id in its list.
        image (np.ndarray): RGB, uint8, shape (H, W, 3).
        mask (np.ndarray): The full mask, uint8, shape (H, W), 255 is void.
        prediction (np.ndarray): The predicted classes, uint8, shape (H, W).
    """

    image_id: str
    image: np.ndarray
    mask: np.ndarray
    prediction: np.ndarray


def segment_test_images(cfg: Config, checkpoint: str | Path, indices: Sequence[int]) -> list[Segmented]:
    """Segment images of a config's test set.

    Args:
        cfg (Config): A segmentation config whose test set has full masks.
        checkpoint (str | Path): A checkpoint that this config trained.
        indices (Sequence[int]): Positions in the test set.

    Returns:
        list[Segmented]: In the order of ``indices``.
    """
    with faults_of(cfg), DefaultScope.overwrite_default_scope(cfg.default_scope):
        dataset = DATASETS.build(cfg.test_dataloader.dataset)
        model = MODELS.build(cfg.model)
    model.load_state_dict(load_checkpoint(checkpoint)['state_dict'], strict=True)
    model.to(get_device()).eval()
    return [segment_item(model, dataset, index) for index in indices]


@torch.no_grad()
def segment_item(model: BaseModel, dataset: BaseDataset, index: int) -> Segmented:
    """Segment an image of a test set with a segmentor that is in test mode.

    Args:
        model (BaseModel): The segmentor.
        dataset (BaseDataset): A test set with full masks.
        index (int): Position in it.

    Returns:
        Segmented: The image, its full mask and the prediction.
    """
    packed = dataset[index]
    prediction = model.test_step(pseudo_collate([packed]))[0].pred_sem_seg.data[0]
    image = packed['inputs'].permute(1, 2, 0).numpy()
    return Segmented(
        image_id=id_of(dataset.get_data_info(index), index),
        image=cv2.cvtColor(image, cv2.COLOR_BGR2RGB),
        mask=packed['data_samples'].gt_sem_seg.data[0].numpy().astype(np.uint8),
        prediction=prediction.cpu().numpy().astype(np.uint8),
    )
