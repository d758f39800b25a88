"""Cutting the tiles of a slide on which somebody drew, to train on them as on any images."""

from __future__ import annotations

import os
from pathlib import Path

from PIL import Image

from sdp_plugin.bars import over
from sdp_plugin.errors import UserError
from sdp_plugin.files import write_text_atomically
from sdp_plugin.image_files import write_image
from sdp_plugin.scribbles.tile_places import TilePlace, read_tile_places, write_tile_places
from sdp_plugin.slides.geojson import read_geometries, shapely_library
from sdp_plugin.slides.inference import read_tile
from sdp_plugin.slides.reading import Slide
from sdp_plugin.slides.tiling import make_grid

IMAGES, LIST, PLACES = 'JPEGImages', 'ImageSets/Segmentation/train_aug.txt', 'tiles.csv'
JPEG_QUALITY = 95
_AREAS = ('Polygon', 'MultiPolygon')


def cut_tiles(
    slide: Slide, drawn: str | os.PathLike, mpp: float, size: int, out: str | os.PathLike
) -> tuple[TilePlace, ...]:
    """Write the tiles that strokes run through, laid out as Pascal VOC, and a table of their places.

    ``JPEGImages/<slide>_<x>_<y>.jpg``, ``ImageSets/Segmentation/train_aug.txt`` and ``tiles.csv``. Tiles lie side by
    side from the slide's corner on. Those that are there already are left alone; the list and the table are written
    last, and hold the tiles of other slides that are there, too.

    Args:
        slide (Slide): The slide.
        drawn (str | os.PathLike): A GeoJSON of QuPath with the strokes.
        mpp (float): Micrometres a pixel of the tiles.
        size (int): Width and height of a tile in its own pixels.
        out (str | os.PathLike): The folder.

    Returns:
        tuple[TilePlace, ...]: The tiles of this slide.

    Raises:
        UserError: If no stroke lies on the slide, the slide cannot be read, or the folder holds tiles of it that were
            cut otherwise.
    """
    shapely = shapely_library()
    out = Path(out)
    grid = make_grid(slide, (size, size), mpp)
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
    for index, place in over(places, f'cutting {len(places)} tiles'):
        path = out / IMAGES / f'{place.image_id}.jpg'
        if not path.exists():
            tile = Image.fromarray(read_tile(slide, grid, index, (size, size)))
            write_image(tile, path, 'JPEG', quality=JPEG_QUALITY, subsampling=0)
    everything = before | {place.image_id: place for place in found}
    write_tile_places(everything.values(), out / PLACES)
    write_text_atomically(out / LIST, ''.join(f'{name}\n' for name in everything))
    return found
