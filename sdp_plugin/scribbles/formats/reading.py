"""What all readers share: every fault in a file becomes one error that names the file."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.strokes import ScribbleSet, Stroke

# Far above what people draw (ScribbleSup's files hold some hundred points in 30 kB), far below what exhausts a worker.
MAX_BYTES = 64 * 2**20
MAX_POINTS = 200_000
MAX_PIXELS = 2**28


def read_bytes(path: str | os.PathLike) -> bytes:
    """The content of an annotation file of a sane size.

    Raises:
        UserError: If it does not exist, cannot be read, is empty or too large.
    """
    path = Path(path)
    try:
        with path.open('rb') as file:
            content = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise UserError(f'{path} does not exist', remedy='check the folder and the suffix of the scribbles') from None
    except OSError as error:
        raise UserError(f'{path} cannot be read', found=error.strerror) from None
    if not content:
        raise UserError(f'{path} is empty')
    if len(content) > MAX_BYTES:
        raise UserError(f'{path} is too large for an annotation', looked_for=f'at most {MAX_BYTES >> 20} MiB')
    return content


def make_stroke(
    path: str | os.PathLike, points: Sequence | np.ndarray, class_index: int, width: float | None = None
) -> Stroke:
    """A stroke of the file at ``path``; UserError where its points are no numbers or lie absurdly far outside."""
    try:
        return Stroke(points, class_index, width)
    except (ValueError, TypeError) as error:
        raise UserError(f'{path} holds a stroke that cannot be drawn', found=error) from None


def make_scribble_set(path: str | os.PathLike, strokes: Iterable[Stroke], width: int, height: int) -> ScribbleSet:
    """The strokes of the file at ``path``; UserError for an absurd image size or number of points."""
    strokes = tuple(strokes)
    if not (width >= 1 and height >= 1 and width * height <= MAX_PIXELS):
        raise UserError(f'{path} says that its image has an impossible size', found=f'{width} x {height}')
    points = sum(len(stroke.points) for stroke in strokes)
    if points > MAX_POINTS:
        raise UserError(
            f'{path} holds too many points to be drawn by hand', looked_for=f'at most {MAX_POINTS}', found=points
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
        remedy="add the class to the class names, or leave such strokes out with unknown_tag='skip'",
    )
