"""Opening HDF5 files and the arrays in them, with one clear error for whatever is damaged or missing."""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import h5py
import numpy as np

from sdp_plugin.errors import UserError

_BYTES_OF_BEGINNING = 2**16
_SIGNATURE = b'\x89HDF\r\n\x1a\n'
_HEAP = re.compile(rb'HEAP\0\0\0\0(.{24})', re.DOTALL)
_FREE_ROOM = struct.Struct('<QQ')  # where the next is (1: nowhere), and bytes


def open_file(path: Path, **options) -> h5py.File:
    """An HDF5 file, open for reading.

    Args:
        path (Path): The file.
        **options: Of :class:`h5py.File`.

    Raises:
        UserError: The file is missing, or no HDF5 file.
    """
    if not path.is_file():
        raise UserError('An HDF5 file is missing.', looked_for=path)
    with reading(path):
        _check_free_room(path)
        return h5py.File(path, 'r', **options)


def _check_free_room(path: Path) -> None:
    """Refuse a list of free room that comes back to itself, which HDF5 follows for ever, taking ever more memory.

    Such a list belongs to the heap of a group's names (section III.D of the HDF5 File Format Specification). Those of
    the groups that a file was made with are at its beginning.

    Raises:
        ValueError: There is one.
    """
    with path.open('rb') as file:
        beginning = file.read(_BYTES_OF_BEGINNING)
    # Addresses count from here; a file may begin with something else.
    beginning = beginning[max(beginning.find(_SIGNATURE), 0) :]
    for heap in _HEAP.finditer(beginning):
        size, free, address = struct.unpack('<QQQ', heap[1])
        seen: set[int] = set()
        while free + _FREE_ROOM.size <= size and address + free + _FREE_ROOM.size <= len(beginning):
            if free in seen:
                raise ValueError("the list of free room among an HDF5 group's names goes round in a circle")
            seen.add(free)
            free, _ = _FREE_ROOM.unpack_from(beginning, address + free)


def array_of(file: h5py.File, name: str) -> h5py.Dataset:
    """An array of an open file; nothing of it is read yet.

    Raises:
        UserError: There is no such array, the file is damaged, or the values are in other files or were never written.
    """
    path = Path(file.filename)
    with reading(path):
        array = file.get(name)
        names = ', '.join(file) or 'nothing'
    if not isinstance(array, h5py.Dataset):
        raise UserError(f'The file holds no array "{name}".', looked_for=f'{name} in {path}', found=names)
    with reading(path):
        # h5py decodes a type when it is asked for it, and fails there if it is damaged.
        kind, shape = array.dtype, array.shape
    if missing := _missing_of(array, file):
        raise UserError(
            f'The array "{name}" is not in its file, or not all of it.',
            looked_for=f'{kind} of shape {shape} in {path}',
            found=missing,
            remedy='fetch the file again, or copy its arrays into one that holds all of them',
        )
    return array


def _missing_of(array: h5py.Dataset, file: h5py.File) -> str:
    """What an array lacks; HDF5 reads it as zeros, or from wherever the file says."""
    with reading(Path(file.filename)):
        if array.file.filename != file.filename:
            return f'a link to {array.file.filename}'
        if array.is_virtual or array.external:
            return 'a description of where in other files its values are'
        if array.chunks and array.size:
            wanted = math.prod(-(-side // chunk) for side, chunk in zip(array.shape, array.chunks, strict=True))
            # Counting visits each; none of them is shorter than a byte, so that the count is bounded by the file.
            written = array.id.get_num_chunks()
            return f'{wanted - written:,} of {wanted:,} chunks that were never written' if written < wanted else ''
        return '' if array.nbytes <= max(array.id.get_storage_size(), 0) else 'values that were never written'


def images_of(file: h5py.File, name: str) -> h5py.Dataset:
    """An array of RGB images, uint8 of shape (N, H, W, 3) with N > 0; none of them is read yet.

    Raises:
        UserError: What :func:`array_of` raises; or the array has another type or shape.
    """
    images = array_of(file, name)
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] != 3 or not images.size:
        raise UserError(
            f'The array "{name}" holds no images.',
            looked_for='uint8 of shape (N, H, W, 3)',
            found=f'{images.dtype} of shape {images.shape} in {file.filename}',
        )
    return images


@contextmanager
def reading(path: Path, where: str = '') -> Iterator[None]:
    """Turn HDF5's own errors while reading into one that names the file.

    Args:
        path (Path): The file.
        where (str): What is read of it, for the message. Defaults to nothing.

    Raises:
        UserError: The block raised an error of HDF5.
    """
    try:
        yield
    except UserError:
        raise
    except (OSError, RuntimeError, LookupError, TypeError, ValueError, ArithmeticError) as error:
        # h5py says in many ways that a file is damaged.
        raise UserError(
            'A file is no HDF5 file, or not all of it.',
            looked_for='a complete HDF5 file',
            found=f'{path}{where}: {error}',
            remedy='fetch it again and compare its checksum with the published one',
        ) from error
