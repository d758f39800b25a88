"""Whole slides and plain images: their resolution, their levels, and regions of them at any scale.

All positions are pixels of level 0, the full resolution, counted from the upper left corner of the slide.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Protocol

import numpy as np
from defusedxml import ElementTree
from PIL import Image

from sdp_plugin.catalogue.tile_folder import IMAGE_SUFFIXES
from sdp_plugin.errors import UserError

# Outside of this no microscope scans; 72 dots an inch, which programs write unasked, would be 353.
LEAST_MPP, GREATEST_MPP = Fraction(1, 50), Fraction(50)
# A level may be this much coarser than what is asked for: 4 for 3.98.
TOLERATED_COARSER = Fraction(101, 100)
# A plain image is held in memory whole.
MAX_PIXELS_OF_PLAIN_IMAGES = 2**28
OVERVIEW_BLOCK = 1024
_MICROMETRES = {'µm': 1, 'μm': 1, 'um': 1, 'nm': Fraction(1, 1000), 'mm': 1000, 'cm': 10_000, 'm': 1_000_000}
_SIZE_OF_FINGERPRINT = 2**16


@dataclass(frozen=True)
class Level:
    """One resolution of a pyramid.

    Args:
        number (int): 0 is the finest.
        width (int): Pixels.
        height (int): Pixels.
        downsample (tuple[Fraction, Fraction]): Pixels of level 0 for each of its own, in x and y.
    """

    number: int
    width: int
    height: int
    downsample: tuple[Fraction, Fraction]


class Pixels(Protocol):
    """Where the pixels of a slide come from."""

    sizes: list[tuple[int, int]]

    def read(self, level: int, x: int, y: int, width: int, height: int) -> Image.Image:
        """A region that lies within a level, in that level's pixels: RGB."""

    def close(self) -> None:
        """Release the file."""


