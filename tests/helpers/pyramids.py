"""Slides made for tests: pyramids of cells in a few colours, and a network that reads the colour at a tile's centre."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tifffile
from PIL import Image

COLOURS = np.array([(220, 40, 40), (40, 200, 60), (50, 60, 220), (220, 200, 30), (200, 50, 210)], np.uint8)
NAMES = ('red', 'green', 'blue', 'yellow', 'violet')


def class_of_cell(column: np.ndarray, row: np.ndarray) -> np.ndarray:
    """No cell has the class of one that it shares an edge with."""
    return (column + 2 * row) % len(COLOURS)


def painted(width: int, height: int, step: tuple[int, int]) -> np.ndarray:
    """(H, W) class indices of level 0: cells of ``step`` from the corner on."""
    return class_of_cell(np.arange(width) // step[0], np.arange(height)[:, None] // step[1])


def write_pyramid_file(
    path: Path,
    image: np.ndarray,
    factors: Sequence[int] = (1,),
    mpp: float | None = None,
    unit: str = 'CENTIMETER',
    description: str | None = None,
    compression: str = 'zlib',
) -> Path:
    """A tiled TIFF that OpenSlide opens; levels are means over their pixels, and their sizes are rounded down."""
    micrometres = {'CENTIMETER': 1e4, 'INCH': 25_400}
    tags = dict(resolutionunit='NONE', resolution=(1, 1))
    if mpp is not None:
        tags = dict(resolutionunit=unit, resolution=(micrometres[unit] / mpp,) * 2)
    with tifffile.TiffWriter(path, ome=False) as file:
        for number, factor in enumerate(factors):
            height, width = image.shape[0] // factor, image.shape[1] // factor
            level = Image.fromarray(image[: height * factor, : width * factor]).reduce(factor)
            file.write(
                np.asarray(level),
                tile=(128, 128),
                photometric='rgb',
                compression=compression,
                subfiletype=int(number > 0),
                metadata=None,
                description=description if number == 0 else None,
                **tags,
            )
    return path


def read_colours(tiles: np.ndarray) -> np.ndarray:
    """Logits: 60 for the class of the colour in the middle of a tile, 0 for the others. Classes of the smallest
    distance; (N, H, W, 3) uint8 to (N, 5) float32."""
    middle = tiles.shape[1] // 2, tiles.shape[2] // 2
    centre = tiles[:, middle[0] - 1 : middle[0] + 1, middle[1] - 1 : middle[1] + 1].mean(axis=(1, 2))
    distance = np.abs(centre[:, None] - COLOURS.astype(float)).sum(axis=2)
    logits = np.zeros((len(tiles), len(COLOURS)), np.float32)
    logits[np.arange(len(tiles)), distance.argmin(axis=1)] = 60
    return logits
