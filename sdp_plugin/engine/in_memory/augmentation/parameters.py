"""The random numbers of an epoch's augmentation, drawn beforehand for every sample.

They depend on the seed, the epoch and the sample's position in the data alone: neither on batches, workers and devices
nor on earlier epochs. A resumed training draws what an uninterrupted one does.
"""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from sdp_plugin.engine.in_memory.augmentation.from_pipeline import AugmentationSettings
from sdp_plugin.errors import UserError

FLIPS = ('none', 'horizontal', 'vertical', 'diagonal')
OPERATIONS = ('brightness', 'contrast', 'saturation', 'hue')
# Keeps these numbers apart from others that are drawn for the same seed and epoch, as the order of the samples is.
STREAM = 0x617567


@dataclass(frozen=True)
class AugmentationParameters:
    """One entry a sample, in NumPy arrays of length N.

    Attributes:
        top (np.ndarray): int32, first row of the crop in the padded image.
        left (np.ndarray): int32, first column of the crop in the padded image.
        flip (np.ndarray): uint8, position in :data:`FLIPS`.
        rotated (np.ndarray): bool.
        angle (np.ndarray): float64, degrees, clockwise.
        brightness (np.ndarray): float64, factor.
        contrast (np.ndarray): float64, factor.
        saturation (np.ndarray): float64, factor.
        hue (np.ndarray): float64, shift in turns of the colour wheel.
        order (np.ndarray): uint8, shape (N, 4), positions in :data:`OPERATIONS` in the order of application.
    """

    top: np.ndarray
    left: np.ndarray
    flip: np.ndarray
    rotated: np.ndarray
    angle: np.ndarray
    brightness: np.ndarray
    contrast: np.ndarray
    saturation: np.ndarray
    hue: np.ndarray
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.top)

    def __getitem__(self, index: slice | np.ndarray) -> AugmentationParameters:
        """The entries of some samples: a slice, or an array of positions."""
        return AugmentationParameters(*(getattr(self, field.name)[index] for field in fields(self)))


def draw_parameters(
    settings: AugmentationSettings, count: int, height: int, width: int, seed: int, epoch: int
) -> AugmentationParameters:
    """Draw the parameters of all samples for one epoch, distributed as those of the reference transforms.

    Args:
        settings (AugmentationSettings): Ranges and probabilities.
        count (int): The number N of samples.
        height (int): Height of the images before padding, in pixels.
        width (int): Width of the images before padding, in pixels.
        seed (int): The training's seed, not negative.
        epoch (int): The epoch, from 0.

    Returns:
        AugmentationParameters: N entries.

    Raises:
        UserError: If the crop is larger than the padded image.
    """
    random = np.random.default_rng([STREAM, seed, epoch])
    left, top, right, bottom = settings.padding
    padded = (height + top + bottom, width + left + right)
    crop = settings.output_size(*padded)
    if crop[0] > padded[0] or crop[1] > padded[1]:
        raise UserError(
            'The crop is larger than the padded image.',
            looked_for=f'at most {padded[0]} x {padded[1]} pixels (height x width)',
            found=f'{crop[0]} x {crop[1]}',
            remedy='choose a smaller crop_size, or resize the images to it',
        )
    shares = [share for _, share in settings.flips]
    directions = np.array([0, *(FLIPS.index(direction) for direction, _ in settings.flips)], np.uint8)
    return AugmentationParameters(
        top=random.integers(0, padded[0] - crop[0], count, np.int32, endpoint=True),
        left=random.integers(0, padded[1] - crop[1], count, np.int32, endpoint=True),
        flip=random.choice(directions, count, p=[1 - sum(shares), *shares]),
        rotated=random.random(count) < settings.rotation_probability,
        angle=random.uniform(*settings.rotation_degrees, count),
        brightness=random.uniform(*(settings.brightness or (1, 1)), count),
        contrast=random.uniform(*(settings.contrast or (1, 1)), count),
        saturation=random.uniform(*(settings.saturation or (1, 1)), count),
        hue=random.uniform(*(settings.hue or (0, 0)), count),
        order=random.permuted(np.tile(np.arange(4, dtype=np.uint8), (count, 1)), axis=1),
    )
