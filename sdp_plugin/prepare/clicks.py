"""People's clicks on VOC's images ("What's the Point") as strokes of one point, in ScribbleSup's XML.

Nothing downstream differs from scribbles: a click is drawn as a dot of the line width.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from sdp_plugin.catalogue.voc import VOC_CLASSES
from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.formats.clicks import read_clicks
from sdp_plugin.scribbles.formats.scribblesup import VOC_TAGS, write_scribblesup
from sdp_plugin.scribbles.strokes import ScribbleSet, Stroke

# Real clicks lie up to a few pixels outside; more than this share of an image's side is another image size.
_FAR_OUTSIDE = 1.1
_SHARE_OF_STRAYS = 0.02


@dataclass(frozen=True)
class ClicksWritten:
    """What became of the clicks.

    Args:
        images (int): XML files written.
        clicks (int): Clicks in them.
        background (int): Those of them on the background.
        without (int): Images without any click, whose XML has no stroke.
    """

    images: int
    clicks: int
    background: int
    without: int


def write_click_scribbles(
    files: Sequence[str | os.PathLike],
    image_ids: Iterable[str],
    images: str | os.PathLike,
    folder: str | os.PathLike,
    longest_side: int | None = None,
    report: Callable[[int], None] = lambda done: None,
) -> ClicksWritten:
    """Write one ScribbleSup XML for each image, with a stroke of one point for each click.

    Args:
        files (Sequence[str | os.PathLike]): JSON files of clicks. Later files lie over earlier ones: name the
            background's first.
        image_ids (Iterable[str]): The images to write; clicks on others are passed over.
        images (str | os.PathLike): The folder of their JPEGs, of which only the sizes are read.
        folder (str | os.PathLike): The folder to write ``<image id>.xml`` into.
        longest_side (int | None): Clicks are in pixels of the original images, and VOC's have a longest side of 500
            pixels. If the JPEGs here were re-scaled, say 500: coordinates are multiplied by the longest side here over
            that. None leaves them as they are. Defaults to None.
        report (Callable[[int], None]): Told how many images are done.

    Returns:
        ClicksWritten: The counts.

    Raises:
        UserError: A file of clicks is none, an image is missing or cannot be read, or the clicks were plainly made on
            images of another size.
    """
    clicks = [read_clicks(path, len(VOC_CLASSES)) for path in files]
    scribbles = {
        image_id: _on_image(
            [stroke for of_file in clicks for stroke in of_file.get(image_id, ())],
            _size_of(Path(images) / f'{image_id}.jpg'),
            longest_side,
        )
        for image_id in image_ids
    }
    _check_scale(scribbles, longest_side)
    for done, (image_id, annotation) in enumerate(scribbles.items(), start=1):
        write_scribblesup(Path(folder) / f'{image_id}.xml', annotation, VOC_TAGS)
        report(done)
    strokes = [stroke for annotation in scribbles.values() for stroke in annotation.strokes]
    return ClicksWritten(
        images=len(scribbles),
        clicks=len(strokes),
        background=sum(stroke.class_index == 0 for stroke in strokes),
        without=sum(not annotation.strokes for annotation in scribbles.values()),
    )


def _on_image(strokes: list[Stroke], size: tuple[int, int], longest_side: int | None) -> ScribbleSet:
    scale = max(size) / longest_side if longest_side else 1
    return ScribbleSet(tuple(Stroke(stroke.points * scale, stroke.class_index) for stroke in strokes), *size)


def _size_of(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except FileNotFoundError:
        raise UserError(
            f'{path} is missing: the size of a clicked image is read from it',
            remedy='prepare the images first: python tools/prepare_data.py voc',
        ) from None
    except (OSError, Image.DecompressionBombError) as error:
        raise UserError(f'{path} cannot be read', found=error) from None


def _check_scale(scribbles: dict[str, ScribbleSet], longest_side: int | None) -> None:
    strays = [image_id for image_id, annotation in scribbles.items() if _strays(annotation)]
    if len(strays) <= _SHARE_OF_STRAYS * len(scribbles):
        return
    raise UserError(
        f'{len(strays)} of {len(scribbles)} images have clicks far outside: they were made on images of another size',
        found=', '.join(strays[:5]),
        remedy='if the images were re-scaled, name the longest side of the originals: --clicks-side 500'
        if longest_side is None
        else f'the originals do not have a longest side of {longest_side} pixels',
    )


def _strays(annotation: ScribbleSet) -> bool:
    points = np.array([stroke.points[0] for stroke in annotation.strokes]).reshape(-1, 2)
    return bool((points > _FAR_OUTSIDE * np.array([annotation.width, annotation.height])).any())
