"""What was predicted for a slide: the grid, which of its tiles were classified, and what came out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from scipy.special import softmax

from sdp_plugin.slides.classes import SlideClasses
from sdp_plugin.slides.tiling import TileGrid

ROWS_AT_ONCE = 65536


@dataclass(frozen=True)
class Predictions:
    """The classified tiles of a slide.

    Args:
        slide (Path): The file.
        fingerprint (str): Of the file.
        mpp (tuple[float, float]): Micrometres a pixel of level 0.
        grid (TileGrid): Its tiles and cells.
        indices (np.ndarray): Numbers of the classified tiles, ascending, int64, shape (N,).
        logits (np.ndarray): Float32, shape (N, C).
        classes (SlideClasses): The classes.
    """

    slide: Path
    fingerprint: str
    mpp: tuple[float, float]
    grid: TileGrid
    indices: np.ndarray
    logits: np.ndarray
    classes: SlideClasses

    def parts(self) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
        """Numbers, logits and probabilities of some thousand tiles at a time."""
        for start in range(0, len(self.indices), ROWS_AT_ONCE):
            logits = np.asarray(self.logits[start : start + ROWS_AT_ONCE])
            yield self.indices[start : start + ROWS_AT_ONCE], logits, softmax(logits.astype(np.float64), axis=1)

    @cached_property
    def predicted(self) -> np.ndarray:
        """Class index of each tile, int16, shape (N,)."""
        found = [probabilities.argmax(axis=1).astype(np.int16) for _, _, probabilities in self.parts()]
        return np.concatenate(found) if found else np.empty(0, np.int16)

    def probability(self, class_index: int) -> np.ndarray:
        """Of a class, float32, shape (N,)."""
        found = [probabilities[:, class_index].astype(np.float32) for _, _, probabilities in self.parts()]
        return np.concatenate(found) if found else np.empty(0, np.float32)

    @cached_property
    def target_probability(self) -> np.ndarray:
        """Of the class that is mapped, float32, shape (N,)."""
        return self.probability(self.classes.target)

    @cached_property
    def cell_pixels(self) -> np.ndarray:
        """Area of each tile's cell on the slide, in pixels of level 0, int64, shape (N,)."""
        row, column = np.divmod(self.indices, self.grid.columns)
        (width, height), step = self.grid.slide_size, self.grid.step
        return np.minimum(step[0], width - column * step[0]) * np.minimum(step[1], height - row * step[1])

    def square_millimetres(self, chosen: np.ndarray) -> float:
        """Area of the cells that a boolean array of shape (N,) chooses."""
        return float(self.cell_pixels[chosen].sum()) * self.mpp[0] * self.mpp[1] / 1e6

    def on_the_grid(self, values: np.ndarray, fill: float) -> np.ndarray:
        """A value for each cell, shape (rows, columns); ``fill`` where no tile was classified."""
        cells = np.full(self.grid.rows * self.grid.columns, fill, values.dtype)
        cells[self.indices] = values
        return cells.reshape(self.grid.rows, self.grid.columns)
