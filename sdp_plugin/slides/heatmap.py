"""Maps of a slide's predictions: an overlay to look at, and a pyramidal TIFF that lies on the slide in a viewer."""

from __future__ import annotations

import os

import numpy as np
from PIL import Image

from sdp_plugin.files import atomic_path
from sdp_plugin.image_files import write_image
from sdp_plugin.slides.classes import qupath_name
from sdp_plugin.slides.predictions import Predictions

OPACITY = 0.55
"""Of the colours over the slide."""

LEAST_SIDE = 1024
"""Pixels of the longer side of the TIFF: smaller maps are drawn with several pixels a cell."""

_TILE = 256


def colour_map(values: np.ndarray) -> np.ndarray:
    """Blue over white to red for 0 to 1, which people with colour-vision deficiencies tell apart.

    Returns:
        np.ndarray: uint8, shape (..., 3), RGB.
    """
    values = np.asarray(values, np.float64).clip(0, 1)
    at = (0, 0.25, 0.5, 0.75, 1)
    stops = np.array([(33, 102, 172), (146, 197, 222), (247, 247, 247), (244, 165, 130), (178, 24, 43)], np.float64)
    return (
        np.stack([np.interp(values, at, stops[:, channel]) for channel in range(3)], axis=-1).round().astype(np.uint8)
    )


def overlay(predictions: Predictions, picture: np.ndarray, scale: int) -> np.ndarray:
    """The probability of the target class over an overview of the slide; where no tile was classified, the slide.

    Args:
        predictions (Predictions): Of the slide.
        picture (np.ndarray): (H, W, 3) uint8, RGB: :meth:`~sdp_plugin.slides.reading.Slide.overview`.
        scale (int): Of the overview.

    Returns:
        np.ndarray: (H, W, 3) uint8, RGB. Each pixel shows the cell in which its centre lies.
    """
    cells = predictions.on_the_grid(predictions.target_probability, np.nan)
    row, column = (_cell_at_centres(length, scale, step) for length, step in
                   zip(picture.shape[:2], predictions.grid.step[::-1], strict=True))  # fmt: skip
    values = cells[row.clip(max=cells.shape[0] - 1)][:, column.clip(max=cells.shape[1] - 1)]
    coloured = OPACITY * colour_map(np.nan_to_num(values)) + (1 - OPACITY) * picture
    return np.where(np.isnan(values)[..., None], picture, coloured.round()).astype(np.uint8)


def _cell_at_centres(length: int, scale: int, step: int) -> np.ndarray:
    # (i + 1/2) * scale, without fractions.
    return (2 * np.arange(length, dtype=np.int64) + 1) * scale // (2 * step)


def write_overlay(predictions: Predictions, picture: np.ndarray, scale: int, path: str | os.PathLike) -> None:
    """Write :func:`overlay` as a PNG."""
    write_image(Image.fromarray(overlay(predictions, picture, scale)), path, 'PNG')


def write_pyramid(predictions: Predictions, path: str | os.PathLike) -> None:
    """Write an OME-TIFF of one channel a class: 0 to 255 for a probability of 0 to 1, 0 where nothing was classified.

    Its first pixel begins where the slide begins, and its resolution says how large a pixel is: a viewer that goes by
    micrometres lays it exactly over the slide. Levels of half the size follow.
    """
    import tifffile

    grid, names = predictions.grid, predictions.classes.names
    enlarged = max(1, -(-LEAST_SIDE // max(grid.rows, grid.columns)))
    level = np.stack(
        [_bytes_on_the_grid(predictions, index).repeat(enlarged, 0).repeat(enlarged, 1) for index in range(len(names))]
    )
    pyramid = [level]
    while max(level.shape[1:]) > 2 * _TILE:
        level = _halved(level)
        pyramid.append(level)
    mpp = [side * micrometres / enlarged for side, micrometres in zip(grid.step, predictions.mpp, strict=True)]
    metadata = dict(
        axes='CYX',
        PhysicalSizeX=mpp[0],
        PhysicalSizeXUnit='µm',
        PhysicalSizeY=mpp[1],
        PhysicalSizeYUnit='µm',
        Channel={
            'Name': [qupath_name(name) for name in names],
            'Color': [_ome_colour(colour) for colour in predictions.classes.colours],
        },
    )
    options = dict(
        photometric='minisblack', tile=(_TILE, _TILE), compression='zlib', resolutionunit='CENTIMETER', maxworkers=1
    )
    with atomic_path(path) as temporary, tifffile.TiffWriter(temporary, bigtiff=level.nbytes > 2**31, ome=True) as file:
        for number, level in enumerate(pyramid):
            more = dict(subfiletype=1) if number else dict(subifds=len(pyramid) - 1, metadata=metadata)
            resolution = tuple(1e4 / side / 2**number for side in mpp)
            file.write(level, resolution=resolution, **more, **options)


def _bytes_on_the_grid(predictions: Predictions, class_index: int) -> np.ndarray:
    return predictions.on_the_grid((predictions.probability(class_index) * 255).round().astype(np.uint8), 0)


def _halved(level: np.ndarray) -> np.ndarray:
    height, width = (-(-length // 2) for length in level.shape[1:])
    padded = np.pad(level, ((0, 0), (0, 2 * height - level.shape[1]), (0, 2 * width - level.shape[2])), mode='edge')
    return padded.reshape(len(level), height, 2, width, 2).mean(axis=(2, 4)).round().astype(np.uint8)


def _ome_colour(colour: tuple[int, int, int]) -> int:
    # OME's colours are signed 32-bit RGBA.
    value = (colour[0] << 24) | (colour[1] << 16) | (colour[2] << 8) | 255
    return value - 2**32 if value >= 2**31 else value
