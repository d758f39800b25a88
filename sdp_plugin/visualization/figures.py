"""Pictures of results: masks and predictions beside their images, and sheets of tiles."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch

from sdp_plugin.catalogue.palette import VOC_VOID, voc_palette
from sdp_plugin.errors import UserError
from sdp_plugin.visualization.drawing import DPI, PANEL_INCHES, class_patches, over_faded, save_figure, show_image

TILE_INCHES = 1.1
# A narrower sheet would cut its headings off.
MIN_TILE_COLUMNS = 3
# Okabe and Ito (2008): told apart with every common colour-vision deficiency.
BLOCK_COLOURS = ('#0072B2', '#D55E00', '#009E73', '#CC79A7')


@dataclass(frozen=True)
class SegmentationRow:
    """An image with what was drawn on it and what was predicted.

    Args:
        image (np.ndarray): (H, W, 3) uint8, RGB.
        scribbles (np.ndarray | None): (H, W) uint8 class indices, 255 where nothing is drawn; None without any strokes.
        mask (np.ndarray): (H, W) uint8 class indices, 255 = void.
        predictions (Mapping[str, np.ndarray]): Title to (H, W) class indices. All rows have the same titles.
        title (str): Written beside the row, for example the image id.
    """

    image: np.ndarray
    scribbles: np.ndarray | None
    mask: np.ndarray
    predictions: Mapping[str, np.ndarray] = field(default_factory=dict)
    title: str = ''


@dataclass(frozen=True)
class TileBlock:
    """Tiles that belong together under one heading.

    Args:
        title (str): The heading, for example ``'Most certain'``.
        tiles (Sequence[np.ndarray]): (H, W, 3) uint8, RGB each; sizes may differ.
        captions (Sequence[str]): One for each tile, for example its class and probability. May have several lines.
    """

    title: str
    tiles: Sequence[np.ndarray]
    captions: Sequence[str]


def save_segmentation_panels(
    rows: Sequence[SegmentationRow],
    path: str | os.PathLike,
    class_names: Sequence[str] | None = None,
    palette: np.ndarray | None = None,
) -> None:
    """Write a figure with one row an image: image, scribbles, full mask, predictions; and the classes that occur.

    Scribbles have no column where no row has any.

    Args:
        rows (Sequence[SegmentationRow]): At least one.
        path (str | os.PathLike): The picture; its suffix decides the format.
        class_names (Sequence[str] | None): Names by class index; 'class 3' where there is no name.
        palette (np.ndarray | None): (256, 3) uint8 RGB by class index; VOC's if None.

    Raises:
        UserError: If there is no row, the rows' predictions differ in title, or an array's size is not its image's.
    """
    titles = _prediction_titles(rows)
    palette = voc_palette() if palette is None else np.asarray(palette, dtype=np.uint8)
    has_scribbles = any(row.scribbles is not None for row in rows)
    heads = ['image', *(['scribbles'] if has_scribbles else []), 'full mask', *titles]
    heights = [PANEL_INCHES * row.image.shape[0] / row.image.shape[1] for row in rows]
    entries = _legend(rows, class_names, palette)
    columns = max(1, int(len(heads) * PANEL_INCHES / 1.3))
    legend_inches = 0.25 + 0.24 * math.ceil(len(entries) / columns)
    width, height = len(heads) * (PANEL_INCHES + 0.06) + 0.3, sum(heights) + 0.06 * len(rows) + 0.35 + legend_inches
    figure = Figure(figsize=(width, height), dpi=DPI)
    grid = figure.add_gridspec(
        len(rows), len(heads), height_ratios=heights, wspace=0.03, hspace=0.04,
        left=0.26 / width, right=1 - 0.04 / width, bottom=legend_inches / height, top=1 - 0.3 / height,
    )  # fmt: skip
    for index, row in enumerate(rows):
        masks = [row.mask, *(row.predictions[title] for title in titles)]
        drawn = [_drawn(row, palette)] if has_scribbles else []
        panels = [row.image, *drawn, *(palette[mask] for mask in masks)]
        for column, panel in enumerate(panels):
            axes = figure.add_subplot(grid[index, column])
            show_image(axes, panel)
            if index == 0:
                axes.set_title(heads[column], fontsize=9, pad=4)
            if column == 0 and row.title:
                axes.set_ylabel(row.title, fontsize=7, labelpad=3)
    figure.legend(handles=entries, loc='lower center', ncol=min(columns, len(entries)), fontsize=8, frameon=False)
    save_figure(figure, path)


def save_contact_sheet(blocks: Sequence[TileBlock], path: str | os.PathLike, columns: int = 8) -> None:
    """Write a sheet of tiles in blocks, each under its heading, with a caption below each tile.

    Args:
        blocks (Sequence[TileBlock]): At least one that is not empty; empty ones are left out.
        path (str | os.PathLike): The picture; its suffix decides the format.
        columns (int): Tiles in a line.

    Raises:
        UserError: If there is no tile, or a block has another number of captions than of tiles.
    """
    blocks = [block for block in blocks if len(block.tiles)]
    if not blocks:
        raise UserError('There is no tile to show.')
    for block in blocks:
        if len(block.tiles) != len(block.captions):
            raise UserError(f'{block.title}: {len(block.tiles)} tiles but {len(block.captions)} captions.')
    columns = min(columns, max(len(block.tiles) for block in blocks))
    lines = [math.ceil(len(block.tiles) / columns) for block in blocks]
    caption_lines = [max(caption.count('\n') + 1 for caption in block.captions) for block in blocks]
    line_inches = [TILE_INCHES + 0.06 + 0.14 * count for count in caption_lines]
    head_inches = 0.34
    width = max(columns, MIN_TILE_COLUMNS) * (TILE_INCHES + 0.08) + 0.16
    height = sum(head_inches + count * inches for count, inches in zip(lines, line_inches, strict=True)) + 0.08
    figure = Figure(figsize=(width, height), dpi=DPI)
    top = height
    for number, block in enumerate(blocks):
        colour = BLOCK_COLOURS[number % len(BLOCK_COLOURS)]
        figure.text(
            0.08 / width, (top - 0.2) / height, block.title, fontsize=10, weight='bold', color=colour, va='center'
        )
        top -= head_inches
        for index, (tile, caption) in enumerate(zip(block.tiles, block.captions, strict=True)):
            line, column = divmod(index, columns)
            left = 0.12 + column * (TILE_INCHES + 0.08)
            bottom = top - line * line_inches[number] - TILE_INCHES
            axes = figure.add_axes((left / width, bottom / height, TILE_INCHES / width, TILE_INCHES / height))
            show_image(axes, np.asarray(tile), colour)
            axes.set_xlabel(caption, fontsize=7, labelpad=2)
        top -= lines[number] * line_inches[number]
    save_figure(figure, path)


def _prediction_titles(rows: Sequence[SegmentationRow]) -> list[str]:
    if not rows:
        raise UserError('There is no image to show.')
    titles = list(rows[0].predictions)
    for row in rows:
        if list(row.predictions) != titles:
            raise UserError('The rows show different predictions.', looked_for=titles, found=list(row.predictions))
        for name, array in {'scribbles': row.scribbles, 'full mask': row.mask, **row.predictions}.items():
            if array is not None and array.shape != row.image.shape[:2]:
                raise UserError(
                    f'{name} of {row.title or "an image"} has another size than the image.',
                    looked_for=row.image.shape[:2],
                    found=array.shape,
                )
    return titles


def _drawn(row: SegmentationRow, palette: np.ndarray) -> np.ndarray:
    nothing = np.full(row.image.shape[:2], VOC_VOID, dtype=np.uint8)
    return over_faded(row.image, nothing if row.scribbles is None else row.scribbles, palette)


def _legend(rows: Sequence[SegmentationRow], class_names: Sequence[str] | None, palette: np.ndarray) -> list[Patch]:
    masks = [mask for row in rows for mask in (row.scribbles, row.mask, *row.predictions.values())]
    return class_patches(
        [mask for mask in masks if mask is not None],
        class_names,
        palette,
        with_void=any((row.mask == VOC_VOID).any() for row in rows),
    )
