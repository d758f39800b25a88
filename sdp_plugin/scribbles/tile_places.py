"""Where the tiles that were cut from a slide lie in it: what brings strokes on the slide to strokes on its tiles."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from pathlib import Path

from sdp_plugin.errors import UserError, shortened
from sdp_plugin.files import CsvWriter, atomic_path, without_apostrophe
from sdp_plugin.records import number, read_text


@dataclass(frozen=True)
class TilePlace:
    """A tile and its place.

    Args:
        image_id (str): The tile's file name without suffix.
        x, y (int): Its upper left corner in the slide, in full-resolution pixels.
        width, height (int): Its size in the slide, in full-resolution pixels.
        columns, rows (int): Its size as an image, in its own pixels.
    """

    image_id: str
    x: int
    y: int
    width: int
    height: int
    columns: int
    rows: int


_FAR = 2**31
_HEADER = [field.name for field in fields(TilePlace)]


def write_tile_places(places: Iterable[TilePlace], path: str | os.PathLike) -> None:
    """Write a CSV, one tile a row."""
    with atomic_path(path) as temporary, open(temporary, 'w', newline='', encoding='utf-8') as file:
        writer = CsvWriter(file)
        writer.writerow(_HEADER)
        writer.writerows(astuple(place) for place in places)


def read_tile_places(path: str | os.PathLike) -> tuple[TilePlace, ...]:
    """Read what :func:`write_tile_places` wrote.

    Raises:
        UserError: If it is missing, no such table, empty, or holds sizes that are none.
    """
    path = Path(path)
    try:
        rows = list(csv.DictReader(read_text(path).splitlines(keepends=True)))
        places = tuple(
            TilePlace(without_apostrophe(row['image_id']), *(number(int, row[name]) for name in _HEADER[1:]))
            for row in rows
        )
    except (OSError, KeyError, TypeError, ValueError, csv.Error) as error:
        raise UserError(
            f'{path} is no table of tiles.',
            looked_for=f'a CSV with {", ".join(_HEADER)}, as tools/cut_tiles.py writes it',
            found=repr(error),
        ) from None
    sides = [side for place in places for side in (place.width, place.height, place.columns, place.rows)]
    if not places or min(sides) < 1 or max(*sides, *(max(-p.x, p.x, -p.y, p.y) for p in places)) > _FAR:
        raise UserError(f'{path} names no tiles, some without pixels, or some far outside of any slide.')
    # They become names of files.
    names = [place.image_id for place in places]
    wrong = [name for name in names if name in ('', '.', '..') or {'/', '\\', '\0'} & set(name)]
    if wrong or len(set(names)) < len(names):
        raise UserError(
            f'{path} names a tile twice, or by a name that no file may have.', found=shortened(wrong or sorted(names))
        )
    return places
