"""How an array of images is stored in an HDF5 file."""

from __future__ import annotations

import os
from dataclasses import dataclass

import h5py
import numpy as np


@dataclass(frozen=True)
class Layout:
    """How an array of images is stored.

    Args:
        num_images (int): N.
        image_shape (tuple[int, int, int]): (H, W, 3).
        chunk (tuple[int, int, int, int] | None): Shape of a chunk; None for an array that is not chunked.
        compression (str): The filters of the chunks, or nothing.
        offsets (np.ndarray | None): Where each image begins in the file, in bytes, int64 of shape (N,); None unless
            every image lies in one piece.
    """

    num_images: int
    image_shape: tuple[int, int, int]
    chunk: tuple[int, int, int, int] | None
    compression: str
    offsets: np.ndarray | None

    @property
    def image_bytes(self) -> int:
        """Bytes of one image."""
        return int(np.prod(self.image_shape))

    @property
    def num_bytes(self) -> int:
        """Bytes of all images, decoded."""
        return self.num_images * self.image_bytes

    @property
    def images_a_row(self) -> int:
        """Images that lie in one row of chunks, which can only be read together."""
        return self.chunk[0] if self.chunk else 1

    @property
    def num_rows(self) -> int:
        """Rows of chunks in the array."""
        return -(-self.num_images // self.images_a_row)

    def __str__(self) -> str:
        if self.chunk is None:
            return 'contiguous'
        shape = ' x '.join(map(str, self.chunk))
        return f'in chunks of {shape}, {self.compression}' if self.compression else f'in chunks of {shape}'


def layout_of(images: h5py.Dataset) -> Layout:
    """How an array of images is stored, from the file's own properties.

    Args:
        images (h5py.Dataset): uint8 of shape (N, H, W, 3), every chunk of which was written.
    """
    return Layout(
        num_images=images.shape[0],
        image_shape=images.shape[1:],
        chunk=images.chunks,
        compression=_filters_of(images),
        offsets=_offsets_of(images),
    )


def _filters_of(images: h5py.Dataset) -> str:
    properties = images.id.get_create_plist()
    names = (properties.get_filter(i)[3].decode() for i in range(properties.get_nfilters()))
    return ' + '.join('gzip' if name == 'deflate' else name for name in names)


def _offsets_of(images: h5py.Dataset) -> np.ndarray | None:
    image_bytes = int(np.prod(images.shape[1:]))
    if images.chunks is None:
        # None for arrays so small that they lie in the file's header.
        start = images.id.get_offset()
        offsets = None if start is None else start + image_bytes * np.arange(len(images), dtype=np.int64)
    elif images.chunks[1:] == images.shape[1:] and not _filters_of(images):
        offsets = _offsets_in_chunks(images, image_bytes)
    else:
        offsets = None
    if offsets is None or offsets.max() + image_bytes > os.stat(images.file.filename).st_size:
        return None
    return offsets


def _offsets_in_chunks(images: h5py.Dataset, image_bytes: int) -> np.ndarray:
    num_images, images_a_chunk = len(images), images.chunks[0]
    starts = np.empty(-(-num_images // images_a_chunk), dtype=np.int64)

    def note(chunk: h5py.h5d.StoreInfo) -> None:
        starts[chunk.chunk_offset[0] // images_a_chunk] = chunk.byte_offset

    images.id.chunk_iter(note)
    chunk, within = np.divmod(np.arange(num_images, dtype=np.int64), images_a_chunk)
    return starts[chunk] + within * image_bytes
