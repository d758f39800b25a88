"""CVAT for images 1.1: one XML file for all images of a task.

https://docs.cvat.ai/docs/other/xml_format. Coordinates count from the image's corner, with two decimals.
"""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from xml.etree.ElementTree import Element

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.records import number
from sdp_plugin.scribbles.formats.reading import (
    ImageAnnotation,
    class_index_of,
    make_scribble_set,
    make_stroke,
    parse_xml,
    read_bytes,
    stem,
    whole_number,
)
from sdp_plugin.scribbles.formats.scribblesup import TAG_ALIASES

_AREAS = ('box', 'polygon', 'mask', 'ellipse', 'cuboid', 'skeleton')
_CORNER = 0.5


def read_cvat(path: str | os.PathLike, class_names: Sequence[str], unknown_tag: str = 'error') -> list[ImageAnnotation]:
    """Read an export in the format "CVAT for images 1.1".

    Args:
        path (str | os.PathLike): ``annotations.xml``.
        class_names (Sequence[str]): Labels in the order of class indices.
        unknown_tag (str): ``error``, or ``skip`` to leave out strokes of other labels.

    Returns:
        list[ImageAnnotation]: One for each image, also for those without a stroke. Polylines, and every point of a
        ``points`` shape as a dot, in the order of ``z_order`` and then of the file. Areas are left out and counted.

    Raises:
        UserError: Naming the file, if it is no such XML, does not say an image's size, holds an unknown label or a
            coordinate that is not a number, or holds areas only.
    """
    path = Path(path)
    root = parse_xml(path, read_bytes(path))
    if root.tag != 'annotations' or (root.find('image') is None and root.find('track') is None):
        raise UserError(f'{path} is no CVAT file', looked_for='<annotations> with <image> elements')
    if root.find('track') is not None:
        raise UserError(
            f'{path} is an export of video tracks', remedy='export the task as "CVAT for images 1.1" instead'
        )
    classes = {name: index for index, name in enumerate(class_names)}
    annotations = [_read_image(path, image, classes, unknown_tag) for image in root.iter('image')]
    if any(annotation.left_out for annotation in annotations) and not any(
        annotation.drawn.strokes for annotation in annotations
    ):
        raise UserError(
            f'{path} holds no strokes',
            looked_for='<polyline> or <points>',
            found=', '.join(sorted({words for annotation in annotations for words in annotation.left_out})),
        )
    return annotations


def _read_image(path: Path, image: Element, classes: dict[str, int], unknown_tag: str) -> ImageAnnotation:
    name = image.get('name') or ''
    strokes, left_out = [], Counter()
    for shape in sorted(image, key=lambda shape: _z_order(path, shape)):
        if shape.tag in _AREAS:
            left_out[f'{shape.tag} shape(s)'] += 1
        if shape.tag not in ('polyline', 'points'):
            continue
        class_index = class_index_of(path, shape.get('label') or '', classes, unknown_tag, TAG_ALIASES)
        if class_index is None:
            left_out['stroke(s) of unknown class'] += 1
            continue
        points = _coordinates(path, name, shape) - _CORNER
        lines = [points] if shape.tag == 'polyline' else points[:, None]
        strokes += [make_stroke(path, line, class_index) for line in lines]
    scribbles = make_scribble_set(
        path,
        strokes,
        whole_number(path, f'width of image {name!r}', image.get('width')),
        whole_number(path, f'height of image {name!r}', image.get('height')),
    )
    return ImageAnnotation(stem(name), scribbles, tuple(f'{n} {kind}' for kind, n in sorted(left_out.items())))


def _z_order(path: Path, shape: Element) -> int:
    try:
        return number(int, shape.get('z_order', '0'))
    except ValueError:
        raise UserError(f'{path} holds a z_order that is no number', found=shape.get('z_order')[:40]) from None


def _coordinates(path: Path, name: str, shape: Element) -> np.ndarray:
    text = shape.get('points') or ''
    try:
        return np.array([[number(float, part) for part in point.split(',')] for point in text.split(';')]).reshape(
            -1, 2
        )
    except ValueError:
        raise UserError(
            f'{path} holds a {shape.tag} on image {name!r} whose points are no pairs of numbers',
            looked_for='x,y;x,y;...',
            found=repr(text[:40]),
        ) from None
