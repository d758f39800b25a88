"""Cutting the tiles of a slide on which somebody drew, to train on them as on any images."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from sdp_plugin.bars import over
from sdp_plugin.errors import UserError
from sdp_plugin.files import write_json_atomically, write_text_atomically
from sdp_plugin.image_files import MAX_PIXELS, write_image
from sdp_plugin.records import Record, as_record, read_json_file
from sdp_plugin.scribbles.tile_places import TilePlace, read_tile_places, write_tile_places
from sdp_plugin.slides.geojson import read_geometries, shapely_library
from sdp_plugin.slides.inference import read_tile
from sdp_plugin.slides.reading import MAX_PIXELS_OF_PLAIN_IMAGES, Slide
from sdp_plugin.slides.tiling import TileGrid, make_grid

IMAGES, LIST, PLACES, SLIDES = 'JPEGImages', 'ImageSets/Segmentation/train_aug.txt', 'tiles.csv', 'slides.json'
JPEG_QUALITY = 95
_AREAS = ('Polygon', 'MultiPolygon')


class CutSlide(Record):
    """What all tiles of a slide are cut from, and how.

    Args:
        slide (str): Name of its file.
        fingerprint (str): Of its content.
        mpp (tuple[float, float]): Its micrometres a pixel, in x and y.
        model_mpp (float): Micrometres a pixel of the tiles.
        size (int): Width and height of a tile in its own pixels.
    """

    slide: str
    fingerprint: str
    mpp: tuple[float, float]
    model_mpp: float
    size: int


def cut_tiles(
    slide: Slide, drawn: str | os.PathLike, mpp: float, size: int, out: str | os.PathLike
) -> tuple[TilePlace, ...]:
    """Write the tiles that strokes run through, laid out as Pascal VOC, and a table of their places.

    ``JPEGImages/<slide>_<x>_<y>.jpg``, ``ImageSets/Segmentation/train_aug.txt`` and ``tiles.csv``. Tiles lie side by
    side from the slide's corner on. Those that are there already are left alone; the list and the table are written
    last, and hold the tiles of other slides that are there, too. ``slides.json`` says from the start what each
    slide's tiles are cut from, so that tiles which are left alone are always those of this slide.

    Args:
        slide (Slide): The slide.
        drawn (str | os.PathLike): A GeoJSON of QuPath with the strokes.
        mpp (float): Micrometres a pixel of the tiles.
        size (int): Width and height of a tile in its own pixels.
        out (str | os.PathLike): The folder.

    Returns:
        tuple[TilePlace, ...]: The tiles of this slide.

    Raises:
        UserError: If no stroke lies on the slide, the slide cannot be read or has a name that no list can hold, a tile
            is too large, or the folder holds tiles of a slide of this name that was another one or cut otherwise.
    """
    shapely = shapely_library()
    out = Path(out)
    _check_name(slide.path.stem)
    grid = make_grid(slide, (size, size), mpp)
    _check_extent(slide, grid, size)
    lines = shapely.STRtree([geometry for geometry in read_geometries(drawn) if geometry.geom_type not in _AREAS])
    places = []
    for index in range(grid.columns * grid.rows):
        tile = grid.tile(index)
        box = shapely.box(tile.x, tile.y, tile.x + tile.width, tile.y + tile.height)
        if len(lines.query(box, predicate='intersects')):
            name = f'{slide.path.stem}_{tile.x}_{tile.y}'
            places.append((index, TilePlace(name, tile.x, tile.y, tile.width, tile.height, size, size)))
    if not places:
        raise UserError(
            f'No stroke of {drawn} lies on {slide.path}.',
            looked_for='LineString or MultiLineString features, in pixels of the full resolution',
            remedy='export the annotations of this very slide from QuPath as GeoJSON',
        )
    found = tuple(place for _, place in places)
    there = read_tile_places(out / PLACES) if (out / PLACES).exists() else ()
    before = {place.image_id: place for place in there}
    if changed := [place.image_id for place in found if before.get(place.image_id, place) != place]:
        raise UserError(
            f'{out} holds tiles of {slide.path.name} of another size or resolution.',
            found=', '.join(changed[:3]),
            remedy='name another folder',
        )
    _claim(out, slide, mpp, size)
    for index, place in over(places, f'cutting {len(places)} tiles'):
        path = out / IMAGES / f'{place.image_id}.jpg'
        if not path.exists():
            tile = Image.fromarray(read_tile(slide, grid, index, (size, size)))
            write_image(tile, path, 'JPEG', quality=JPEG_QUALITY, subsampling=0)
    everything = before | {place.image_id: place for place in found}
    write_tile_places(everything.values(), out / PLACES)
    write_text_atomically(out / LIST, ''.join(f'{name}\n' for name in everything))
    return found


def _check_name(stem: str) -> None:
    # It is a part of the ids, of which the list has one a line, and of the names of files.
    if not stem.isprintable() or stem[0].isspace() or '\\' in stem:
        raise UserError(
            'The name of the slide cannot be a part of the names of its tiles.',
            looked_for='a name in UTF-8, without control characters, backslashes, or a space at its beginning',
            found=repr(stem),
            remedy='rename the slide',
        )


def _check_extent(slide: Slide, grid: TileGrid, size: int) -> None:
    width, height = grid.side
    if size * size > MAX_PIXELS:
        raise UserError(
            'The tiles would be larger than an image may be.',
            looked_for=f'at most {MAX_PIXELS:,} pixels',
            found=f'{size:,} x {size:,}',
            remedy='take a smaller --size',
        )
    if width * height > max(MAX_PIXELS_OF_PLAIN_IMAGES, slide.width * slide.height):
        raise UserError(
            f'A tile would reach far beyond {slide.path}.',
            looked_for=f'tiles within {slide.width:,} x {slide.height:,} pixels',
            found=f'{width:,} x {height:,}',
            remedy='take a smaller --size, and check the micrometres a pixel',
        )


def _claim(out: Path, slide: Slide, mpp: float, size: int) -> None:
    """Make sure that the tiles of this slide in the folder are cut from it and like this, or say so from now on."""
    path, stem = out / SLIDES, slide.path.stem
    wanted = CutSlide(
        slide=slide.path.name,
        fingerprint=slide.fingerprint(),
        mpp=tuple(float(value) for value in slide.mpp),
        model_mpp=mpp,
        size=size,
    )
    there = as_record(dict[str, CutSlide], read_json_file(path), path) if path.exists() else {}
    if there.get(stem, wanted) != wanted:
        before, now = there[stem].model_dump(), wanted.model_dump()
        raise UserError(
            f'{out} holds tiles of another slide of the name {stem}, or of another size or resolution.',
            looked_for=', '.join(f'{key} {now[key]}' for key in now if now[key] != before[key]),
            found=', '.join(f'{key} {before[key]}' for key in now if now[key] != before[key]),
            remedy='name another folder, or rename the slide',
        )
    everything = there | {stem: wanted}
    write_json_atomically(path, {name: cut.model_dump() for name, cut in everything.items()})
