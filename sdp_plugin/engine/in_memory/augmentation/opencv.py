"""Augmentation on the CPU with the pixels of the reference transforms, in a quarter of their time.

The reference copies an image to pad, crop and flip it, and jitters its colours through Pillow: eight changes between
NumPy and Pillow, and a way to HSV and back that takes half of its time. Here a few images stay in a core's cache from
step to step, a step is a handful of passes over bytes, and what depends on few values comes from a table.
tools/benchmarks/augmentation.py measures the whole and the dear steps.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np

from sdp_plugin.engine.in_memory.augmentation.from_pipeline import AugmentationSettings
from sdp_plugin.engine.in_memory.augmentation.parameters import FLIPS, OPERATIONS, AugmentationParameters
from sdp_plugin.engine.in_memory.augmentation.pillow_hue import (
    BLUE_ABOVE_RED,
    RED_ABOVE_GREEN,
    channel_weights,
    hue_table,
    shift_in_bytes,
    value_times_saturation_table,
)

BORDERS = {
    'constant': cv2.BORDER_CONSTANT,
    'edge': cv2.BORDER_REPLICATE,
    'reflect': cv2.BORDER_REFLECT_101,
    'symmetric': cv2.BORDER_REFLECT,
}
FLIP_CODES = {'horizontal': 1, 'vertical': 0, 'diagonal': -1}
# Pillow's weights of blue, green and red, and the half that makes truncation rounding.
LUMA_AND_HALF = np.array([[7471, 38470, 19595, 32768]], np.float32) / np.float32(65536)

LEVELS = np.arange(256, dtype=np.float32)
# Images that stay in a core's cache from step to step.
BLOCK = 32
# A bound of what cv2.addWeighted's floats are off for bytes, for factors up to 1, in levels.
BLEND_ERROR = 6e-5


def augment(
    images: np.ndarray,
    parameters: AugmentationParameters,
    settings: AugmentationSettings,
    out: np.ndarray | None = None,
    pool: ThreadPoolExecutor | None = None,
    threads: int = 1,
) -> np.ndarray:
    """Augment a batch.

    Args:
        images (np.ndarray): uint8, shape (N, H, W, 3), BGR, each image contiguous.
        parameters (AugmentationParameters): N entries, drawn for H and W.
        settings (AugmentationSettings): Those that the parameters were drawn with.
        out (np.ndarray, optional): Where to write: uint8, shape (N, crop height, crop width, 3), contiguous.
        pool (ThreadPoolExecutor, optional): Divides the batch among its threads. OpenCV and NumPy release the GIL.
        threads (int): Into how many parts. Defaults to 1.

    Returns:
        np.ndarray: ``out``, or a new array of that shape.
    """
    count, height, width = images.shape[:3]
    left, top, right, bottom = settings.padding
    size = settings.output_size(height + top + bottom, width + left + right)
    if out is None:
        out = np.empty((count, *size, 3), np.uint8)
    if pool is None or threads < 2:
        _augment_part(images, parameters, settings, out)
        return out
    bounds = np.linspace(0, count, threads + 1).astype(int).tolist()
    parts = [slice(*edges) for edges in itertools.pairwise(bounds)]
    list(pool.map(lambda part: _augment_part(images[part], parameters[part], settings, out[part]), parts))
    return out


def _augment_part(
    images: np.ndarray, parameters: AugmentationParameters, settings: AugmentationSettings, out: np.ndarray
) -> None:
    for start in range(0, len(images), BLOCK):
        block = slice(start, start + BLOCK)
        for index in range(*block.indices(len(images))):
            _move(images[index], parameters, index, settings, out[index])
        _Jitter(parameters[block], settings)(out[block])


def _move(
    image: np.ndarray, parameters: AugmentationParameters, index: int, settings: AugmentationSettings, out: np.ndarray
) -> None:
    """Pad, crop, flip and rotate one image into ``out``."""
    height, width = out.shape[:2]
    if any(settings.padding):
        left, top, right, bottom = settings.padding
        image = cv2.copyMakeBorder(
            image, top, bottom, left, right, BORDERS[settings.padding_mode], value=settings.padding_colour
        )
    y, x = int(parameters.top[index]), int(parameters.left[index])
    image = image[y : y + height, x : x + width]
    flip = FLIPS[parameters.flip[index]]
    rotated = parameters.rotated[index]
    if flip != 'none':
        image = cv2.flip(image, FLIP_CODES[flip], dst=None if rotated else out)
    if rotated:
        centre = ((width - 1) * 0.5, (height - 1) * 0.5)
        matrix = cv2.getRotationMatrix2D(centre, -float(parameters.angle[index]), 1.0)
        # OpenCV warps four channels faster than three, with the same result.
        image = cv2.cvtColor(image, cv2.COLOR_BGR2BGRA)
        image = cv2.warpAffine(image, matrix, (width, height), borderValue=settings.rotation_colour)
        cv2.cvtColor(image, cv2.COLOR_BGRA2BGR, dst=out)
    elif flip == 'none':
        out[...] = image


class _Jitter:
    """The colour jitter of some images, in place.

    Images that need the same operation next undergo it together where that saves calls: on 96 x 96 pixels, half of
    the time of a step is the overhead of calling it.
    """

    def __init__(self, parameters: AugmentationParameters, settings: AugmentationSettings) -> None:
        operations: list[Callable[[np.ndarray, np.ndarray], None]] = [
            self._brightness,
            self._contrast,
            self._saturation,
            self._hue,
        ]
        self._operations = {
            number: operation
            for number, (name, operation) in enumerate(zip(OPERATIONS, operations, strict=True))
            if getattr(settings, name) is not None
        }
        self._order = parameters.order
        # Image.blend takes its factor as a C float and computes in floats.
        self._contrasts = parameters.contrast.astype(np.float32)[:, None]
        self._saturations = parameters.saturation.astype(np.float32)
        self._shifts = shift_in_bytes(parameters.hue)
        self._brighter = (parameters.brightness.astype(np.float32)[:, None] * LEVELS).clip(0, 255).astype(np.uint8)
        # How far off whole numbers a factor's multiples are, which Image.blend truncates.
        multiples = self._saturations[:, None].astype(np.float64) * np.arange(1, 256)
        margins = np.abs(multiples - np.rint(multiples)).min(1) / self._saturations.clip(1)
        self._safe = margins > 2.5 * BLEND_ERROR

    def __call__(self, images: np.ndarray) -> None:
        for slot in self._order.T:
            for number, operation in self._operations.items():
                chosen = np.flatnonzero(slot == number)
                if len(chosen):
                    operation(images, chosen)

    def _brightness(self, images: np.ndarray, chosen: np.ndarray) -> None:
        for index in chosen:
            cv2.LUT(images[index], self._brighter[index], dst=images[index])

    def _contrast(self, images: np.ndarray, chosen: np.ndarray) -> None:
        greys = luma(images[chosen])
        means = np.array([int(cv2.sumElems(grey)[0] / grey.size + 0.5) for grey in greys], np.float32)[:, None]
        tables = (means + self._contrasts[chosen] * (LEVELS - means)).clip(0, 255).astype(np.uint8)
        for index, levels in zip(chosen, tables, strict=True):
            cv2.LUT(images[index], levels, dst=images[index])

    def _saturation(self, images: np.ndarray, chosen: np.ndarray) -> None:
        greys = luma(images[chosen])
        for index, grey in zip(chosen, greys, strict=True):
            image = images[index]
            grey = cv2.cvtColor(grey, cv2.COLOR_GRAY2BGR)
            factor = self._saturations[index]
            if self._safe[index]:
                # Rounding half a level lower truncates; what is grey stays above the whole number it is.
                offset = BLEND_ERROR * max(1.0, float(factor)) - 0.5
                cv2.addWeighted(image, float(factor), grey, 1 - float(factor), offset, dst=image)
            else:
                blended = grey + factor * (image.astype(np.float32) - grey)
                image[...] = blended.clip(0, 255)

    def _hue(self, images: np.ndarray, chosen: np.ndarray) -> None:
        images[chosen] = shift_hue(images[chosen], self._shifts[chosen])


def luma(images: np.ndarray) -> np.ndarray:
    """Pillow's conversion to grey.

    OpenCV's own weights differ in the last bit. The weighted sum is a multiple of 1/65536 below 256, so that floats
    hold it exactly; adding a half and truncating rounds as Pillow does.

    Args:
        images (np.ndarray): uint8, shape (N, H, W, 3), BGR, contiguous.

    Returns:
        np.ndarray: uint8, shape (N, H, W).
    """
    tall = images.reshape(-1, *images.shape[2:])
    return cv2.transform(tall.astype(np.float32), LUMA_AND_HALF).astype(np.uint8).reshape(images.shape[:3])


def shift_hue(images: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Convert to HSV, add to the byte of the hue and convert back, all as Pillow does.

    Args:
        images (np.ndarray): uint8, shape (N, H, W, 3), BGR, contiguous.
        shifts (np.ndarray): Whole numbers from 0 to 255, shape (N,).

    Returns:
        np.ndarray: uint8, shape (N, H, W, 3), BGR.
    """
    blue, green, red = cv2.split(images.reshape(-1, *images.shape[2:]))
    low, high = np.minimum(blue, green), np.maximum(blue, green)
    value = np.maximum(high, red)
    chroma = value - np.minimum(low, red)
    gap = value - np.maximum(low, np.minimum(high, red))
    order = (green > blue).view(np.uint8)
    order += (blue > red).view(np.uint8) * BLUE_ABOVE_RED
    order += (red > green).view(np.uint8) * RED_ABOVE_GREEN
    where = cv2.merge([gap, chroma, order, np.zeros_like(order)]).view(np.uint32)
    hue = hue_table().take(where.reshape(value.shape), mode='clip')
    # Bytes wrap around as hues do.
    hue.reshape(len(images), -1)[...] += shifts.astype(np.uint8)[:, None]
    where = cv2.merge([chroma, value]).view(np.uint16)
    value_times_saturation = value_times_saturation_table().take(where.reshape(value.shape), mode='clip')
    channels = []
    for weight in channel_weights():
        lost = cv2.LUT(hue, weight)
        lost *= value_times_saturation
        # It rounds floats to bytes; there is no sign to lose.
        channels.append(value - cv2.convertScaleAbs(lost))
    return cv2.merge(channels).reshape(images.shape)