class Slide:
    """A slide, read region by region; several threads may read at once.

    Args:
        path (Path): The file.
        pixels (Pixels): Its pixels.
        mpp (tuple[Fraction, Fraction]): Micrometres a pixel of level 0, in x and y.
    """

    def __init__(self, path: Path, pixels: Pixels, mpp: tuple[Fraction, Fraction]) -> None:
        self.path = path
        self.mpp = mpp
        self._pixels = pixels
        self.width, self.height = pixels.sizes[0]
        self.levels = [
            Level(number, *size, (_downsample(self.width, size[0]), _downsample(self.height, size[1])))
            for number, size in enumerate(pixels.sizes)
        ]

    def __enter__(self) -> Slide:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._pixels.close()

    def level_for(self, scale: Fraction) -> Level:
        """The coarsest level that is as fine as so many pixels of level 0 for each pixel wanted; else level 0."""
        fine_enough = [level for level in self.levels if max(level.downsample) <= scale * TOLERATED_COARSER]
        return max(fine_enough, key=lambda level: max(level.downsample), default=self.levels[0])

    def read(self, x: int, y: int, width: int, height: int, size: tuple[int, int]) -> np.ndarray:
        """A region, resampled with antialiasing (a triangle filter) from the level that is next finer.

        Args:
            x (int): Left edge; may be outside the slide, where all is white.
            y (int): Upper edge.
            width (int): In pixels of level 0.
            height (int): In pixels of level 0.
            size (tuple[int, int]): Width and height of the result.

        Returns:
            np.ndarray: (H, W, 3) uint8, RGB.

        Raises:
            UserError: If the file is damaged there.
        """
        level = self.level_for(min(Fraction(width, size[0]), Fraction(height, size[1])))
        left, top = x / level.downsample[0], y / level.downsample[1]
        right, bottom = left + width / level.downsample[0], top + height / level.downsample[1]
        # The least rectangle of whole pixels around the region; what of it lies in the level is read.
        x0, y0, x1, y1 = left // 1, top // 1, -(-right // 1), -(-bottom // 1)
        inner = max(x0, 0), max(y0, 0), min(x1, level.width), min(y1, level.height)
        region = Image.new('RGB', (x1 - x0, y1 - y0), 'white')
        if inner[0] < inner[2] and inner[1] < inner[3]:
            try:
                part = self._pixels.read(level.number, *inner[:2], inner[2] - inner[0], inner[3] - inner[1])
            except (OSError, RuntimeError, ValueError) as error:
                raise UserError(
                    f'{self.path} cannot be read at x={x}, y={y}.',
                    found=_first_line(error),
                    remedy='the file is damaged: copy it again from where it was scanned',
                ) from error
            region = part if part.size == region.size else _pasted(region, part, (inner[0] - x0, inner[1] - y0))
        box = tuple(float(value) for value in (left - x0, top - y0, right - x0, bottom - y0))
        if region.size != size or box != (0, 0, *size):
            region = region.resize(size, Image.Resampling.BILINEAR, box=box)
        return np.asarray(region)

    def overview(self, scale: int, over: Callable[[Sequence], Iterable] = iter) -> np.ndarray:
        """The whole slide, each pixel the mean of about ``scale`` x ``scale`` pixels of level 0.

        It is read block by block, so that a slide of one level needs no more memory than the result.

        Args:
            scale (int): Pixels of level 0 for each of the result.
            over (Callable): Goes over a list of blocks, and may tell how far it is.

        Returns:
            np.ndarray: (ceil(height / scale), ceil(width / scale), 3) uint8, RGB. Pixel (i, j) begins at
            (j * scale, i * scale) of level 0.
        """
        shape = -(-self.height // scale), -(-self.width // scale)
        picture = np.empty((*shape, 3), np.uint8)
        # Blocks of about as many pixels at the level that is read, whatever the scale.
        block = max(1, int(OVERVIEW_BLOCK * max(self.level_for(Fraction(scale)).downsample)) // scale)
        for i, j in over([(i, j) for i in range(0, shape[0], block) for j in range(0, shape[1], block)]):
            h, w = min(block, shape[0] - i), min(block, shape[1] - j)
            picture[i : i + h, j : j + w] = self.read(j * scale, i * scale, w * scale, h * scale, (w, h))
        return picture

    def fingerprint(self) -> str:
        """What tells this file from another: a hash of its length, its beginning and its end."""
        size = self.path.stat().st_size
        digest = hashlib.sha256(str(size).encode())
        with self.path.open('rb') as file:
            digest.update(file.read(_SIZE_OF_FINGERPRINT))
            file.seek(max(0, size - _SIZE_OF_FINGERPRINT))
            digest.update(file.read())
        return digest.hexdigest()


class _OpenSlidePixels:
    def __init__(self, handle: object) -> None:
        self.handle = handle
        self.sizes = list(handle.level_dimensions)
        self.downsamples = handle.level_downsamples

    def read(self, level: int, x: int, y: int, width: int, height: int) -> Image.Image:
        # OpenSlide takes the corner in pixels of level 0, and divides by a downsample of its own.
        corner = round(x * self.downsamples[level]), round(y * self.downsamples[level])
        try:
            region = self.handle.read_region(corner, level, (width, height))
        except _openslide().OpenSlideError as error:
            raise OSError(str(error)) from error
        if region.getchannel('A').getextrema()[0] == 255:
            return region.convert('RGB')
        # Nothing was scanned there, as between the parts of an MRXS slide.
        return Image.alpha_composite(Image.new('RGBA', region.size, 'white'), region).convert('RGB')

    def close(self) -> None:
        self.handle.close()


class _PlainPixels:
    def __init__(self, image: Image.Image) -> None:
        self.image = image
        self.sizes = [image.size]

    def read(self, level: int, x: int, y: int, width: int, height: int) -> Image.Image:
        return self.image.crop((x, y, x + width, y + height))

    def close(self) -> None:
        self.image.close()


def open_slide(path: str | Path, mpp: float | None = None) -> Slide:
    """Open what OpenSlide reads (SVS, NDPI, MRXS, tiled TIFF, DICOM, ...), or a plain image.

    Args:
        path (str | Path): The file.
        mpp (float | None): Micrometres a pixel, instead of what the file says. Plain images need it.

    Raises:
        UserError: If there is no such file, neither library can read it, or its resolution is unknown.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError('There is no such slide.', looked_for=path, found='a folder' if path.is_dir() else 'nothing')
    openslide = _openslide()
    if mpp is not None and not LEAST_MPP <= mpp <= GREATEST_MPP:
        raise UserError(
            f'{mpp} micrometres a pixel is no resolution of a slide.',
            looked_for=f'{float(LEAST_MPP)} to {float(GREATEST_MPP)}',
        )
    given = None if mpp is None else (_fraction(mpp), _fraction(mpp))
    try:
        handle = openslide.OpenSlide(str(path))
    except openslide.OpenSlideError as error:
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise UserError(
                f'{path} is no slide that can be read, or a damaged one.',
                looked_for='a format of OpenSlide, complete',
                found=_first_line(error),
                remedy='copy it again; or export it as a tiled pyramidal TIFF',
            ) from None
        return Slide(path, _PlainPixels(_plain_image(path)), given or _unknown_resolution(path, 'a plain image'))
    try:
        return Slide(path, _OpenSlidePixels(handle), given or _resolution_of(path, handle.properties))
    except BaseException:
        handle.close()
        raise


def _resolution_of(path: Path, properties: dict[str, str]) -> tuple[Fraction, Fraction]:
    said = list(_said_resolutions(properties))
    for x, y in said:
        if LEAST_MPP <= x <= GREATEST_MPP and LEAST_MPP <= y <= GREATEST_MPP:
            return x, y
    power = properties.get('openslide.objective-power')
    found = [f'{float(x):g} x {float(y):g} micrometres, which no slide has' for x, y in said]
    if power:
        found.append(f'an objective of {power}x, from which scanners make different resolutions')
    return _unknown_resolution(path, '; '.join(found) or 'nothing of it')


def _said_resolutions(properties: dict[str, str]) -> Iterator[tuple[Fraction, Fraction]]:
    with suppress(KeyError, ValueError):
        yield _fraction(properties['openslide.mpp-x']), _fraction(properties['openslide.mpp-y'])
    # OME-TIFF says it in XML, in a unit of its choice; OpenSlide opens it as any tiled TIFF.
    description = properties.get('tiff.ImageDescription', '')
    if '<OME' not in description:
        return
    try:
        pixels = next(node for node in ElementTree.fromstring(description).iter() if node.tag.endswith('}Pixels'))
        x, y = (
            _fraction(pixels.attrib[f'PhysicalSize{axis}'])
            * _MICROMETRES[pixels.attrib.get(f'PhysicalSize{axis}Unit', 'µm')]
            for axis in 'XY'
        )
        yield x, y
    except (KeyError, ValueError, StopIteration, ElementTree.ParseError):
        return


def _unknown_resolution(path: Path, found: str) -> tuple[Fraction, Fraction]:
    raise UserError(
        f'The resolution of {path} is unknown.',
        looked_for='micrometres a pixel, in the file',
        found=found,
        remedy='give it with --mpp; at 40x scanners have about 0.25, at 20x about 0.5: the vendor knows',
    )


def _plain_image(path: Path) -> Image.Image:
    try:
        with Image.open(path) as image:
            if image.width * image.height > MAX_PIXELS_OF_PLAIN_IMAGES:
                raise UserError(
                    f'{path} is too large for an image that has no tiles.',
                    looked_for=f'at most {MAX_PIXELS_OF_PLAIN_IMAGES:,} pixels',
                    found=f'{image.width} x {image.height}',
                    remedy='convert it to a tiled pyramidal TIFF, for example with vips tiffsave',
                )
            if 'A' in image.getbands():
                rgba = image.convert('RGBA')
                return Image.alpha_composite(Image.new('RGBA', rgba.size, 'white'), rgba).convert('RGB')
            return image.convert('RGB')
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f'{path} cannot be read as an image.', found=_first_line(error)) from None


def _downsample(of_slide: int, of_level: int) -> Fraction:
    """Pixels of level 0 for each of a level: the whole number that its size comes from by rounding, if there is one."""
    ratio = Fraction(of_slide, of_level)
    whole = round(ratio)
    if whole and of_level in (of_slide // whole, -(-of_slide // whole)):
        return Fraction(whole)
    return ratio


def _pasted(canvas: Image.Image, part: Image.Image, corner: tuple[int, int]) -> Image.Image:
    canvas.paste(part, corner)
    return canvas


def _fraction(value: str | float) -> Fraction:
    """The number that was written, free of what binary floating point makes of it."""
    return Fraction(str(value)).limit_denominator(10**9)


def _openslide() -> object:
    try:
        import openslide
    except ImportError as error:
        raise UserError(
            'Whole slides need OpenSlide.',
            looked_for='openslide-python and openslide-bin',
            found=_first_line(error),
            remedy="pip install '.[slides]'",
        ) from None
    return openslide


def _first_line(error: BaseException) -> str:
    return re.split(r'\n', str(error).strip(), maxsplit=1)[0][:200] or type(error).__name__
