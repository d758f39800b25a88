"""File formats of scribbles: one module a format, and the table that tools choose from."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.formats.cvat import read_cvat
from sdp_plugin.scribbles.formats.index_png import read_index_png, write_index_png
from sdp_plugin.scribbles.formats.label_studio import read_label_studio
from sdp_plugin.scribbles.formats.labelme import read_labelme, write_labelme
from sdp_plugin.scribbles.formats.qupath import read_qupath, read_qupath_tiles
from sdp_plugin.scribbles.formats.reading import ImageAnnotation
from sdp_plugin.scribbles.formats.scribblesup import VOC_TAGS, read_scribblesup_annotation, write_scribblesup
from sdp_plugin.scribbles.rasterise import rasterise
from sdp_plugin.scribbles.strokes import ScribbleSet
from sdp_plugin.scribbles.tile_places import TilePlace


@dataclass(frozen=True)
class FormatOptions:
    """What formats need to know beyond their files; each takes what concerns it.

    Args:
        class_names (Sequence[str]): Names in the order of class indices.
        unknown_tag (str): ``error`` or ``skip``.
        file_ignore_index (int): Value of unlabelled pixels in index PNGs that are read or written.
        image_size (Callable[[str], tuple[int, int]] | None): Width and height by image id, for formats that do not
            say.
        offset (tuple[float, float]): Of a tile in its slide, in full-resolution pixels.
        scale (float): Tile pixels for each full-resolution pixel.
        tiles (Sequence[TilePlace]): The tiles of a slide, instead of one tile's offset and scale.
        line_width (float): For drawing strokes into index PNGs.
        mode (str): For drawing strokes into index PNGs.
    """

    class_names: Sequence[str] = VOC_TAGS
    unknown_tag: str = 'error'
    file_ignore_index: int = 255
    image_size: Callable[[str], tuple[int, int]] | None = None
    offset: tuple[float, float] = (0, 0)
    scale: float = 1
    tiles: Sequence[TilePlace] = ()
    line_width: float = 3
    mode: str = 'distance'


@dataclass(frozen=True)
class Format:
    """One file format.

    Args:
        suffix (str): Of its files.
        describes (str): What it is, for ``--help``.
        read (Callable): (path, options) to a list of :class:`ImageAnnotation`.
        write (Callable | None): (path, annotation, options), where it can be written. Returns what it cannot carry.
        raster (bool): Whether it holds pixels and not strokes.
    """

    suffix: str
    describes: str
    read: Callable[[Path, FormatOptions], list[ImageAnnotation]]
    write: Callable[[Path, ImageAnnotation, FormatOptions], tuple[str, ...]] | None = None
    raster: bool = False


def _read_scribblesup(path: Path, options: FormatOptions) -> list[ImageAnnotation]:
    return [read_scribblesup_annotation(path, options.class_names, options.unknown_tag)]


def _read_index_png(path: Path, options: FormatOptions) -> list[ImageAnnotation]:
    return [ImageAnnotation(path.stem, read_index_png(path, options.file_ignore_index))]


def _read_labelme(path: Path, options: FormatOptions) -> list[ImageAnnotation]:
    return [read_labelme(path, options.class_names, options.unknown_tag)]


def _read_qupath(path: Path, options: FormatOptions) -> list[ImageAnnotation]:
    if options.tiles:
        return read_qupath_tiles(path, options.class_names, options.tiles, options.unknown_tag)
    if options.image_size is None:
        raise UserError(
            f'{path} does not say the size of its image',
            remedy='name the folder of the images (--images FOLDER), or the table of tiles (--tiles FILE)',
        )
    size = options.image_size(path.stem)
    return [read_qupath(path, options.class_names, size, options.unknown_tag, options.offset, options.scale)]


def _read_many(read: Callable, path: Path, options: FormatOptions) -> list[ImageAnnotation]:
    return read(path, options.class_names, options.unknown_tag)


def _write_scribblesup(path: Path, annotation: ImageAnnotation, options: FormatOptions) -> tuple[str, ...]:
    scribbles = _strokes_of(path, annotation)
    write_scribblesup(path, scribbles, options.class_names)
    widths = sum(stroke.width is not None for stroke in scribbles.strokes)
    return (f'the width(s) of {widths} stroke(s)',) if widths else ()


def _write_labelme(path: Path, annotation: ImageAnnotation, options: FormatOptions) -> tuple[str, ...]:
    write_labelme(path, _strokes_of(path, annotation), options.class_names)
    return ()


def _write_index_png(path: Path, annotation: ImageAnnotation, options: FormatOptions) -> tuple[str, ...]:
    mask = annotation.drawn
    if isinstance(mask, ScribbleSet):
        mask = rasterise(mask, options.line_width, options.mode)
    write_index_png(path, mask, file_ignore_index=options.file_ignore_index)
    return ('the order and shape of the strokes',) if isinstance(annotation.drawn, ScribbleSet) else ()


def _strokes_of(path: Path, annotation: ImageAnnotation) -> ScribbleSet:
    if isinstance(annotation.drawn, np.ndarray):
        raise UserError(
            f'{path} cannot be written: pixels have no strokes', remedy='convert to the format index_png instead'
        )
    return annotation.drawn


FORMATS: dict[str, Format] = {
    'scribblesup': Format('.xml', 'ScribbleSup XML, one file an image', _read_scribblesup, _write_scribblesup),
    'index_png': Format('.png', 'index PNG, one value for unlabelled', _read_index_png, _write_index_png, raster=True),
    'labelme': Format('.json', 'labelme JSON: linestrip, line, point', _read_labelme, _write_labelme),
    'cvat': Format('.xml', 'CVAT for images 1.1, one file a task', partial(_read_many, read_cvat)),
    'qupath': Format('.geojson', 'QuPath GeoJSON: LineString, MultiLineString', _read_qupath),
    'label_studio': Format('.json', 'Label Studio JSON, brush', partial(_read_many, read_label_studio), raster=True),
}
