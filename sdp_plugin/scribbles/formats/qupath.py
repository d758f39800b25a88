"""QuPath's GeoJSON: annotations of a slide as ``LineString`` and ``MultiLineString`` features.

https://qupath.readthedocs.io (exporting annotations). Coordinates are pixels of the full-resolution image, counted from
its corner. The file names neither the image nor its size.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.records import Record, as_record
from sdp_plugin.scribbles.formats.reading import (
    ImageAnnotation,
    check_numbers,
    class_index_of,
    make_scribble_set,
    make_stroke,
    read_json,
    report_left_out,
    stem,
)
from sdp_plugin.scribbles.formats.scribblesup import TAG_ALIASES
from sdp_plugin.scribbles.tile_places import TilePlace

# How deep the points of one polyline lie in a geometry's coordinates; a point is a polyline of one.
_LINES = {
    'LineString': lambda coordinates: [coordinates],
    'MultiLineString': lambda coordinates: coordinates,
    'Point': lambda coordinates: [[coordinates]],
    'MultiPoint': lambda coordinates: [[point] for point in coordinates],
}
_CORNER = 0.5
# Pixels outside of a tile from which a stroke still reaches into it, by its width.
_NEAR = 20


def read_qupath(
    path: str | os.PathLike,
    class_names: Sequence[str],
    image_size: tuple[int, int],
    unknown_tag: str = 'error',
    offset: tuple[float, float] = (0, 0),
    scale: float = 1,
) -> ImageAnnotation:
    """Read a GeoJSON that QuPath exported.

    Args:
        path (str | os.PathLike): A ``FeatureCollection``, a list of features, or one feature.
        class_names (Sequence[str]): Classification names in the order of class indices.
        image_size (tuple[int, int]): Width and height in pixels of the image or tile.
        unknown_tag (str): ``error``, or ``skip`` to leave out strokes of other or of no classification.
        offset (tuple[float, float]): x and y of the tile's upper left corner in the slide, in full-resolution pixels.
        scale (float): Pixels of the tile for each full-resolution pixel: 0.25 for a tile at a downsample of 4.

    Returns:
        ImageAnnotation: Lines, and points as dots, in the file's order; also those outside the tile, which drawing
        clips. Areas are left out and counted.

    Raises:
        UserError: Naming the file, if it is no GeoJSON, holds a stroke of unknown or without classification, a
            coordinate that is not a number, or areas only.
    """
    path = Path(path)
    if not 0 < scale < 1e6:
        raise UserError('the scale of a tile is not a positive factor', found=scale)
    classes = {name: index for index, name in enumerate(class_names)}
    strokes, left_out = [], Counter()
    for feature in read_features(path):
        geometry = feature.geometry or {}
        kind = geometry.get('type')
        if not isinstance(kind, str) or kind not in _LINES:
            left_out[f'{kind} feature(s)'] += 1
            continue
        class_index = class_index_of(path, _classification(feature), classes, unknown_tag, TAG_ALIASES)
        if class_index is None:
            left_out['stroke(s) of unknown class'] += 1
            continue
        try:
            check_numbers(geometry.get('coordinates'))
            lines = [
                (np.asarray(line, dtype=np.float64)[:, :2] - offset) * scale - _CORNER
                for line in _LINES[kind](geometry.get('coordinates'))
            ]
        except (TypeError, ValueError, IndexError, OverflowError):
            raise UserError(
                f'{path} holds a {kind} whose coordinates are no list of positions',
                found=repr(geometry.get('coordinates'))[:80],
            ) from None
        strokes += [make_stroke(path, line, class_index) for line in lines]
    scribbles = make_scribble_set(path, strokes, *image_size)
    return ImageAnnotation(stem(path.name), scribbles, report_left_out(path, len(strokes), left_out))


def read_qupath_tiles(
    path: str | os.PathLike, class_names: Sequence[str], places: Sequence[TilePlace], unknown_tag: str = 'error'
) -> list[ImageAnnotation]:
    """The strokes on a slide, dealt to the tiles that were cut from it.

    Args:
        path (str | os.PathLike): As of :func:`read_qupath`.
        class_names (Sequence[str]): Likewise.
        places (Sequence[TilePlace]): The tiles.
        unknown_tag (str): As of :func:`read_qupath`.

    Returns:
        list[ImageAnnotation]: One for each tile that a stroke comes near, with these strokes alone.

    Raises:
        UserError: What :func:`read_qupath` raises, and if no stroke comes near a tile.
    """
    whole = read_qupath(path, class_names, (1, 1), unknown_tag)
    found = []
    for place in places:
        scale = np.array([place.columns / place.width, place.rows / place.height])
        far = np.array([place.columns, place.rows]) + _NEAR
        strokes = [
            replace(stroke, points=(stroke.points + _CORNER - (place.x, place.y)) * scale - _CORNER)
            for stroke in whole.drawn.strokes
        ]
        near = [s for s in strokes if (s.points.min(axis=0) < far).all() and (s.points.max(axis=0) > -_NEAR).all()]
        if near:
            scribbles = make_scribble_set(path, near, place.columns, place.rows)
            found.append(ImageAnnotation(place.image_id, scribbles, () if found else whole.left_out))
    if not found:
        raise UserError(f'{path} holds no stroke on any of these tiles', remedy='name the tiles of this very slide')
    return found


class Feature(Record):
    """What QuPath exports of an object.

    Args:
        type (str): ``'Feature'``.
        geometry (dict | None): Of GeoJSON: ``type`` and ``coordinates``, which whoever reads them looks into.
        properties (dict | None): The class among them.
    """

    type: Literal['Feature']
    geometry: dict[str, Any] | None = None
    properties: dict[str, Any] | None = None


def read_features(path: str | os.PathLike) -> list[Feature]:
    """The features of a GeoJSON as QuPath exports it: a ``FeatureCollection``, a list of features, or one feature.

    Raises:
        UserError: Naming the file, if it cannot be read, is larger than an annotation may be, or is no such GeoJSON.
    """
    content = read_json(path)
    if isinstance(content, dict):
        content = content.get('features', [content])
    return as_record(list[Feature], content, f'The GeoJSON {path}')


def _classification(feature: Feature) -> str:
    classification = (feature.properties or {}).get('classification')
    # Derived classes are listed from the base class outwards, as in "Tumor: Positive".
    if isinstance(classification, dict) and isinstance(classification.get('names'), list):
        return ': '.join(map(str, classification['names']))
    name = classification.get('name') if isinstance(classification, dict) else classification
    return '' if name is None else str(name)
