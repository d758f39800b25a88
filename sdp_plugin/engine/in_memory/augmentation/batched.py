"""Augmentation of whole batches on any torch device, without waiting for the device.

Every number that steers it is known on the host beforehand, so that shapes never depend on what the device computes
and nothing is read back. Colours are floats that hold whole numbers, and each operation rounds as Pillow does: without
a rotation, every pixel is that of the reference transforms. A rotation is that of OpenCV 5 but for rounding: fewer than
one value in a thousand is off, by one level. OpenCV 4 itself rounds coordinates to 1/32 pixels, which changes a sixth
of the values, 99.9 % of them by at most 4 levels, or 8 after the jitter has amplified them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sdp_plugin.engine.in_memory.augmentation.from_pipeline import AugmentationSettings, Colour
from sdp_plugin.engine.in_memory.augmentation.parameters import FLIPS, OPERATIONS, AugmentationParameters
from sdp_plugin.engine.in_memory.augmentation.pillow_hue import (
    channel_weights,
    hue_table,
    shift_in_bytes,
    value_times_saturation_table,
)
from sdp_plugin.transfer import on_device

# np.pad's names of the modes of mmcv.impad.
NUMPY_MODES = {'edge': 'edge', 'reflect': 'reflect', 'symmetric': 'symmetric'}
# 0.4 GB meanwhile at 96 pixels; each chunk takes some two hundred launches.
CHUNK = 1024
OUTSIDE = -1
# Pillow's weights of blue, green and red.
LUMA = (7471 / 65536, 38470 / 65536, 19595 / 65536)


def augment(
    images: Tensor, parameters: AugmentationParameters, settings: AugmentationSettings, chunk: int = CHUNK
) -> Tensor:
    """Augment a batch on its device.

    Args:
        images (Tensor): uint8, shape (N, H, W, 3), BGR, contiguous.
        parameters (AugmentationParameters): N entries, drawn for H and W.
        settings (AugmentationSettings): Those that the parameters were drawn with.
        chunk (int): How many images to work on at once: each takes some 15 times its bytes meanwhile. Defaults
            to 1024.

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
            moved = _rotate(moved, parameters[part], settings.rotation_colour)
        else:
            moved = moved.permute(0, 3, 1, 2).float()
        channels = moved.flatten(2)
        _jitter(channels, parameters[part], settings)
        out[part] = channels.unflatten(2, size).permute(0, 2, 3, 1)
    return out


def _upload(array: np.ndarray, device: torch.device) -> Tensor:
    return on_device(torch.from_numpy(np.ascontiguousarray(array)), device)


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
    colour = _upload(np.array(settings.padding_colour, np.uint8), images.device)
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
    """Rotate about the centre, bilinearly: float32, shape (N, 3, H, W), whole numbers."""
    height, width = images.shape[1:3]
    angles = np.deg2rad(np.where(parameters.rotated, parameters.angle, 0.0))
    turns = _upload(np.stack([np.cos(angles), np.sin(angles)]).astype(np.float32), images.device)
    cosine, sine = turns[:, :, None, None]
    # From the centre, in pixels. Not by affine_grid, whose matrix product may be rounded to ten bits on a GPU.
    x = torch.arange(width, device=images.device, dtype=torch.float32) - (width - 1) / 2
    y = (torch.arange(height, device=images.device, dtype=torch.float32) - (height - 1) / 2)[:, None]
    # grid_sample counts from -1 to 1, from edge to edge.
    grid = torch.stack([(cosine * x + sine * y) * (2 / width), (cosine * y - sine * x) * (2 / height)], dim=-1)
    # Outside of the image grid_sample finds zeros.
    border = _upload(np.array(colour, np.float32), images.device)[:, None, None]
    channels = images.permute(0, 3, 1, 2) - border
    return F.grid_sample(channels, grid, align_corners=False).add_(border).round_()


def _jitter(channels: Tensor, parameters: AugmentationParameters, settings: AugmentationSettings) -> None:
    """Jitter colours in place; ``channels`` is float32, shape (N, 3, P), whole numbers."""
    # Image.blend takes its factor as a C float and computes in floats.
    amounts = np.stack([*(getattr(parameters, name) for name in OPERATIONS[:3]), shift_in_bytes(parameters.hue)])
    amounts = _upload(amounts.astype(np.float32), channels.device)
    # For each place in the order one group of samples for each operation, all uploaded at once.
    grouped = _upload(parameters.order.argsort(axis=0, kind='stable').T, channels.device)
    sizes = [np.bincount(slot, minlength=len(OPERATIONS)).tolist() for slot in parameters.order.T]
    for samples_of_slot, sizes_of_slot in zip(grouped, sizes, strict=True):
        for number, samples in enumerate(samples_of_slot.split(sizes_of_slot)):
            name = OPERATIONS[number]
            if getattr(settings, name) is not None and len(samples):
                changed = _JITTERS[name](channels.index_select(0, samples), amounts[number, samples, None])
                channels.index_copy_(0, samples, changed)


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
    hue = (hues[(order << 16) + (chroma * 256 + gap).long()] + shift.long()) & 255
    lost = lost_of[(value * 256 + chroma).long()]
    return torch.stack([value - (lost * weight[hue]).add_(0.5).floor_() for weight in weights], dim=1)


@functools.cache
def _tables(device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    # Copied while the host waits, once: whichever stream uses them first, others may follow at once.
    tables = (hue_table().astype(np.int64), value_times_saturation_table(), channel_weights())
    return tuple(torch.from_numpy(values).to(device) for values in tables)


_JITTERS: dict[str, Callable[[Tensor, Tensor], Tensor]] = dict(
    zip(OPERATIONS, (_brightness, _contrast, _saturation, _hue), strict=True)
)
