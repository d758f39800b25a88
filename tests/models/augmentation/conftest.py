"""The reference: the functions that the transforms of a shipped config call, with given parameters."""

from __future__ import annotations

import warnings

import cv2
import mmcv
import numpy as np
import pytest

from sdp_plugin.models.augmentation.parameters import FLIPS, AugmentationParameters
from sdp_plugin.models.augmentation.settings import AugmentationSettings

PIPELINE = [
    dict(type='sdp_plugin.LoadPatch'),
    dict(type='Resize', scale=96),
    dict(type='sdp_plugin.RandomCrop', crop_size=96, padding=12, padding_mode='reflect'),
    dict(type='RandomFlip', prob=0.5),
    dict(type='mmseg.RandomRotate', prob=1.0, degree=180.0),
    dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.4),
    dict(type='PackInputs'),
]


def reference(
    image: np.ndarray, parameters: AugmentationParameters, index: int, settings: AugmentationSettings
) -> np.ndarray:
    """What RandomCrop, RandomFlip, RandomRotate and ColorJitter make of an image, had they drawn these parameters."""
    image = mmcv.impad(
        image, padding=settings.padding, pad_val=settings.padding_colour, padding_mode=settings.padding_mode
    )
    height, width = settings.crop_size or image.shape[:2]
    top, left = parameters.top[index], parameters.left[index]
    image = mmcv.imcrop(image, np.array([left, top, left + width - 1, top + height - 1]))
    if parameters.flip[index]:
        image = mmcv.imflip(image, FLIPS[parameters.flip[index]])
    if parameters.rotated[index]:
        image = mmcv.imrotate(image, angle=parameters.angle[index], border_value=settings.rotation_colour)
    image = np.ascontiguousarray(image)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')
        for operation in parameters.order[index]:
            if operation == 0 and settings.brightness:
                image = mmcv.adjust_brightness(image, parameters.brightness[index], backend='pillow')
            elif operation == 1 and settings.contrast:
                image = mmcv.adjust_contrast(image, parameters.contrast[index], backend='pillow')
            elif operation == 2 and settings.saturation:
                image = mmcv.adjust_color(image, alpha=parameters.saturation[index], backend='pillow')
            elif operation == 3 and settings.hue:
                image = mmcv.adjust_hue(image, parameters.hue[index], backend='pillow')
    return image


def tissue(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Images of blobs, edges, noise, saturated colours and greys: uint8, shape (count, height, width, 3)."""
    random = np.random.default_rng(seed)
    images = np.empty((count, height, width, 3), np.uint8)
    for image in images:
        coarse = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        image[...] = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        image[: height // 3] = cv2.add(image[: height // 3], random.integers(0, 30, (height // 3, width, 3), np.uint8))
        image[-height // 4 :, : width // 2] = random.integers(0, 256, (height // 4, width // 2, 3), np.uint8)
        image[-height // 8 :] = random.integers(0, 256, (height // 8, width, 1), np.uint8)
    return images


@pytest.fixture(scope='session')
def images() -> np.ndarray:
    return tissue(64, 96, 96)
