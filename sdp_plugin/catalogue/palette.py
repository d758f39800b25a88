"""The colours in which the Pascal VOC masks are published."""

from __future__ import annotations

import numpy as np

VOC_VOID = 255


def voc_palette() -> np.ndarray:
    """The VOC colour map: the bits of a class index, lowest first, dealt to the high bits of red, green and blue.

    Source: the VOC 2012 development kit (``VOClabelcolormap``).

    Returns:
        np.ndarray: (256, 3) uint8, RGB; row 0 (background) is black, row 255 (void) is (224, 224, 192).
    """
    indices = np.arange(256)
    palette = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        for channel in range(3):
            palette[:, channel] |= (((indices >> (3 * bit + channel)) & 1) << (7 - bit)).astype(np.uint8)
    return palette
