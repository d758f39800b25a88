"""Image files: whatever may come is decoded to 8-bit images or ends in one clear error; what is written is whole."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager

import cv2
import numpy as np
from PIL import Image

from sdp_plugin.errors import UserError
from sdp_plugin.files import read_regular_file, write_bytes_atomically

# Tiles and photographs are far below: a slide or a bomb is meant. Decoded, it is 200 MB.
MAX_PIXELS = 2**26
_MAX_BYTES = 2**30
# OpenCV 4 has these at the top.
_LOGGING = getattr(cv2.utils, 'logging', cv2)
_LOG_LEVEL, _SILENT = _LOGGING.getLogLevel(), 0
_PNG = b'\x89PNG\r\n\x1a\n'


def read_image(path: str | os.PathLike, max_pixels: int = MAX_PIXELS) -> np.ndarray:
    """Decode an image file as OpenCV does: JPEG, PNG, TIFF, BMP or what else both OpenCV and Pillow know.

    A file is decoded from memory as a whole: OpenCV then refuses a truncated one; given a path, it would return an
    image that is partly grey. The TIFFs of the CRC data set (PackBits) decode as they do with Pillow. An opaque alpha
    channel is left out.

    Args:
        path (str | os.PathLike): The file.
        max_pixels (int): Larger images are refused before they are decoded.

    Returns:
        np.ndarray: uint8, shape (H, W, 3), BGR; the EXIF orientation is applied.

    Raises:
        UserError: The file is missing, cannot be read, is no regular file, is truncated or no image, is larger than
            allowed, has transparent pixels, or more than 8 bits a channel.
    """
    data = _bytes_of(path)
    try:
        _look_at_header(data, path, max_pixels)
        with _without_a_word():
            image = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    except UserError:
        raise
    # Decoders raise whatever their parsing of a damaged file stumbles over.
    except Exception as error:
        raise _undecodable(path) from error
    if image is None:
        raise _undecodable(path)
    if image.dtype != np.uint8:
        raise UserError(
            'An image has more than 8 bits a channel.',
            looked_for='8 bits a channel',
            found=f'{image.dtype} in {path}',
            remedy='save it with 8 bits: how its values map to them is not for a reader to guess',
        )
    return image


def write_image(image: Image.Image, path: str | os.PathLike, kind: str, **options) -> None:
    """Write an image, whole or not at all.

    It is encoded in memory: given a file on a disk that fills up, Pillow leaves a part of the picture, and no word.

    Args:
        image (Image.Image): The image.
        path (str | os.PathLike): The file.
        kind (str): One of Pillow's formats.
        **options: Of that format.

    Raises:
        OSError: What the system refuses, with the name of the file.
    """
    encoded = io.BytesIO()
    image.save(encoded, kind, **options)
    write_bytes_atomically(path, encoded.getvalue())


@contextmanager
def _without_a_word() -> Iterator[None]:
    """Keep OpenCV from writing to the terminal what the one error says."""
    # Threads decode at once: the level of before is not what the last of them found.
    _LOGGING.setLogLevel(_SILENT)
    try:
        yield
    finally:
        _LOGGING.setLogLevel(_LOG_LEVEL)


def _bytes_of(path: str | os.PathLike) -> bytes:
    try:
        return read_regular_file(path, _MAX_BYTES)
    except FileNotFoundError as error:
        raise UserError(
            'An image is missing.', looked_for=path, remedy='check data_root and that the data set is complete'
        ) from error
    except (OSError, ValueError) as error:
        raise UserError('An image cannot be read.', found=f'{path}: {error}') from error


def _look_at_header(data: bytes, path: str | os.PathLike, max_pixels: int) -> None:
    if data.startswith(_PNG) and not _is_whole_png(data):
        raise _undecodable(path)
    size = _size_of_jpeg(data)
    if size is not None:
        if size[0] * size[1] > max_pixels:
            raise _too_large(path, f'{size[0]:,} x {size[1]:,} pixels', max_pixels)
        return
    try:
        image = Image.open(io.BytesIO(data))
    except Image.DecompressionBombError as error:
        if max_pixels > 2 * (Image.MAX_IMAGE_PIXELS or 0):
            return  # whoever asks for more than Pillow opens is left to OpenCV and its limit
        raise _too_large(path, error, max_pixels) from error
    if image.width * image.height > max_pixels:
        raise _too_large(path, f'{image.width:,} x {image.height:,} pixels', max_pixels)
    if image.mode in ('RGBA', 'LA', 'PA') or 'transparency' in image.info:
        lowest, _ = image.convert('RGBA').getchannel('A').getextrema()
        if lowest < 255:
            raise UserError(
                'An image has transparent pixels, whose colour nobody knows.',
                found=path,
                remedy='save it without an alpha channel',
            )


def _is_whole_png(data: bytes) -> bool:
    """Whether the chunks fit into the file: OpenCV takes as much memory as a chunk claims to have."""
    at = len(_PNG)
    while at + 12 <= len(data):
        if data[at + 4 : at + 8] == b'IEND':
            return True
        at += 12 + int.from_bytes(data[at : at + 4])
    return False


def _size_of_jpeg(data: bytes) -> tuple[int, int] | None:
    """Width and height of a JPEG file, which has 8 bits and no transparency; ten times as fast as Pillow tells it."""
    at = 2 if data[:2] == b'\xff\xd8' else len(data)
    while at + 9 <= len(data) and data[at] == 0xFF:
        if 0xC0 <= data[at + 1] <= 0xCF and data[at + 1] not in (0xC4, 0xC8, 0xCC):  # the header of a frame
            return int.from_bytes(data[at + 7 : at + 9]), int.from_bytes(data[at + 5 : at + 7])
        at += 2 + int.from_bytes(data[at + 2 : at + 4])
    return None


def _too_large(path: str | os.PathLike, found: object, max_pixels: int) -> UserError:
    return UserError(
        'An image has too many pixels.',
        looked_for=f'at most {max_pixels:,} (max_pixels of LoadImage)',
        found=f'{path}: {found}',
        remedy='cut it into tiles, or raise the limit',
    )


def _undecodable(path: str | os.PathLike) -> UserError:
    return UserError(
        'An image cannot be decoded.',
        looked_for='a complete image file',
        found=path,
        remedy='it is truncated, no image, or of a kind that OpenCV does not read as colours of 8 bits, such as a TIFF '
        'of floating-point numbers: fetch it again, or convert it to PNG',
    )
