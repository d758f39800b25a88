"""What all pictures share: labels over a pale image, a legend of the classes that occur, files that are whole."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from PIL import Image

from sdp_plugin.catalogue.palette import VOC_VOID, voc_palette
from sdp_plugin.files import write_bytes_atomically
from sdp_plugin.image_files import write_image

DPI = 120
PANEL_INCHES = 2.2


def full_palette(colours: Sequence[Sequence[int]] | None = None) -> np.ndarray:
    """A colour for each of 256 class indices.

    Args:
        colours (Sequence[Sequence[int]] | None): RGB of the first indices, as in a data set's ``METAINFO``. The others
            are VOC's.

    Returns:
        np.ndarray: (256, 3) uint8, RGB.
    """
    palette = voc_palette()
    if colours is not None and len(colours):
        palette[: len(colours)] = colours
    return palette


def over_faded(image: np.ndarray, labels: np.ndarray, palette: np.ndarray, opacity: float = 1.0) -> np.ndarray:
    """Labels in their colours over the image, grey and pale, so that black background strokes show as well.

    Args:
        image (np.ndarray): (H, W, 3) uint8, RGB.
        labels (np.ndarray): (H, W) uint8 class indices, 255 where the image shows.
        palette (np.ndarray): (256, 3) uint8 RGB by class index.
        opacity (float): Of the labels, from 0 to 1.

    Returns:
        np.ndarray: (H, W, 3) uint8, RGB.
    """
    pale = 150 + 0.41 * image.mean(axis=2, keepdims=True)
    coloured = opacity * palette[labels] + (1 - opacity) * pale
    return np.where((labels != VOC_VOID)[..., None], coloured, pale).astype(np.uint8)


def class_patches(
    masks: Iterable[np.ndarray], class_names: Sequence[str] | None, palette: np.ndarray, with_void: bool
) -> list[Patch]:
    """The legend of the classes that occur, by index.

    Args:
        masks (Iterable[np.ndarray]): Class indices, 255 = no class.
        class_names (Sequence[str] | None): Names by class index; 'class 3' where there is no name.
        palette (np.ndarray): (256, 3) uint8 RGB by class index.
        with_void (bool): Whether 255 is shown in a colour of its own.

    Returns:
        list[Patch]: One a class.
    """
    shown = sorted({int(index) for mask in masks for index in np.unique(mask)} - {VOC_VOID})
    known = dict(enumerate(class_names or ()))
    names = {index: known.get(index, f'class {index}') for index in shown}
    if with_void:
        names[VOC_VOID] = 'void'
    return [
        Patch(facecolor=palette[index] / 255, edgecolor='0.5', linewidth=0.5, label=name)
        for index, name in names.items()
    ]


def show_image(axes: Axes, image: np.ndarray, frame: str = '0.6', interpolation: str = 'nearest') -> None:
    """An image without ticks, pixel by pixel if not said otherwise, in a thin frame."""
    axes.imshow(image, interpolation=interpolation)
    frame_axes(axes, frame)


def frame_axes(axes: Axes, frame: str = '0.6') -> None:
    """No ticks, and a thin frame of that colour."""
    axes.set(xticks=[], yticks=[])
    for spine in axes.spines.values():
        spine.set(color=frame, linewidth=0.8)


def save_figure(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure, whole or not at all; the suffix decides the format."""
    # In memory first, as `write_image` does it.
    encoded = io.BytesIO()
    figure.savefig(encoded, format=Path(path).suffix[1:])
    write_bytes_atomically(path, encoded.getvalue())


def save_figure_small(figure: Figure, path: str | os.PathLike) -> None:
    """Write a figure as a PNG of 17 shades a channel, a fourth of the size, whole or not at all.

    VOC's colours are among them. A palette of 256 colours, chosen by how many pixels have them, lacks some strokes'.
    """
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png')
    with Image.open(buffer) as picture:
        exact = np.asarray(picture.convert('RGB'), dtype=np.uint16)
    small = Image.fromarray(np.minimum((exact + 8) // 16 * 16, 255).astype(np.uint8))
    write_image(small, path, 'PNG', optimize=True)
