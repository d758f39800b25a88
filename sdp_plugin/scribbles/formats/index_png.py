"""Index PNGs: the pixel's value is its class, one value means unlabelled (255 by custom; napari saves 0)."""

from __future__ import annotations

import io
import os
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from sdp_plugin.errors import UserError
from sdp_plugin.image_files import write_image
from sdp_plugin.scribbles.formats.reading import MAX_PIXELS, read_bytes

IGNORE_INDEX = 255
# Pillow's modes whose pixel values are the stored numbers: grey, palette, one bit, 16 and 32 bits.
_INDEX_MODES = ('L', 'P', '1', 'I;16', 'I')


def read_index_png(path: str | os.PathLike, file_ignore_index: int = 255, ignore_index: int = 255) -> np.ndarray:
    """Read an index PNG as stored, without looking at its palette.

    Args:
        path (str | os.PathLike): A PNG of one channel: grey or palette.
        file_ignore_index (int): The file's value for unlabelled pixels.
        ignore_index (int): The value for unlabelled pixels in the result.

    Returns:
        np.ndarray: uint8 mask of shape (H, W). All values but the ignore value are kept.

    Raises:
        UserError: Naming the file, if it is missing, no PNG, truncated, has colour channels or values above 255, or
            if it uses ``ignore_index`` as a class while ``file_ignore_index`` is another.
    """
    path = Path(path)
    data = read_bytes(path)
    try:
        with Image.open(io.BytesIO(data), formats=['PNG']) as image:
            if image.mode not in _INDEX_MODES:
                raise UserError(
                    f'{path} holds colours, not class indices',
                    looked_for='a grey or palette PNG',
                    found=f'Pillow mode {image.mode}',
                )
            if image.width * image.height > MAX_PIXELS:
                raise UserError(f'{path} is too large', found=f'{image.width} x {image.height} pixels')
            stored = np.array(image)
    except UnidentifiedImageError:
        raise UserError(f'{path} is no whole PNG', found=f'a file that begins with {data[:8]!r}') from None
    except UserError:
        raise
    # Pillow raises whatever its parsing of a broken chunk stumbles over.
    except Exception as error:
        raise UserError(f'{path} is no whole PNG', found=error) from None
    unlabelled = stored == file_ignore_index
    if file_ignore_index != ignore_index and (stored == ignore_index).any():
        raise UserError(
            f'{path} uses the value {ignore_index} for pixels that shall count as labelled',
            looked_for=f'{file_ignore_index} as the only value of unlabelled pixels',
            remedy='is the ignore value of the file the one that you said?',
        )
    if stored.max(where=~unlabelled, initial=0) > 255 or stored.min() < 0:
        raise UserError(f'{path} holds class indices that do not fit into a byte', found=int(stored.max()))
    mask = stored.astype(np.uint8)
    mask[unlabelled] = ignore_index
    return mask


def check_classes(mask: np.ndarray, num_classes: int, path: str | os.PathLike) -> None:
    """Refuse a mask with values that are no class.

    Args:
        mask (np.ndarray): uint8, shape (H, W).
        num_classes (int): Values from 0 to ``num_classes - 1``, and 255, are allowed.
        path (str | os.PathLike): Its file, for the message.

    Raises:
        UserError: There is another value.
    """
    values = values_of(mask)
    strange = values[(values >= num_classes) & (values != IGNORE_INDEX)]
    if len(strange):
        raise UserError(
            'A mask holds values that are no class.',
            looked_for=f'0 to {num_classes - 1}, or {IGNORE_INDEX} where nobody knows',
            found=f'{", ".join(map(str, strange[:5]))} in {path}',
            remedy='correct the mask, or set num_classes of LoadMask and of the model',
        )


def values_of(mask: np.ndarray) -> np.ndarray:
    """The values that a mask holds, ascending."""
    if mask.dtype != np.uint8:
        return np.unique(mask)
    # OpenCV counts bytes four times as fast as NumPy, which widens them first.
    return np.flatnonzero(cv2.calcHist([np.ascontiguousarray(mask)], [0], None, [256], [0, 256]))


def write_index_png(
    path: str | os.PathLike,
    mask: np.ndarray,
    palette: np.ndarray | None = None,
    file_ignore_index: int = 255,
    ignore_index: int = 255,
) -> None:
    """Write an index PNG, whole or not at all.

    Args:
        path (str | os.PathLike): The PNG.
        mask (np.ndarray): uint8 array of shape (H, W).
        palette (np.ndarray | None): uint8 array of shape (N, 3), RGB of the classes, to see them in a viewer; None
            for a grey PNG. The indices are the same either way.
        file_ignore_index (int): The file's value for unlabelled pixels.
        ignore_index (int): The mask's value for unlabelled pixels.

    Raises:
        UserError: If the mask uses ``file_ignore_index`` as a class: it could not be told from unlabelled.
    """
    if file_ignore_index != ignore_index and (mask == file_ignore_index).any():
        raise UserError(
            f'{path} cannot be written: class {file_ignore_index} would become unlabelled',
            remedy='choose an ignore value that is no class',
        )
    image = Image.fromarray(np.where(mask == ignore_index, np.uint8(file_ignore_index), mask))
    if palette is not None:
        image.putpalette(np.asarray(palette, dtype=np.uint8).tobytes())
    write_image(image, path, 'PNG')
