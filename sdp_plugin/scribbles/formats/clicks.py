"""Clicks on VOC's images as JSON, as published with "What's the Point".

Bearman, Russakovsky, Ferrari, Fei-Fei: What's the point: semantic segmentation with point supervision, ECCV 2016.
A file holds ``{image id: [{"x": column, "y": row, "cls": class index}]}``, in pixels of the original images.
"""

from __future__ import annotations

import os
from pathlib import Path

from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.formats.reading import make_stroke, read_json
from sdp_plugin.scribbles.strokes import Stroke


def read_clicks(path: str | os.PathLike, num_classes: int) -> dict[str, tuple[Stroke, ...]]:
    """Read a file of clicks.

    Args:
        path (str | os.PathLike): The JSON file.
        num_classes (int): Classes 0 to ``num_classes - 1`` are known.

    Returns:
        dict[str, tuple[Stroke, ...]]: By image id, a stroke of one point for each click, in the file's order, also
        where people clicked outside the image.

    Raises:
        UserError: Naming the file, if it is missing or no such JSON, or a click has no place or an unknown class.
    """
    path = Path(path)
    content = read_json(path)
    if not isinstance(content, dict) or not all(isinstance(clicks, list) for clicks in content.values()):
        raise UserError(f'{path} holds no clicks', looked_for='{image id: [{"x": ..., "y": ..., "cls": ...}]}')
    return {
        image_id: tuple(_stroke(path, image_id, click, num_classes) for click in clicks)
        for image_id, clicks in content.items()
    }


def _stroke(path: Path, image_id: str, click: object, num_classes: int) -> Stroke:
    if not isinstance(click, dict) or not {'x', 'y', 'cls'} <= set(click):
        raise UserError(f'{path} holds no click for {image_id}', looked_for='x, y and cls', found=repr(click)[:80])
    class_index = click['cls']
    if not isinstance(class_index, int) or isinstance(class_index, bool) or not 0 <= class_index < num_classes:
        raise UserError(
            f'{path} holds a click of an unknown class on {image_id}',
            looked_for=f'0 to {num_classes - 1}',
            found=repr(class_index)[:80],
        )
    return make_stroke(path, [[click['x'], click['y']]], class_index)
