"""The grid of tiles on a slide, in whole pixels of level 0.

The slide is divided into cells from its corner on, each of ``step`` pixels, without gaps. Each cell gets the prediction
of the tile around it: tile and cell have one centre (to half a pixel), and are the same where the stride is the tile's
side. So areas count each place once, a map of cells lies where the slide lies, and no rounding adds up, at any stride.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.slides.reading import Slide

MAX_CELLS = 2**28


@dataclass(frozen=True)
class Box:
    """A rectangle: left and upper edge, width and height, in pixels of level 0."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True)
class TileGrid:
    """Tiles and cells of a slide, numbered row by row.

    Args:
        slide_size (tuple[int, int]): Width and height of the slide.
        side (tuple[int, int]): Width and height of a tile, in pixels of level 0.
        step (tuple[int, int]): Width and height of a cell, in pixels of level 0.
    """

    slide_size: tuple[int, int]
    side: tuple[int, int]
    step: tuple[int, int]

    @property
    def columns(self) -> int:
        """Cells in a row; the last one may reach over the edge."""
        return -(-self.slide_size[0] // self.step[0])

    @property
    def rows(self) -> int:
        """Rows of cells."""
        return -(-self.slide_size[1] // self.step[1])

    def place(self, index: int) -> tuple[int, int]:
        """Column and row."""
        row, column = divmod(int(index), self.columns)
        return column, row

    def tile(self, index: int) -> Box:
        """What the network sees; may reach over the edges of the slide."""
        column, row = self.place(index)
        return Box(
            column * self.step[0] - (self.side[0] - self.step[0]) // 2,
            row * self.step[1] - (self.side[1] - self.step[1]) // 2,
            *self.side,
        )

    def cell(self, index: int) -> Box:
        """What the prediction is for, as far as it lies on the slide."""
        column, row = self.place(index)
        x, y = column * self.step[0], row * self.step[1]
        return Box(x, y, min(self.step[0], self.slide_size[0] - x), min(self.step[1], self.slide_size[1] - y))


def make_grid(slide: Slide, input_size: tuple[int, int], model_mpp: float, stride: int | None = None) -> TileGrid:
    """Divide a slide for a classifier.

    Tile and stride are rounded to whole pixels of level 0: the resolution is met to half a pixel of a tile's side.

    Args:
        slide (Slide): The slide.
        input_size (tuple[int, int]): Height and width of the classifier's tiles.
        model_mpp (float): Micrometres a pixel of its tiles.
        stride (int | None): Distance of neighbouring tiles, in pixels of a tile; None is a tile's side.

    Raises:
        UserError: If the stride is no positive number, or the grid becomes immensely large.
    """
    if stride is not None and stride < 1:
        raise UserError('The stride is no distance.', looked_for='at least 1 pixel of a tile', found=stride)
    scale = [Fraction(str(model_mpp)) / mpp for mpp in slide.mpp]
    height, width = input_size
    side = tuple(_whole(pixels * s) for pixels, s in zip((width, height), scale, strict=True))
    step = side if stride is None else tuple(_whole(stride * s) for s in scale)
    grid = TileGrid((slide.width, slide.height), side, step)
    if grid.columns * grid.rows > MAX_CELLS:
        raise UserError(
            'The grid has too many tiles.',
            looked_for=f'at most {MAX_CELLS:,}',
            found=f'{grid.columns} x {grid.rows}',
            remedy='take a larger --stride',
        )
    return grid


def cells_on(mask: np.ndarray, scale: int, grid: TileGrid, least: float) -> np.ndarray:
    """The cells of which a mask covers enough.

    Args:
        mask (np.ndarray): (H, W) bool, in the pixels of an overview of ``scale``.
        scale (int): Pixels of level 0 for each of the mask.
        grid (TileGrid): The grid.
        least (float): Covered part of a cell on the slide, from 0 to 1. A cell without any is never taken.

    Returns:
        np.ndarray: Their numbers, ascending, int64.
    """
    covered = np.zeros((mask.shape[0] + 1, mask.shape[1] + 1))
    covered[1:, 1:] = mask.cumsum(axis=0, dtype=np.float64).cumsum(axis=1)
    # A sum over pixels is linear between their corners, so that cells which cut through pixels are measured exactly.
    columns, rows = (
        (np.arange(count + 1) * step).clip(max=length)
        for count, step, length in zip((grid.columns, grid.rows), grid.step, grid.slide_size, strict=True)
    )
    corners = _at(_at(covered, rows / scale).T, columns / scale).T
    part = np.diff(np.diff(corners, axis=0), axis=1) * scale**2 / np.multiply.outer(np.diff(rows), np.diff(columns))
    return np.flatnonzero((part > 1e-9) & (part >= least - 1e-9))


def _at(values: np.ndarray, positions: np.ndarray) -> np.ndarray:
    positions = positions.clip(0, len(values) - 1)
    lower = np.minimum(positions.astype(np.int64), len(values) - 2)
    weight = (positions - lower)[:, None]
    return values[lower] * (1 - weight) + values[lower + 1] * weight


def _whole(value: Fraction) -> int:
    return max(1, int(value + Fraction(1, 2)))
