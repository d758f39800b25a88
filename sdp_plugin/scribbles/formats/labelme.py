"""labelme's JSON: one file an image, lines as ``linestrip`` and ``line`` shapes.

https://github.com/wkentaro/labelme, file format 5.x. Its coordinates count from the image's corner, so the centre of
the first pixel is at 0.5, and it is 0 in a :class:`~sdp_plugin.scribbles.strokes.Stroke`.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.files import write_text_atomically
from sdp_plugin.scribbles.formats.reading import (
    ImageAnnotation,
    class_index_of,
    make_scribble_set,
    make_stroke,
    read_json,
    report_left_out,
    stem,
    whole_number,
)
from sdp_plugin.scribbles.formats.scribblesup import TAG_ALIASES
from sdp_plugin.scribbles.strokes import ScribbleSet

_STROKE_SHAPES = ('linestrip', 'line', 'point')
_CORNER = 0.5
# labelme keeps keys that it does not know, so a stroke's own width survives an editing session.
_WIDTH_KEY = 'stroke_width'


def read_labelme(path: str | os.PathLike, class_names: Sequence[str], unknown_tag: str = 'error') -> ImageAnnotation:
    """Read a labelme file.

    Args:
        path (str | os.PathLike): The JSON file.
        class_names (Sequence[str]): Labels in the order of class indices.
        unknown_tag (str): ``error``, or ``skip`` to leave out strokes of other labels.

    Returns:
        ImageAnnotation: ``linestrip``, ``line`` and ``point`` shapes in the file's order. Other shapes are areas;
        they are left out and counted.

    Raises:
        UserError: Naming the file, if it is no labelme JSON, does not say the image's size, holds an unknown label,
            or holds areas only.
    """
    path = Path(path)
    content = read_json(path)
    if not isinstance(content, dict) or not isinstance(content.get('shapes'), list):
        raise UserError(f'{path} is no labelme file', looked_for='an object with a list of "shapes"')
    classes = {name: index for index, name in enumerate(class_names)}
    strokes, left_out = [], Counter()
    for shape in content['shapes']:
        if not isinstance(shape, dict):
            raise UserError(f'{path} holds a shape that is no object', found=repr(shape)[:80])
        kind = shape.get('shape_type', 'polygon')
        if not isinstance(kind, str) or kind not in _STROKE_SHAPES:
            left_out[f'{kind} shape(s)'] += 1
            continue
        class_index = class_index_of(path, str(shape.get('label')), classes, unknown_tag, TAG_ALIASES)
        if class_index is None:
            left_out['stroke(s) of unknown class'] += 1
            continue
        stroke = make_stroke(path, shape.get('points'), class_index, shape.get(_WIDTH_KEY))
        strokes.append(make_stroke(path, stroke.points - _CORNER, class_index, stroke.width))
    scribbles = make_scribble_set(
        path,
        strokes,
        whole_number(path, "image's width as imageWidth", content.get('imageWidth')),
        whole_number(path, "image's height as imageHeight", content.get('imageHeight')),
    )
    image_id = stem(str(content.get('imagePath') or path.name))
    return ImageAnnotation(image_id, scribbles, report_left_out(path, len(strokes), left_out))


def write_labelme(
    path: str | os.PathLike, scribbles: ScribbleSet, class_names: Sequence[str], image_name: str = ''
) -> None:
    """Write a labelme file without image data, whole or not at all.

    Nothing is lost: coordinates are written in full, and a stroke's own width as ``stroke_width``, which labelme keeps
    but does not show.

    Args:
        path (str | os.PathLike): The JSON file.
        scribbles (ScribbleSet): The strokes.
        class_names (Sequence[str]): Labels in the order of class indices.
        image_name (str): The image's file name, relative to the JSON; by default the JSON's own with ``.jpg``.

    Raises:
        UserError: If a stroke's class has no name.
    """
    path = Path(path)
    shapes = []
    for stroke in scribbles.strokes:
        if stroke.class_index >= len(class_names):
            raise UserError(
                f'{path} cannot be written: a stroke of class {stroke.class_index} has no label',
                looked_for=f'0 to {len(class_names) - 1}',
                remedy='pass the class names of the data set',
            )
        shape = {
            'label': class_names[stroke.class_index],
            'points': (stroke.points + _CORNER).tolist(),
            'group_id': None,
            'description': '',
            'shape_type': _shape_type(stroke.points),
            'flags': {},
            'mask': None,
        }
        shapes.append(shape if stroke.width is None else shape | {_WIDTH_KEY: stroke.width})
    content = {
        'version': '5.5.0',
        'flags': {},
        'shapes': shapes,
        'imagePath': image_name or f'{path.stem}.jpg',
        'imageData': None,
        'imageHeight': scribbles.height,
        'imageWidth': scribbles.width,
    }
    write_text_atomically(path, json.dumps(content, indent=2, ensure_ascii=False) + '\n')


def _shape_type(points: np.ndarray) -> str:
    return {1: 'point', 2: 'line'}.get(len(points), 'linestrip')
