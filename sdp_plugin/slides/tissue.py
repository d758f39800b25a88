"""Where a slide is worth looking at: tissue by its colour, or areas that somebody drew."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.slides.geojson import read_geometries

SMOOTHED_OVER = 16.0
"""Micrometres over which colours are averaged before they are judged."""

LEAST_TISSUE = 0.02
"""Square millimetres of the least piece that is kept."""

LARGEST_HOLE = 0.02
"""Square millimetres of the largest hole that is filled."""

SATURATION_LIMITS = 12, 50
"""Between these (of 255) Otsu's threshold is believed: above, it parts tissue from tissue; below, glass from glass."""

# A fixed-point position of cv2.fillPoly has that many binary digits.
_BINARY_DIGITS = 8


def find_tissue(picture: np.ndarray, mpp: float) -> np.ndarray:
    """Tissue by its saturation (Otsu 1979), without specks and with small holes filled.

    Args:
        picture (np.ndarray): (H, W, 3) uint8, RGB: an overview of the slide.
        mpp (float): Micrometres a pixel of it.

    Returns:
        np.ndarray: (H, W) bool.
    """
    kernel = max(1, round(SMOOTHED_OVER / mpp)) | 1
    smooth = cv2.blur(np.ascontiguousarray(picture), (kernel, kernel))
    # Black, as outside of what was scanned or of a pen's line, has any saturation.
    dark = smooth.max(axis=2) < 40
    saturation = cv2.cvtColor(smooth, cv2.COLOR_RGB2HSV)[..., 1]
    saturation[dark] = 0
    otsu, _ = cv2.threshold(saturation, 0, 255, cv2.THRESH_BINARY | cv2.THRESH_OTSU)
    mask = (saturation > np.clip(otsu, *SATURATION_LIMITS)).astype(np.uint8)
    pixel = (mpp / 1000) ** 2
    mask = _without_small(mask, LEAST_TISSUE / pixel)
    return _without_small(1 - mask, LARGEST_HOLE / pixel) == 0


def _without_small(mask: np.ndarray, least: float) -> np.ndarray:
    count, labels, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
    keep = statistics[:, cv2.CC_STAT_AREA] >= min(least, mask.size / 4)
    keep[0] = False
    return keep[labels].astype(np.uint8) if count > 1 else mask


def drawn_areas(path: str | Path, shape: tuple[int, int], scale: int) -> np.ndarray:
    """The areas of a GeoJSON, as QuPath exports annotations: polygons, whatever their class.

    Args:
        path (str | Path): The file.
        shape (tuple[int, int]): Height and width of the mask.
        scale (int): Pixels of level 0 for each of the mask.

    Returns:
        np.ndarray: (H, W) bool.

    Raises:
        UserError: If it is no GeoJSON, or holds no area.
    """
    mask = np.zeros(shape, np.uint8)
    polygons = [part for geometry in read_geometries(path) for part in getattr(geometry, 'geoms', [geometry])]
    polygons = [part for part in polygons if part.geom_type == 'Polygon']
    for polygon in polygons:
        one = np.zeros(shape, np.uint8)
        for number, ring in enumerate((polygon.exterior, *polygon.interiors)):
            # fillPoly's whole positions are centres of pixels.
            positions = np.asarray(ring.coords)[:, :2] / scale - 0.5
            points = np.round(positions * 2**_BINARY_DIGITS).astype(np.int32)
            cv2.fillPoly(one, [points], 0 if number else 1, shift=_BINARY_DIGITS)
        mask |= one
    if not mask.any():
        raise UserError(
            f'{path} holds no area of this slide.',
            looked_for='Polygon or MultiPolygon features, in pixels of the full resolution',
            found=f'{len(polygons)} polygons, all of them elsewhere' if polygons else 'none',
        )
    return mask > 0
