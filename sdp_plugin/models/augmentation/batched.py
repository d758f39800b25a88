"""Augmentation of whole batches on any torch device, without waiting for the device.

Every number that steers it is known on the host beforehand, so that shapes never depend on what the device computes
and nothing is read back. Colours are floats that hold whole numbers: each operation rounds as Pillow does.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import cv2
import numpy as np
import torch
from torch import Tensor

from sdp_plugin.models.augmentation.parameters import FLIPS, OPERATIONS, AugmentationParameters
from sdp_plugin.models.augmentation.pillow_hue import (
    WEIGHT_SCALE,
    channel_weights,
    hue_table,
    shift_in_bytes,
    value_times_saturation_table,
)
from sdp_plugin.models.augmentation.settings import AugmentationSettings, Colour

# np.pad's names of the modes of mmcv.impad.
NUMPY_MODES = {'edge': 'edge', 'reflect': 'reflect', 'symmetric': 'symmetric'}
OUTSIDE = -1
# OpenCV's warp: coordinates in 1/1024 pixels, rounded to 1/32, which weigh the four neighbours.
COORDINATE_BITS, WEIGHT_BITS = 10, 5
# Pillow's weights of blue, green and red.
LUMA = (7471 / 65536, 38470 / 65536, 19595 / 65536)


def augment(
    images: Tensor, parameters: AugmentationParameters, settings: AugmentationSettings, chunk: int = 256
) -> Tensor:
    """Augment a batch on its device.

    Args:
        images (Tensor): uint8, shape (N, H, W, 3), BGR, contiguous.
        parameters (AugmentationParameters): N entries, drawn for H and W.
        settings (AugmentationSettings): Those that the parameters were drawn with.
        chunk (int): How many images to work on at once: each takes about 40 times its bytes meanwhile. Defaults to 256.

    Returns:
        Tensor: uint8, shape (N, crop height, crop width, 3).
    """
    left, top, right, bottom = settings.padding
    size = settings.output_size(images.shape[1] + top + bottom, images.shape[2] + left + right)
    out = images.new_empty((len(images), *size, 3))
    for start in range(0, len(images), chunk):
        part = slice(start, start + chunk)
        moved = _crop_and_flip(images[part], parameters[part], settings, size)
        if settings.rotation_probability > 0:
            channels = _rotate(moved, parameters[part], settings.rotation_colour)
        else:
            channels = moved.permute(0, 3, 1, 2).flatten(2).float()
        _jitter(channels, parameters[part], settings)
        out[part] = channels.unflatten(2, size).permute(0, 2, 3, 1)
    return out


def _upload(array: np.ndarray, device: torch.device) -> Tensor:
    tensor = torch.from_numpy(np.ascontiguousarray(array))
    if device.type != 'cuda':
        return tensor.to(device)
    # From pageable memory the copy would make the host wait.
    return tensor.pin_memory().to(device, non_blocking=True)


def _crop_and_flip(
    images: Tensor, parameters: AugmentationParameters, settings: AugmentationSettings, size: tuple[int, int]
) -> Tensor:
    """Padding, crop and flip in one gather."""
    left, top, right, bottom = settings.padding
    names = np.array(FLIPS)[parameters.flip]
    rows = _sources(images.shape[1], (top, bottom), settings.padding_mode)[
        _window(parameters.top, size[0], np.isin(names, ('vertical', 'diagonal')))
    ]
    columns = _sources(images.shape[2], (left, right), settings.padding_mode)[
        _window(parameters.left, size[1], np.isin(names, ('horizontal', 'diagonal')))
    ]
    rows, columns = _upload(rows, images.device)[:, :, None], _upload(columns, images.device)[:, None, :]
    samples = torch.arange(len(images), device=images.device)[:, None, None]
    moved = images[samples, rows.clamp(min=0), columns.clamp(min=0)]
    if settings.padding_mode != 'constant' or not any(settings.padding):
        return moved
    colour = torch.tensor(settings.padding_colour, device=images.device).to(torch.uint8)
    return torch.where(((rows == OUTSIDE) | (columns == OUTSIDE))[..., None], colour, moved)


def _sources(length: int, padding: tuple[int, int], mode: str) -> np.ndarray:
    """The position in an image's row or column for each position in the padded one; int64."""
    positions = np.arange(length)
    if mode == 'constant':
        return np.pad(positions, padding, constant_values=OUTSIDE)
    return np.pad(positions, padding, mode=NUMPY_MODES[mode])


def _window(start: np.ndarray, length: int, mirrored: np.ndarray) -> np.ndarray:
    """Positions of the crop in the padded row or column: shape (N, length)."""
    steps = np.arange(length)
    return start[:, None] + np.where(mirrored[:, None], steps[::-1], steps)


