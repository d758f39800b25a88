"""What all readers share: every fault in a file becomes one error that names the file."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path, PureWindowsPath
from xml.etree.ElementTree import Element, ParseError

import numpy as np
from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from sdp_plugin import records
from sdp_plugin.errors import UserError
from sdp_plugin.files import read_regular_file
from sdp_plugin.records import limit
from sdp_plugin.scribbles.strokes import ScribbleSet, Stroke

# Far above what people draw (ScribbleSup's files hold some hundred points in 30 kB), far below what exhausts a worker.
MAX_BYTES = limit('SDP_MAX_ANNOTATION_BYTES', 64 * 2**20)
MAX_POINTS = limit('SDP_MAX_ANNOTATION_POINTS', 200_000)
MAX_PIXELS = limit('SDP_MAX_ANNOTATION_PIXELS', 2**28)


@dataclass(frozen=True)
class ImageAnnotation:
    """What an annotation file holds for one image.

    Args:
        image_id (str): The image's file name without folder and suffix.
        drawn (ScribbleSet | np.ndarray): Strokes; or, from raster formats, a uint8 mask of shape (H, W) that is 255
            where nothing was drawn.
        left_out (tuple[str, ...]): What was in the file and is not in ``drawn``, in words.
    """

    image_id: str
    drawn: ScribbleSet | np.ndarray
    left_out: tuple[str, ...] = ()


def read_bytes(path: str | os.PathLike) -> bytes:
    """The content of an annotation file of a sane size.

    Raises:
        UserError: If it does not exist, cannot be read, is empty or too large.
    """
    path = Path(path)
    try:
        content = read_regular_file(path, MAX_BYTES)
    except FileNotFoundError:
        raise UserError(f'{path} does not exist', remedy='check its folder, its name and its suffix') from None
    except OSError as error:
        raise UserError(f'{path} cannot be read', found=error.strerror) from None
    except ValueError as error:
        raise UserError(
            f'{path} is no annotation', found=error, remedy='a larger one needs a larger SDP_MAX_ANNOTATION_BYTES'
        ) from None
    if not content:
        raise UserError(f'{path} is empty')
    return content


def make_stroke(
    path: str | os.PathLike, points: Sequence | np.ndarray, class_index: int, width: float | None = None
) -> Stroke:
    """A stroke of the file at ``path``; UserError where its points are no numbers or lie absurdly far outside."""
    try:
        check_numbers([points, width])
        return Stroke(points, class_index, width)
    except (ValueError, TypeError, OverflowError) as error:
        raise UserError(f'{path} holds a stroke that cannot be drawn', found=error) from None


def check_numbers(values: object) -> None:
    """TypeError if lists in lists of JSON hold text or truth values, which NumPy takes for numbers."""
    for value in values if isinstance(values, list) else ():
        if isinstance(value, str | bool):
            raise TypeError(f'{value!r:.60} is no number')
        check_numbers(value)


def make_scribble_set(path: str | os.PathLike, strokes: Iterable[Stroke], width: int, height: int) -> ScribbleSet:
    """The strokes of the file at ``path``; UserError for an absurd image size or number of points."""
    strokes = tuple(strokes)
    if not (width >= 1 and height >= 1 and width * height <= MAX_PIXELS):
        raise UserError(f'{path} says that its image has an impossible size', found=f'{width} x {height}')
    points = sum(len(stroke.points) for stroke in strokes)
    if points > MAX_POINTS:
        raise UserError(
            f'{path} holds too many points to be drawn by hand',
            looked_for=f'at most {MAX_POINTS}',
            found=points,
            remedy='if they are right, set a larger SDP_MAX_ANNOTATION_POINTS',
        )
    return ScribbleSet(strokes, width, height)


def class_index_of(
    path: str | os.PathLike, name: str, classes: dict[str, int], unknown_tag: str, aliases: dict[str, str]
) -> int | None:
    """Index of a class by the name that a file gives it, directly or through an alias.

    Args:
        path: The file, for the error.
        name (str): What the file says.
        classes (dict[str, int]): Index of each known name.
        unknown_tag (str): ``error``, or ``skip`` to return None for an unknown name.
        aliases (dict[str, str]): Other spellings of names.

    Raises:
        UserError: If the name is unknown and ``unknown_tag`` is ``error``, or ``unknown_tag`` is neither.
    """
    index = classes.get(name, classes.get(aliases.get(name)))
    if index is not None:
        return index
    if unknown_tag == 'skip':
        return None
    if unknown_tag != 'error':
        raise UserError('unknown way to treat unknown tags', looked_for='error, skip', found=unknown_tag)
    raise UserError(
        f'{path} holds a stroke of an unknown class',
        looked_for=', '.join(classes),
        found=repr(name[:80]),
        remedy="add the class to the class names, or leave such strokes out: --unknown-tag skip, unknown_tag='skip'",
    )


def parse_xml(path: str | os.PathLike, data: bytes) -> Element:
    """The root of an XML file; UserError where it is not well-formed, or declares a document type (entity bombs)."""
    try:
        return ElementTree.fromstring(data, forbid_dtd=True)
    except DefusedXmlException:
        raise UserError(
            f'{path} declares a document type or entities, which no annotation tool writes',
            remedy='do not trust this file; remove the declaration if you know where it comes from',
        ) from None
    except (ParseError, ValueError, LookupError) as error:
        raise UserError(
            f'{path} is no well-formed XML', found=error, remedy='the file may be cut off: fetch or export it again'
        ) from None


def read_json(path: str | os.PathLike) -> object:
    """The content of a JSON file; UserError where it is not JSON."""
    return records.read_json(read_bytes(path), path)


def whole_number(path: str | os.PathLike, what: str, value: object) -> int:
    """``value`` as a positive int, be it a number or its text; UserError that names ``what`` otherwise."""
    try:
        found = records.number(int, str(value)) if isinstance(value, int | str) and not isinstance(value, bool) else 0
    except ValueError:
        found = 0
    if found < 1:
        raise UserError(f'{path} does not say the {what}', looked_for='a whole number', found=repr(value)[:80])
    return found


def stem(name: str) -> str:
    """File name without folders, of either kind of slash, and without suffix."""
    return PureWindowsPath(name).stem


def report_left_out(path: str | os.PathLike, kept: int, left_out: Counter[str]) -> tuple[str, ...]:
    """Say what is no stroke; UserError if the file holds nothing else, which is hardly what its user meant."""
    words = tuple(f'{count} {kind}' for kind, count in sorted(left_out.items()))
    if words and not kept:
        raise UserError(
            f'{path} holds no strokes',
            looked_for='lines or points',
            found=', '.join(words),
            remedy='areas are no scribbles: draw lines, or export a mask as an index PNG and synthesise strokes',
        )
    return words
