"""Classifying the tiles of a slide: bounded memory, readers beside the network, and a file that a kill leaves whole."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.files import naming
from sdp_plugin.slides.reading import Slide
from sdp_plugin.slides.tiling import TileGrid

BATCHES_AHEAD = 2
"""Batches that are read while the network works on another one."""


class LogitsFile:
    """The logits of a slide's tiles, appended batch by batch: float32, one row a tile.

    Batches are cut the same way however often the work is interrupted, as the last bits of a network's output can
    depend on which tiles are beside each other. What a kill leaves of a batch is cut off at the next start.

    Args:
        path (Path): The file.
        count (int): Tiles in all.
        classes (int): Numbers a tile.
        batch_size (int): Tiles in each batch but the last.
    """

    def __init__(self, path: Path, count: int, classes: int, batch_size: int) -> None:
        self.path, self.count, self.classes, self.batch_size = path, count, classes, batch_size

    def done(self) -> int:
        """Tiles whose batches are complete."""
        rows = self.path.stat().st_size // (4 * self.classes) if self.path.exists() else 0
        return self.count if rows >= self.count else rows // self.batch_size * self.batch_size

    def append(self, batches: Iterator[np.ndarray]) -> None:
        """Write batches behind those that are complete, each one at once."""
        done = self.done()
        with naming(self.path), self.path.open('ab') as file:
            file.truncate(done * 4 * self.classes)
            for logits in batches:
                file.write(np.ascontiguousarray(logits, np.float32).tobytes())
                file.flush()
                os.fsync(file.fileno())

    def read(self) -> np.ndarray:
        """All logits, float32, shape (N, C), read from the file as they are needed."""
        if not self.count:
            return np.empty((0, self.classes), np.float32)
        return np.memmap(self.path, np.float32, 'r', shape=(self.count, self.classes))


def read_tile(slide: Slide, grid: TileGrid, index: int, input_size: tuple[int, int]) -> np.ndarray:
    """A tile as the network sees it: (H, W, 3) uint8, RGB."""
    tile = grid.tile(index)
    return slide.read(tile.x, tile.y, tile.width, tile.height, input_size[::-1])


def read_batches(
    slide: Slide, grid: TileGrid, indices: Sequence[int], input_size: tuple[int, int], batch_size: int, readers: int
) -> Iterator[np.ndarray]:
    """The tiles in batches, read and resampled by threads while the caller works on an earlier batch.

    OpenSlide and Pillow work without Python's lock. At most ``BATCHES_AHEAD + 1`` batches are in memory.

    Yields:
        np.ndarray: (N, H, W, 3) uint8, RGB.

    Raises:
        UserError: If the slide cannot be read.
    """
    waiting: deque[list[Future]] = deque()
    pool = ThreadPoolExecutor(readers, thread_name_prefix='slide-reader')
    try:
        for start in range(0, len(indices), batch_size):
            batch = indices[start : start + batch_size]
            waiting.append([pool.submit(read_tile, slide, grid, index, input_size) for index in batch])
            if len(waiting) > BATCHES_AHEAD:
                yield np.stack([future.result() for future in waiting.popleft()])
        while waiting:
            yield np.stack([future.result() for future in waiting.popleft()])
    finally:
        pool.shutdown(cancel_futures=True)


def classify(
    slide: Slide,
    grid: TileGrid,
    indices: np.ndarray,
    network: Callable[[np.ndarray], np.ndarray],
    input_size: tuple[int, int],
    out: LogitsFile,
    readers: int = 2,
    advance: Callable[[int], None] = lambda count: None,
) -> np.ndarray:
    """Classify those tiles that are not in the file yet.

    Args:
        slide (Slide): The slide.
        grid (TileGrid): Its tiles.
        indices (np.ndarray): Numbers of the tiles to classify, shape (N,).
        network (Callable): (N, H, W, 3) uint8 RGB to float32 logits (N, C).
        input_size (tuple[int, int]): Height and width of its tiles.
        out (LogitsFile): Where the logits go.
        readers (int): Threads that read. Defaults to 2.
        advance (Callable[[int], None]): Is told of each number of tiles that are done.

    Returns:
        np.ndarray: All logits, float32, shape (N, C).

    Raises:
        UserError: If the slide cannot be read, or the network gives what are no numbers.
    """
    left = indices[out.done() :]

    def logits() -> Iterator[np.ndarray]:
        for tiles in read_batches(slide, grid, left, input_size, out.batch_size, readers):
            values = network(tiles)
            if not np.isfinite(values).all():
                raise UserError('The network gives no numbers (NaN or infinity).', found=slide.path)
            yield values
            advance(len(values))

    out.append(logits())
    return out.read()
