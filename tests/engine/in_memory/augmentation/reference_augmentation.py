"""The reference: the transforms themselves, with given numbers in place of those they would draw."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
from mmcv.transforms import RandomFlip
from mmengine.registry import DefaultScope
from mmpretrain.datasets.transforms import ColorJitter
from mmpretrain.registry import TRANSFORMS
from mmseg.datasets.transforms import RandomRotate

from sdp_plugin.datasets.transforms import LoadPatch  # noqa: F401  (registers the scope's transforms)
from sdp_plugin.engine.in_memory.augmentation import AugmentationParameters, AugmentationSettings
from sdp_plugin.engine.in_memory.augmentation.parameters import FLIPS, OPERATIONS

CROP = dict(type='sdp_plugin.RandomCrop', crop_size=96, padding=12, padding_mode='reflect')
FLIP = dict(type='RandomFlip', prob=0.5)
ROTATION = dict(type='mmseg.RandomRotate', prob=1.0, degree=180.0)
JITTER = dict(type='ColorJitter', brightness=0.4, contrast=0.4, saturation=0.4, hue=0.4)
SHIPPED = [CROP, FLIP, ROTATION, JITTER]

# Pipelines whose every sample must come out as the reference's, with the size of the images they are for.
CASES: dict[str, tuple[list[dict], tuple[int, int]]] = {
    'shipped for PCam': (SHIPPED, (96, 96)),
    'shipped for CRC': ([CROP | dict(crop_size=150, padding=19), FLIP, ROTATION, JITTER], (150, 150)),
    'not square': ([CROP | dict(crop_size=(40, 64), padding=(3, 5, 7, 9)), FLIP, ROTATION, JITTER], (48, 60)),
    'edge padding': ([CROP | dict(padding_mode='edge'), ROTATION], (96, 96)),
    'symmetric padding': ([CROP | dict(padding_mode='symmetric')], (96, 96)),
    'padding of mmpretrain': ([CROP | dict(type='RandomCrop', pad_val=(9, 80, 200))], (96, 96)),
    'all flips': ([FLIP | dict(prob=[0.25, 0.25, 0.25], direction=['horizontal', 'vertical', 'diagonal'])], (31, 45)),
    'some rotated': ([ROTATION | dict(prob=0.5, degree=(-30.0, 60.0), pad_val=(200, 100, 7))], (64, 50)),
    'one number as border': ([ROTATION | dict(pad_val=90)], (32, 32)),
    'wide jitter': ([dict(type='ColorJitter', brightness=1.0, contrast=(0, 3), saturation=(0, 4), hue=0.5)], (64, 64)),
    'brightness': ([dict(type='ColorJitter', brightness=(0.0, 2.0))], (32, 32)),
    'contrast': ([dict(type='ColorJitter', contrast=(0.0, 2.0))], (32, 32)),
    'saturation': ([dict(type='ColorJitter', saturation=(0.0, 2.0))], (32, 32)),
    'hue': ([dict(type='ColorJitter', hue=0.5)], (32, 32)),
}


def build(config: dict):
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        return TRANSFORMS.build(config)


def reference(
    image: np.ndarray,
    pipeline: list[dict],
    parameters: AugmentationParameters,
    index: int,
    settings: AugmentationSettings,
) -> np.ndarray:
    """What the pipeline makes of an image where its transforms draw the parameters of a sample."""
    results = dict(img=image.copy())
    for config in pipeline:
        transform = build(config)
        if isinstance(transform, RandomFlip):
            direction = FLIPS[parameters.flip[index]]
            transform._choose_direction = lambda drawn=direction: None if drawn == 'none' else drawn
        elif isinstance(transform, RandomRotate):
            drawn = (bool(parameters.rotated[index]), parameters.angle[index])
            transform.generate_degree = lambda drawn=drawn: drawn
        elif isinstance(transform, ColorJitter):
            factors = (
                None if getattr(settings, name) is None else getattr(parameters, name)[index] for name in OPERATIONS
            )
            drawn = (parameters.order[index], *factors)
            transform._rand_params = lambda drawn=drawn: drawn
        else:
            drawn = (parameters.top[index], parameters.left[index], *settings.crop_size)
            transform.rand_crop_params = lambda image, drawn=drawn: drawn
        with warnings.catch_warnings():
            warnings.simplefilter('ignore')  # mmcv warns in every call of adjust_color
            results = transform(results)
    return results['img']


def tissue(count: int, height: int, width: int, seed: int = 0) -> np.ndarray:
    """Images of blobs, edges, noise, saturated colours and greys: uint8, shape (count, height, width, 3)."""
    random = np.random.default_rng(seed)
    images = np.empty((count, height, width, 3), np.uint8)
    for image in images:
        coarse = random.integers(0, 256, (6, 6, 3), dtype=np.uint8)
        image[...] = cv2.resize(coarse, (width, height), interpolation=cv2.INTER_CUBIC)
        image[: height // 3] = cv2.add(image[: height // 3], random.integers(0, 30, (height // 3, width, 3), np.uint8))
        image[-height // 4 :, : width // 2] = random.integers(0, 256, (height // 4 + 1, width // 2, 3), np.uint8)[
            : image[-height // 4 :].shape[0]
        ]
        grey = image[-height // 8 :]
        grey[...] = random.integers(0, 256, (*grey.shape[:2], 1), np.uint8)
    return images
