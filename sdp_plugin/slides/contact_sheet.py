"""One HTML page of a slide: the overlay, the areas, and the tiles of which the network is most and least certain."""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Iterator

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image
from scipy.special import softmax

from sdp_plugin.files import write_text_atomically
from sdp_plugin.slides.heatmap import colour_map
from sdp_plugin.slides.predictions import Predictions
from sdp_plugin.slides.summary import summarise

# Bytes of a page: a picture of the slide beyond this is of no more use in a browser.
_LONGEST_SIDE = 1600


def write_contact_sheet(
    predictions: Predictions,
    read_tile: Callable[[int], np.ndarray],
    picture: np.ndarray,
    path: str | os.PathLike,
    shown: int = 12,
    activation: Callable[[np.ndarray, int], np.ndarray] | None = None,
) -> None:
    """Write the page; it needs no other file.

    Args:
        predictions (Predictions): Of the slide.
        read_tile (Callable): Number of a tile to (H, W, 3) uint8, RGB.
        picture (np.ndarray): The overlay, (H, W, 3) uint8, RGB.
        path (str | os.PathLike): The page.
        shown (int): Tiles in each block. Defaults to 12.
        activation (Callable | None): A tile and a class index to where the network sees that class, (H, W) from 0 to
            1; it is shown beside the tile. Defaults to None.
    """
    summary, classes = summarise(predictions), predictions.classes
    width, height = summary['slide_size']
    text = _template().render(
        title=f'{summary["slide"]}: {classes.target_name}',
        target=classes.target_name,
        threshold=f'{classes.threshold:g}',
        overlay=_embedded(_smaller(picture), 'JPEG'),
        gradient=', '.join(_css(colour) for colour in colour_map(np.linspace(0, 1, 9)).tolist()),
        areas=[
            {'name': name, 'colour': _css(colour), **_two(summary['classes'][name])}
            for name, colour in zip(classes.names, classes.colours, strict=True)
        ],
        total=f'{summary["classified_mm2"]:.3f}',
        above=_two(summary['target']),
        facts=[
            f'{summary["tiles"]:,} tiles of {summary["tile_side"][0]} x {summary["tile_side"][1]} pixels, '
            f'{summary["tile_step"][0]} x {summary["tile_step"][1]} apart.',
            f'Slide of {width:,} x {height:,} pixels, {summary["slide_mpp"][0]:.4g} µm each.',
        ],
        blocks=[
            {'title': title, 'tiles': list(_tiles(predictions, positions, read_tile, activation))}
            for title, positions in _blocks(predictions, shown)
            if len(positions)
        ],
    )
    write_text_atomically(path, text)


def _blocks(predictions: Predictions, shown: int) -> Iterator[tuple[str, np.ndarray]]:
    certainty = np.zeros(len(predictions.indices), np.float32)
    for index, name in enumerate(predictions.classes.names):
        probability = predictions.probability(index)
        certainty = np.maximum(certainty, probability)
        of_class = np.flatnonzero(predictions.predicted == index)
        yield f'Most certainly {name}', of_class[np.argsort(-probability[of_class], kind='stable')[:shown]]
    yield 'Least certain', np.argsort(certainty, kind='stable')[:shown]


def _tiles(
    predictions: Predictions,
    positions: np.ndarray,
    read_tile: Callable[[int], np.ndarray],
    activation: Callable[[np.ndarray, int], np.ndarray] | None,
) -> Iterator[dict]:
    for position in positions.tolist():
        index, predicted = int(predictions.indices[position]), int(predictions.predicted[position])
        tile, box = read_tile(index), predictions.grid.tile(index)
        probability = softmax(np.asarray(predictions.logits[position], np.float64))[predicted]
        yield {
            'picture': _embedded(tile, 'JPEG'),
            'map': _embedded(_over(tile, activation(tile, predicted)), 'JPEG') if activation else '',
            'caption': f'{predictions.classes.names[predicted]} {probability:.3f}',
            'place': f'x={box.x}, y={box.y}',
        }


def _over(tile: np.ndarray, heat: np.ndarray) -> np.ndarray:
    return (0.5 * colour_map(heat) + 0.5 * tile).round().astype(np.uint8)


def _smaller(picture: np.ndarray) -> np.ndarray:
    image = Image.fromarray(picture)
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE))
    return np.asarray(image)


def _embedded(picture: np.ndarray, kind: str) -> str:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, kind, quality=88)
    return f'data:image/{kind.lower()};base64,{base64.b64encode(buffer.getvalue()).decode()}'


def _two(area: dict) -> dict[str, str]:
    return {'mm2': f'{area["mm2"]:.3f}', 'percent': f'{area["percent"]:.1f}'}


def _css(colour: tuple[int, int, int]) -> str:
    return '#{:02x}{:02x}{:02x}'.format(*colour)


def _template() -> object:
    environment = Environment(
        loader=PackageLoader('sdp_plugin.slides'), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    return environment.get_template('contact_sheet.html.j2')
