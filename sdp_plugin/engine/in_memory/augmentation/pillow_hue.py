"""Pillow's shift of the hue, as tables.

``Image.convert('HSV')`` truncates hue and saturation to bytes, and ``convert('RGB')`` rounds. Both are pure functions
of few bytes: the hue of which channel is largest, which smallest, and of two differences; the way back of the value,
the saturation and one of 85 steps within a sixth of the colour wheel. What depends on the last bit of a float is asked
of Pillow itself.
"""

from __future__ import annotations

import functools

import numpy as np
from PIL import Image

# A sixth of the colour wheel has 42.5 of its 255 bytes: 85 steps of half a byte.
STEPS = 85
# Bits of the order of the channels.
GREEN_ABOVE_BLUE, BLUE_ABOVE_RED, RED_ABOVE_GREEN = 1, 2, 4


def shift_in_bytes(shift: np.ndarray) -> np.ndarray:
    """What is added to the byte of the hue for shifts in turns of the colour wheel, as mmcv truncates it; int64."""
    return np.trunc(np.asarray(shift) * 255).astype(np.int64) % 256


@functools.cache
def hue_table() -> np.ndarray:
    """The byte of the hue: uint8, shape (8 * 256 * 256,), at ``order << 16 | chroma << 8 | gap``.

    ``order`` is the sum of the bits above that hold, ``chroma`` the largest channel less the smallest, ``gap`` the
    largest less the middle one, which is at most ``chroma``.
    """
    chroma, gap = np.meshgrid(np.arange(256), np.arange(256), indexing='ij')
    largest, middle, smallest = chroma, (chroma - gap).clip(0), np.zeros_like(chroma)
    red_green_blue = {
        RED_ABOVE_GREEN: (largest, smallest, middle),
        RED_ABOVE_GREEN | GREEN_ABOVE_BLUE: (largest, middle, smallest),
        GREEN_ABOVE_BLUE: (middle, largest, smallest),
        GREEN_ABOVE_BLUE | BLUE_ABOVE_RED: (smallest, largest, middle),
        BLUE_ABOVE_RED: (smallest, middle, largest),
        BLUE_ABOVE_RED | RED_ABOVE_GREEN: (middle, smallest, largest),
    }
    table = np.zeros((8, 256, 256), np.uint8)
    for order, channels in red_green_blue.items():
        table[order] = _to_hsv(*channels)[..., 0]
    return table.ravel()


@functools.cache
def value_times_saturation_table() -> np.ndarray:
    """The largest channel times the byte of the saturation: float32, shape (256 * 256,), at ``value << 8 | chroma``."""
    value, chroma = np.meshgrid(np.arange(256), np.arange(256), indexing='ij')
    smallest = (value - chroma).clip(0)
    return (value * _to_hsv(value, smallest, smallest)[..., 1]).astype(np.float32).ravel()


@functools.cache
def channel_weights() -> np.ndarray:
    """How much saturation takes from each channel at a hue: float32, shape (3, 256): blue, green, red.

    A channel is ``value - round(value * saturation * weight)``.
    """
    sixth, falling = np.divmod(2 * np.arange(256), STEPS)
    rising = STEPS - falling
    full, none = np.full(256, STEPS), np.zeros(256, np.int64)
    sixth %= 6
    red = np.choose(sixth, [none, falling, full, full, rising, none])
    green = np.choose(sixth, [rising, none, none, falling, full, full])
    blue = np.choose(sixth, [full, full, rising, none, none, falling])
    # The product is a multiple of 1 / (255 * 85), an odd number: never half-way between two whole numbers.
    weights = np.stack([blue, green, red]) * np.float32(1 / (255 * STEPS))
    return weights.astype(np.float32)


def _to_hsv(red: np.ndarray, green: np.ndarray, blue: np.ndarray) -> np.ndarray:
    colours = np.ascontiguousarray(np.stack([red, green, blue], axis=-1), np.uint8)
    return np.asarray(Image.fromarray(colours).convert('HSV'))
