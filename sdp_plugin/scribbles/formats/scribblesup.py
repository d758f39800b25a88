"""ScribbleSup's XML: one file an image, one ``polygon`` (an open polyline, despite its name) a stroke.

Lin, Dai, Jia, He, Sun: ScribbleSup: scribble-supervised convolutional networks for semantic segmentation, CVPR 2016.
Coordinates are 0-based pixels, X the column. The format carries no stroke widths.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree.ElementTree import Element
from xml.sax.saxutils import escape

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.files import write_text_atomically
from sdp_plugin.records import number
from sdp_plugin.scribbles.formats.reading import (
    ImageAnnotation,
    class_index_of,
    make_scribble_set,
    make_stroke,
    parse_xml,
    read_bytes,
)
from sdp_plugin.scribbles.strokes import ScribbleSet

# In the order of VOC's class indices, background = 0.
VOC_TAGS = (
    'background', 'plane', 'bike', 'bird', 'boat', 'bottle', 'bus', 'car', 'cat', 'chair', 'cow', 'table', 'dog',
    'horse', 'motorbike', 'person', 'plant', 'sheep', 'sofa', 'train', 'monitor',
)  # fmt: skip
# The classes that the 59-class PASCAL-Context benchmark (Mottaghi et al., CVPR 2014) adds to VOC's.
CONTEXT_ONLY_TAGS = (
    'bag', 'bed', 'bedclothes', 'bench', 'book', 'building', 'cabinet', 'ceiling', 'cloth', 'computer', 'cup',
    'curtain', 'door', 'fence', 'floor', 'flower', 'food', 'grass', 'ground', 'keyboard', 'light', 'mountain', 'mouse',
    'plate', 'platform', 'road', 'rock', 'shelves', 'sidewalk', 'sign', 'sky', 'snow', 'track', 'tree', 'truck',
    'wall', 'water', 'window', 'wood',
)  # fmt: skip
CONTEXT_TAGS = VOC_TAGS + CONTEXT_ONLY_TAGS
# ScribbleSup's tags and VOC's own class names, either way: a data set's METAINFO['classes'] serves as class names.
_VOC_NAMES = {
    'plane': 'aeroplane', 'bike': 'bicycle', 'table': 'diningtable', 'plant': 'pottedplant', 'monitor': 'tvmonitor',
}  # fmt: skip
TAG_ALIASES = _VOC_NAMES | {name: tag for tag, name in _VOC_NAMES.items()}

# A file as ScribbleSup and `write_scribblesup` write it. Such files are a regular language, and matching it takes a
# fifth of the time of building defusedxml's tree, which is more than decoding the JPEG takes. Whatever does not match
# (comments, CDATA, attributes, entities, another order, any fault) goes to the XML parser, which has the last word.
_NUMBER = rb'\s*+-?[0-9]++(?:\.[0-9]++)?\s*+'
_TEXT = rb'[^<&]*+'
_HEAD = re.compile(
    rb'\s*+<annotation>(?:\s*+<(folder|filename|segmented)>' + _TEXT + rb'</\1>)*+'
    rb'\s*+<size>\s*+<width>\s*+(\d{1,9})\s*+</width>\s*+<height>\s*+(\d{1,9})\s*+</height>'
    rb'(?:\s*+<depth>' + _TEXT + rb'</depth>)?+\s*+</size>'
    rb'(?:\s*+<segmented>' + _TEXT + rb'</segmented>)?+\s*+'
)
_POLYGON = re.compile(
    rb'<polygon>\s*+<tag>(' + _TEXT + rb')</tag>'
    rb'((?:\s*+<point>\s*+<X>' + _NUMBER + rb'</X>\s*+<Y>' + _NUMBER + rb'</Y>\s*+</point>)++)'
    rb'\s*+</polygon>\s*+'
)
_TAIL = re.compile(rb'</annotation>\s*+\Z')
_MARKUP_TO_SPACES = bytes.maketrans(b'<>/pointXY', b' ' * 10)

_Content = tuple[int, int, list[tuple[str, np.ndarray]]]


def read_scribblesup(
    path: str | os.PathLike, class_names: Sequence[str] = VOC_TAGS, unknown_tag: str = 'error'
) -> ScribbleSet:
    """Read a ScribbleSup file.

    Args:
        path (str | os.PathLike): The XML file.
        class_names (Sequence[str]): Tags in the order of class indices. VOC's own names ('aeroplane') stand for
            ScribbleSup's ('plane') and the other way round.
        unknown_tag (str): ``error``, or ``skip`` to leave out strokes of tags that are not among the class names.

    Returns:
        ScribbleSet: The strokes in the file's order; points as they stand in the file, also outside the image.
        A ``polygon`` without points is nothing drawn and left out.

    Raises:
        UserError: Naming the file, if it is missing, empty, no well-formed XML, declares a document type (entity
            bombs start there), lacks the image's size, or holds an unknown tag or a coordinate that is not a number.
    """
    return read_scribblesup_annotation(path, class_names, unknown_tag).drawn


def read_scribblesup_annotation(
    path: str | os.PathLike, class_names: Sequence[str] = VOC_TAGS, unknown_tag: str = 'error'
) -> ImageAnnotation:
    """As :func:`read_scribblesup`, with the image's id, which is the file's name, and what was left out."""
    path = Path(path)
    data = read_bytes(path)
    width, height, polygons = _match_usual_layout(data) or _parse_any_layout(path, data)
    classes = {name: index for index, name in enumerate(class_names)}
    indices = [class_index_of(path, tag, classes, unknown_tag, TAG_ALIASES) for tag, _ in polygons]
    strokes = [
        make_stroke(path, points, index)
        for (_, points), index in zip(polygons, indices, strict=True)
        if index is not None
    ]
    skipped = len(polygons) - len(strokes)
    left_out = (f'{skipped} stroke(s) of unknown class',) if skipped else ()
    return ImageAnnotation(path.stem, make_scribble_set(path, strokes, width, height), left_out)


def _match_usual_layout(data: bytes) -> _Content | None:
    head = _HEAD.match(data)
    if head is None or not data.isascii():
        return None
    end = head.end()
    polygons = []
    while polygon := _POLYGON.match(data, end):
        tag, points = polygon.groups()
        numbers = [float(number) for number in points.translate(_MARKUP_TO_SPACES).split()]
        polygons.append((tag.decode('ascii').strip(), np.array(numbers).reshape(-1, 2)))
        end = polygon.end()
    if _TAIL.match(data, end) is None:
        return None
    return int(head[2]), int(head[3]), polygons


def _parse_any_layout(path: Path, data: bytes) -> _Content:
    root = parse_xml(path, data)
    if root.tag != 'annotation':
        raise UserError(f'{path} is no ScribbleSup file', looked_for='<annotation>', found=f'<{root.tag}>')
    width, height = (_image_side(path, root, side) for side in ('width', 'height'))
    polygons = [(polygon, list(_points(path, polygon))) for polygon in root.iter('polygon')]
    return width, height, [(_tag(path, polygon), np.array(points)) for polygon, points in polygons if points]


def _image_side(path: Path, root: Element, side: str) -> int:
    text = (root.findtext(f'size/{side}') or '').strip()
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise UserError(
            f'{path} does not say the size of its image',
            looked_for=f'<size> with <{side}> as a whole number',
            found=repr(text[:40]) if text else 'nothing',
        )
    return int(text)


def _tag(path: Path, polygon: Element) -> str:
    tag = (polygon.findtext('tag') or '').strip()
    if not tag:
        raise UserError(f'{path} holds a stroke without a class', looked_for='<tag> in each <polygon>')
    return tag


def _points(path: Path, polygon: Element) -> Iterator[tuple[float, float]]:
    for point in polygon.iter('point'):
        x, y = point.findtext('X'), point.findtext('Y')
        try:
            yield number(float, x or ''), number(float, y or '')
        except ValueError:
            raise UserError(
                f'{path} holds a point that is not two numbers',
                looked_for='<X> and <Y>',
                found=f'{str(x)[:40]!r}, {str(y)[:40]!r}',
            ) from None


def write_scribblesup(path: str | os.PathLike, scribbles: ScribbleSet, class_names: Sequence[str] = VOC_TAGS) -> None:
    """Write a ScribbleSup file, whole or not at all.

    Args:
        path (str | os.PathLike): The XML file.
        scribbles (ScribbleSet): The strokes.
        class_names (Sequence[str]): Tags in the order of class indices.

    Raises:
        UserError: If a stroke's class has no name.
    """
    write_text_atomically(path, scribblesup_text(Path(path).stem, scribbles, class_names))


def scribblesup_text(image_id: str, scribbles: ScribbleSet, class_names: Sequence[str] = VOC_TAGS) -> str:
    """Strokes in ScribbleSup's XML.

    Coordinates keep three decimals; whole numbers are written as such, which is all that ScribbleSup's own files hold.
    Stroke widths are not written: the format has no place for them.

    Args:
        image_id (str): The image's file name without suffix.
        scribbles (ScribbleSet): The strokes.
        class_names (Sequence[str]): Tags in the order of class indices.

    Raises:
        UserError: If a stroke's class has no name.
    """
    lines = [
        '<annotation>',
        '\t<folder>anno</folder>',
        f'\t<filename>{escape(image_id)}.png</filename>',
        '\t<size>',
        f'\t\t<width>{scribbles.width}</width>',
        f'\t\t<height>{scribbles.height}</height>',
        '\t\t<depth>3</depth>',
        '\t</size>',
        '\t<segmented>1</segmented>',
    ]
    for stroke in scribbles.strokes:
        if stroke.class_index >= len(class_names):
            raise UserError(
                f'{image_id}: a stroke of class {stroke.class_index} has no tag',
                looked_for=f'0 to {len(class_names) - 1}',
                remedy='pass the class names of the data set',
            )
        lines += ['\t<polygon>', f'\t\t<tag>{escape(class_names[stroke.class_index])}</tag>']
        for x, y in stroke.points.tolist():
            lines += ['\t\t<point>', f'\t\t\t<X>{_decimal(x)}</X>', f'\t\t\t<Y>{_decimal(y)}</Y>', '\t\t</point>']
        lines.append('\t</polygon>')
    lines.append('</annotation>')
    return '\n'.join(lines) + '\n'


def _decimal(value: float) -> str:
    text = f'{value:.3f}'.rstrip('0').rstrip('.')
    return '0' if text == '-0' else text