def _rotate(images: Tensor, parameters: AugmentationParameters, colour: Colour) -> Tensor:
    """Rotate as OpenCV's ``warpAffine`` does: float32, shape (N, 3, H * W), whole numbers."""
    count, height, width = images.shape[:3]
    x, y = _source_coordinates(_upload(_inverse_matrices(parameters, height, width), images.device), height, width)
    # One gather a neighbour fetches all three channels.
    blue, green, red = (images[..., channel].flatten(1).int() for channel in range(3))
    pixels = blue | green << 8 | red << 16
    border = sum(round(level) << 8 * channel for channel, level in enumerate(colour))
    mask = (1 << WEIGHT_BITS) - 1
    column, row = x >> WEIGHT_BITS, y >> WEIGHT_BITS
    right, down = x & mask, y & mask
    channels = images.new_zeros((count, 3, height * width), dtype=torch.int32)
    for dy, dx in ((0, 0), (0, 1), (1, 0), (1, 1)):
        weight = (right if dx else mask + 1 - right) * (down if dy else mask + 1 - down)
        near_row, near_column = row + dy, column + dx
        inside = (near_row >= 0) & (near_row < height) & (near_column >= 0) & (near_column < width)
        where = near_row.clamp(0, height - 1) * width + near_column.clamp(0, width - 1)
        near = torch.where(inside, pixels.gather(1, where.long()), border)
        for channel in range(3):
            channels[:, channel] += weight * (near >> 8 * channel & 255)
    half = 1 << 2 * WEIGHT_BITS - 1
    return (channels + half >> 2 * WEIGHT_BITS).float()


def _inverse_matrices(parameters: AugmentationParameters, height: int, width: int) -> np.ndarray:
    """From coordinates in the rotated image to those in the source: float64, shape (N, 2, 3)."""
    centre = ((width - 1) * 0.5, (height - 1) * 0.5)
    angles = np.where(parameters.rotated, parameters.angle, 0.0).tolist()
    return np.stack([cv2.invertAffineTransform(cv2.getRotationMatrix2D(centre, -angle, 1.0)) for angle in angles])


def _source_coordinates(matrices: Tensor, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Columns and rows in the source in 1/32 pixels: int32, shape (N, H * W)."""
    columns = torch.arange(width, dtype=torch.float64, device=matrices.device)
    rows = torch.arange(height, dtype=torch.float64, device=matrices.device)
    scale = 1 << COORDINATE_BITS
    half = 1 << COORDINATE_BITS - WEIGHT_BITS - 1
    coordinates = []
    for axis in range(2):
        of_column = (matrices[:, axis, 0, None] * columns * scale).round().int()
        of_row = ((matrices[:, axis, 1, None] * rows + matrices[:, axis, 2, None]) * scale).round().int() + half
        coordinates.append((of_row[:, :, None] + of_column[:, None, :] >> COORDINATE_BITS - WEIGHT_BITS).flatten(1))
    return coordinates[0], coordinates[1]


def _jitter(channels: Tensor, parameters: AugmentationParameters, settings: AugmentationSettings) -> None:
    """Jitter colours in place; ``channels`` is float32, shape (N, 3, P), whole numbers."""
    # Image.blend takes its factor as a C float and computes in floats.
    amounts = {name: getattr(parameters, name).astype(np.float32) for name in OPERATIONS}
    amounts['hue'] = shift_in_bytes(parameters.hue)
    for slot in range(len(OPERATIONS)):
        for number, name in enumerate(OPERATIONS):
            group = np.flatnonzero(parameters.order[:, slot] == number)
            if getattr(settings, name) is None or not len(group):
                continue
            where = _upload(group, channels.device)
            amount = _upload(amounts[name][group], channels.device)[:, None]
            channels.index_copy_(0, where, _JITTERS[name](channels.index_select(0, where), amount))


def _brightness(channels: Tensor, factor: Tensor) -> Tensor:
    return (channels * factor[..., None]).clamp_(0, 255).floor_()


def _contrast(channels: Tensor, factor: Tensor) -> Tensor:
    mean = _luma(channels).mean(1, dtype=torch.float64).add_(0.5).floor_().float()[:, None, None]
    return _blend(mean, channels, factor)


def _saturation(channels: Tensor, factor: Tensor) -> Tensor:
    return _blend(_luma(channels)[:, None], channels, factor)


def _blend(first: Tensor, second: Tensor, factor: Tensor) -> Tensor:
    """Pillow's ``Image.blend``."""
    return ((second - first) * factor[..., None] + first).clamp_(0, 255).floor_()


def _luma(channels: Tensor) -> Tensor:
    # Multiples of 1/65536 below 256, which floats hold exactly, whatever the order of the sum.
    weighted = channels[:, 0] * LUMA[0] + channels[:, 1] * LUMA[1] + channels[:, 2] * LUMA[2]
    return weighted.add_(0.5).floor_()


def _hue(channels: Tensor, shift: Tensor) -> Tensor:
    blue, green, red = channels.unbind(1)
    hues, lost_of, weights = _tables(channels.device)
    value, smallest = channels.amax(1), channels.amin(1)
    chroma = value - smallest
    gap = value + value + smallest - (blue + green + red)
    order = (green > blue) + 2 * (blue > red) + 4 * (red > green)
    hue = hues[(order << 16) + (chroma * 256 + gap).long()]
    lost = lost_of[(value * 256 + chroma).long()]
    turned = (hue + shift) & 255
    return torch.stack([value - (lost * weight[turned]).add_(0.5).floor_() for weight in weights], dim=1)


@functools.cache
def _tables(device: torch.device) -> tuple[Tensor, Tensor, tuple[Tensor, ...]]:
    weights = (channel_weights() * np.float32(1 / WEIGHT_SCALE)).astype(np.float32)
    return (
        _upload(hue_table().astype(np.int64), device),
        _upload(value_times_saturation_table(), device),
        tuple(_upload(weights[:, channel], device) for channel in range(3)),
    )


_JITTERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = dict(
    zip(OPERATIONS, (_brightness, _contrast, _saturation, _hue), strict=True)
)
