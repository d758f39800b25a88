"""Reading many small images from an array in an HDF5 file, fast on every storage layout.

How to read is decided from the file's own properties:

- images that lie in one piece, uncompressed (a contiguous array, or chunks of whole images), are copied out of a memory
  map of the file, at the speed of memory and without HDF5;
- everything else (compressed chunks, or chunks such as h5py's automatic ones that hold parts of thousands of images)
  is read through HDF5 as long as few chunks are touched. When as many have been read as the file holds, the whole array
  is decoded in one sequential pass, into memory if it fits and into a memory-mapped cache file if not.

The rule for the pass costs at most twice what the best choice in hindsight would have.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Literal

import h5py
import numpy as np

from sdp_plugin.bars import Bar
from sdp_plugin.datasets.cache_files import CacheError, build_once, cache_folder, file_identity, new_array
from sdp_plugin.datasets.hdf5_layout import layout_of
from sdp_plugin.errors import UserError
from sdp_plugin.hardware import available_memory, readable_size
from sdp_plugin.hdf5 import images_of, open_file, reading

Store = Literal['memory', 'file']
Indices = Sequence[int] | np.ndarray

# A pass reads about so much at a time, in whole rows of chunks.
_PASS_BYTES = 64 * 2**20
# HDF5's own cache of 1 MiB holds no chunk of a few dozen patches, which it would then decode anew for each.
_CHUNK_CACHE_BYTES = 64 * 2**20
# Up to this size each process may hold the decoded array; a cache file would save nothing worth its clutter.
_SMALL_BYTES = 256 * 10**6


def open_images(
    path: str | os.PathLike,
    name: str = 'x',
    cache_dir: str | os.PathLike | None = None,
    store: Store = 'memory',
    report: Callable[[str], None] | None = None,
) -> ImageReader:
    """Open an array of RGB images for random access.

    Args:
        path (str | os.PathLike): The HDF5 file.
        name (str): The array, uint8 of shape (N, H, W, 3). Defaults to ``'x'``.
        cache_dir (str | os.PathLike | None): The folder for a cache file, should one be needed. Defaults to the folder
            of ``path`` or, if that is read-only, ``sdp_plugin`` in the user's cache folder.
        store (str): Where decoded images go: ``'memory'`` where they fit into half of the free memory, else a file;
            ``'file'``, for several processes that read the same array: they share its pages. Arrays below 256 MB stay
            in memory. Defaults to ``'memory'``.
        report (Callable[[str], None] | None): Is told the progress of long passes and where a cache file lies.

    Returns:
        ImageReader: The reader.

    Raises:
        UserError: The file or the array is missing, damaged, or of another type or shape.
    """
    return ImageReader(Path(path).expanduser(), name, cache_dir, store, report)


def read_images(path: str | os.PathLike, indices: Indices, name: str = 'x') -> np.ndarray:
    """Read some images once, each touched chunk of the file once, in the order in which they lie there.

    Args:
        path (str | os.PathLike): The HDF5 file.
        indices (Sequence[int] | np.ndarray): Positions in the array, in any order, also repeated.
        name (str): The array, uint8 of shape (N, H, W, 3). Defaults to ``'x'``.

    Returns:
        np.ndarray: The images in the order of ``indices``, uint8, RGB, shape (len(indices), H, W, 3).

    Raises:
        UserError: As :func:`open_images`; or an index lies outside the array; or the images cannot be read.
    """
    return open_images(path, name).read_once(indices)


class ImageReader:
    """Random access to the images of one array; made by :func:`open_images`.

    A reader may be pickled and used after a fork: each process opens the file for itself. A cache file is found again,
    an array in memory is inherited by forked processes but not pickled.

    Attributes:
        layout (Layout): How the images are stored.
    """

    def __init__(
        self, path: Path, name: str, cache_dir: str | os.PathLike | None, store: Store, report: Callable | None
    ) -> None:
        if store not in ('memory', 'file'):
            raise UserError('Unknown place for decoded images.', looked_for="'memory' or 'file'", found=repr(store))
        self.path = path
        self.name = name
        self.cache_dir = cache_dir
        self.store = store
        self.report = report
        with open_file(path) as file:
            self.layout = layout_of(images_of(file, name))
        self._forget()

    def _forget(self) -> None:
        self._bytes: np.ndarray | None = None  # the file's own bytes, mapped
        self._decoded: np.ndarray | None = None  # all images, in memory or mapped
        self._decoded_at: Path | None = None
        self._dataset: h5py.Dataset | None = None
        self._process = os.getpid()
        self._rows_read = 0
        self._rows_before_pass = self.layout.num_rows

    def __len__(self) -> int:
        return self.layout.num_images

    def read(self, indices: Indices) -> np.ndarray:
        """Read images at any positions; made for many calls.

        Args:
            indices (Sequence[int] | np.ndarray): Positions in the array, in any order, also repeated.

        Returns:
            np.ndarray: uint8, RGB, shape (len(indices), H, W, 3), a copy.

        Raises:
            UserError: An index lies outside the array, or the file cannot be read.
        """
        indices = self._checked(indices)
        if self.layout.offsets is not None:
            return self._gather(indices)
        if self._decoded is None:
            self._rows_read += len(np.unique(indices // self.layout.images_a_row))
            if self._rows_read < self._rows_before_pass or not self._could_prepare():
                return self._read_touched_rows(indices)
        return np.take(self._decoded, indices, axis=0)

    def read_once(self, indices: Indices) -> np.ndarray:
        """Read images that will not be asked for again: as :meth:`read`, but nothing is decoded that is not needed."""
        indices = self._checked(indices)
        if self.layout.offsets is not None:
            return self._gather(indices)
        if self._decoded is not None:
            return np.take(self._decoded, indices, axis=0)
        return self._read_touched_rows(indices)

    def prepare(self) -> None:
        """Make random access fast now, if it is not yet: one pass over the file, where its layout needs one."""
        if self.layout.offsets is not None:
            self._map()
            return
        if self._decoded is not None:
            return
        size = self.layout.num_bytes
        if size <= _SMALL_BYTES or (self.store == 'memory' and 2 * size <= available_memory()):
            self._decoded = self._decode_all()
        else:
            self._decoded_at = self._cache_file()
            self._decoded = np.load(self._decoded_at, mmap_mode='r')
        self._close()

    def _could_prepare(self) -> bool:
        try:
            self.prepare()
        except CacheError as error:
            self._rows_before_pass = math.inf
            if self.report:
                self.report(f'{error}\nUntil then images are read directly, which is slower.')
            return False
        return True

    def describe(self) -> str:
        """One sentence for the log: how the images are stored, and how they are read."""
        layout = self.layout
        return (
            f'{self.path}: {layout.num_images:,} images of {layout.image_shape[0]} x {layout.image_shape[1]} pixels, '
            f'{layout}; {self._how()}'
        )

    def _how(self) -> str:
        if self.layout.offsets is not None:
            return 'read from a memory map of the file'
        if self._decoded_at is not None:
            return f'decoded into {self._decoded_at} ({readable_size(self.layout.num_bytes)}), which may be deleted'
        if self._decoded is not None:
            return f'decoded into memory ({readable_size(self.layout.num_bytes)})'
        return (
            f'read through HDF5, {self.layout.images_a_row:,} images at a time, until a pass over the file '
            f'({readable_size(self.layout.num_bytes)} decoded) is cheaper'
        )

    def _checked(self, indices: Indices) -> np.ndarray:
        indices = np.asarray(indices, dtype=np.int64).reshape(-1)
        outside = indices[(indices < 0) | (indices >= len(self))]
        if len(outside):
            raise UserError(
                'An image is asked for that the file does not hold.',
                looked_for=f'image {outside[0]} of "{self.name}" in {self.path}',
                found=f'{len(self):,} images',
            )
        return indices

    def _map(self) -> np.ndarray:
        if self._bytes is None:
            # Slices of a plain array cost a third of those of a memmap object.
            self._bytes = np.asarray(np.memmap(self.path, np.uint8, mode='r'))
        return self._bytes

    def _gather(self, indices: np.ndarray) -> np.ndarray:
        stored, num_bytes = self._map(), self.layout.image_bytes
        if self.layout.chunk is None:
            start = self.layout.offsets[0]
            array = stored[start : start + self.layout.num_bytes].reshape(len(self), *self.layout.image_shape)
            return np.take(array, indices, axis=0)
        images = np.empty((len(indices), num_bytes), np.uint8)
        for image, offset in zip(images, self.layout.offsets[indices].tolist(), strict=True):
            image[:] = stored[offset : offset + num_bytes]
        return images.reshape(-1, *self.layout.image_shape)

    def _read_touched_rows(self, indices: np.ndarray) -> np.ndarray:
        order = np.argsort(indices, kind='stable')
        wanted = indices[order]
        images = np.empty((len(indices), *self.layout.image_shape), np.uint8)
        row_ends = np.flatnonzero(np.diff(wanted // self.layout.images_a_row)) + 1
        progress = Bar(f'reading {self.path}', len(row_ends) + 1, self.report)
        for places in np.split(np.arange(len(wanted)), row_ends):
            if not len(places):
                continue
            first, last = int(wanted[places[0]]), int(wanted[places[-1]])
            with reading(self.path, f', from image {first} on'):
                row = self._array()[first : last + 1]
            images[order[places]] = row[wanted[places] - first]
            progress.advance()
        return images

    def _decode_all(self, target: np.ndarray | None = None) -> np.ndarray:
        if target is None:
            target = np.empty((len(self), *self.layout.image_shape), np.uint8)
        parts = list(self._parts())
        progress = Bar(f'reading {self.path}', len(parts), self.report)
        for part in parts:
            with reading(self.path, f', from image {part.start} on'):
                self._array().read_direct(target, part, part)
            progress.advance()
        return target

    def _parts(self) -> Iterator[slice]:
        """Slices of whole rows of chunks, so that no chunk is decoded twice."""
        row = self.layout.images_a_row
        step = row * max(1, _PASS_BYTES // (row * self.layout.image_bytes))
        for start in range(0, len(self), step):
            yield slice(start, min(start + step, len(self)))

    def _cache_file(self) -> Path:
        folder = cache_folder(self.cache_dir, self.path.parent)
        identity = file_identity(self.path, self.name, self.layout.image_shape)
        path = folder / f'{self.path.stem}.{identity}.npy'
        if not path.is_file() and self.report:
            self.report(f'{self.path} is decoded once, into {path} ({readable_size(self.layout.num_bytes)})')
        return build_once(path, self._write_decoded, self.layout.num_bytes)

    def _write_decoded(self, path: Path) -> None:
        shape = (len(self), *self.layout.image_shape)
        target = new_array(path, np.uint8, shape)
        self._decode_all(target)
        target.flush()

    def _array(self) -> h5py.Dataset:
        if self._process != os.getpid():
            # Closes the child's copy only, and before the file is opened again: HDF5 would otherwise find the
            # inherited handle and share it.
            self._close()
            self._process = os.getpid()
        if self._dataset is None:
            file = open_file(self.path, rdcc_nbytes=_CHUNK_CACHE_BYTES)
            self._dataset = images_of(file, self.name)
        return self._dataset

    def _close(self) -> None:
        if self._dataset is not None:
            self._dataset.file.close()
            self._dataset = None

    def __getstate__(self) -> dict:
        state = self.__dict__.copy()
        for handle in ('_bytes', '_decoded', '_dataset'):
            state[handle] = None
        return state

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        self._process = os.getpid()
        if self._decoded_at is not None and self._decoded_at.is_file():
            self._decoded = np.load(self._decoded_at, mmap_mode='r')
