"""Rows of panels, one row a sample: images, labels over them, and plain masks, to look at data and at training."""

from __future__ import annotations

import math
import os
import textwrap
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sdp_plugin.catalogue.palette import VOC_VOID
from sdp_plugin.errors import UserError
from sdp_plugin.visualization.drawing import (
    DPI,
    PANEL_INCHES,
    class_patches,
    frame_axes,
    full_palette,
    over_faded,
    save_figure,
    save_figure_small,
    show_image,
)

# A panel's height by its width: taller or flatter images are shown smaller.
MIN_ASPECT, MAX_ASPECT = 0.3, 1.5
GAP_INCHES = 0.06
SAMPLE_GAP_INCHES = 0.2
HEAD_INCHES = 0.24
TITLE_INCHES = 0.2
CAPTION_INCHES = 0.14
LEGEND_LINE_INCHES = 0.24
LEGEND_ENTRY_INCHES = 1.3
CAPTION_CHARACTERS = 38
# A sample that could not be loaded is as wide as the others, or as this many panels.
PROBLEM_PANELS = 3
CHARACTERS_PER_INCH = 14


@dataclass(frozen=True)
class Panel:
    """An image, labels over a pale image, or labels alone.

    Args:
        head (str): The heading of its column.
        image (np.ndarray | None): (H, W, 3) uint8, RGB. None shows the labels alone, 255 in its own colour.
        labels (np.ndarray | None): (H, W) uint8 class indices, 255 = no class. None shows the image as it is.
        opacity (float): Of the labels over the image, from 0 to 1.
        caption (str): Written below.
    """

    head: str
    image: np.ndarray | None = None
    labels: np.ndarray | None = None
    opacity: float = 1.0
    caption: str = ''

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return (self.labels if self.image is None else self.image).shape[:2]


@dataclass(frozen=True)
class PanelRow:
    """A sample.

    Args:
        title (str): Written above, for example the image id.
        panels (Sequence[Panel]): From left to right.
        problem (str): Why there are none.
    """

    title: str
    panels: Sequence[Panel] = ()
    problem: str = ''


def draw_panels(
    rows: Sequence[PanelRow],
    class_names: Sequence[str] | None = None,
    colours: Sequence[Sequence[int]] | None = None,
    per_line: int = 1,
    dpi: int = DPI,
    new_figure: Callable[..., Figure] = Figure,
) -> Figure:
    """Draw samples below and beside each other, and a legend of the classes that occur.

    Args:
        rows (Sequence[PanelRow]): At least one. Headings are those of the first that has panels.
        class_names (Sequence[str] | None): Names by class index; 'class 3' where there is no name.
        colours (Sequence[Sequence[int]] | None): RGB by class index; VOC's where there is none.
        per_line (int): Samples beside each other.
        dpi (int): Pixels an inch; a panel is 2.2 inches wide.
        new_figure (Callable): Makes the figure from ``figsize`` and ``dpi``.

    Returns:
        Figure: The picture.

    Raises:
        UserError: If there is no row, or labels are of another size than their image.
    """
    if not rows:
        raise UserError('There is no sample to show.')
    _check_sizes(rows)
    palette = full_palette(colours)
    per_line = min(per_line, len(rows))
    heads = next(([panel.head for panel in row.panels] for row in rows if row.panels), [''] * PROBLEM_PANELS)
    sample_inches = max(len(row.panels) or len(heads) for row in rows) * (PANEL_INCHES + GAP_INCHES)
    step = sample_inches + SAMPLE_GAP_INCHES
    width = per_line * step
    lines = [rows[start : start + per_line] for start in range(0, len(rows), per_line)]
    # Names, ids and messages are shown as they are: a dollar sign in them starts no formula.
    entries = _legend(rows, class_names, palette)
    legend_columns = max(1, int(width / LEGEND_ENTRY_INCHES))
    legend_inches = LEGEND_LINE_INCHES * math.ceil(len(entries) / legend_columns) + 0.1
    height = HEAD_INCHES + sum(map(_line_inches, lines)) + legend_inches
    figure = new_figure(figsize=(width, height), dpi=dpi)
    page = _Page(figure, width, height)
    for number in range(per_line):
        for column, head in enumerate(heads):
            middle = number * step + SAMPLE_GAP_INCHES / 2 + (column + 0.5) * (PANEL_INCHES + GAP_INCHES)
            page.text(middle, height - HEAD_INCHES / 2, head, fontsize=9, ha='center', va='center')
    top = height - HEAD_INCHES
    for line in lines:
        for number, row in enumerate(line):
            left = number * step + SAMPLE_GAP_INCHES / 2
            _draw_row(page, row, left, top, sample_inches, _panel_inches(line), palette)
        top -= _line_inches(line)
    if entries:
        legend = figure.legend(
            handles=entries, loc='lower center', ncol=min(legend_columns, len(entries)), fontsize=8, frameon=False
        )
        for name in legend.get_texts():
            name.set_parse_math(False)
    return figure


def save_panels(rows: Sequence[PanelRow], path: str | os.PathLike, **options) -> None:
    """Write what :func:`draw_panels` draws with these options; the suffix decides the format."""
    save_figure(draw_panels(rows, **options), path)


def save_small_panels(rows: Sequence[PanelRow], path: str | os.PathLike, **options) -> None:
    """Write what :func:`draw_panels` draws with these options as a PNG of fewer shades, a fourth of the size."""
    save_figure_small(draw_panels(rows, **options), path)


def show_panels(rows: Sequence[PanelRow], **options) -> None:
    """Show what :func:`draw_panels` draws with these options in a window, and wait until it is closed.

    Raises:
        UserError: If matplotlib has no window to draw in.
    """
    check_can_show()
    from matplotlib import pyplot

    draw_panels(rows, new_figure=pyplot.figure, **options)
    pyplot.show()


def check_can_show() -> None:
    """Refuse where matplotlib draws into files only.

    Raises:
        UserError: If there is no display, or no toolkit for windows is installed.
    """
    from matplotlib import pyplot

    try:
        figure = pyplot.figure()
    except ImportError as error:
        raise _no_window(error) from error
    toolkit = figure.canvas.required_interactive_framework
    pyplot.close(figure)
    if toolkit is None:
        raise _no_window(f'the backend {matplotlib.get_backend()}, which draws into files only')


def _no_window(found: object) -> UserError:
    return UserError(
        'No window can be opened here.',
        looked_for='a display, and a backend of matplotlib with windows (TkAgg, QtAgg, ...)',
        found=found,
        remedy='write to files with --out instead',
    )


@dataclass(frozen=True)
class _Page:
    """A figure measured in inches from its lower left corner."""

    figure: Figure
    width: float
    height: float

    def axes(self, left: float, bottom: float, width: float, height: float) -> Axes:
        return self.figure.add_axes((left / self.width, bottom / self.height, width / self.width, height / self.height))

    def text(self, x: float, y: float, text: str, **style) -> None:
        self.figure.text(x / self.width, y / self.height, text, parse_math=False, **style)


def _draw_row(
    page: _Page, row: PanelRow, left: float, top: float, width: float, panel_height: float, palette: np.ndarray
) -> None:
    page.text(left, top - 0.6 * TITLE_INCHES, row.title, fontsize=7.5, weight='bold', va='center')
    bottom = top - TITLE_INCHES - panel_height
    if row.problem:
        axes = page.axes(left, bottom, width - GAP_INCHES, panel_height)
        frame_axes(axes, 'tab:red')
        text = _wrapped(row.problem, int(width * CHARACTERS_PER_INCH))
        axes.text(
            0.01, 0.95, text, fontsize=7, family='monospace', color='tab:red', va='top', clip_on=True, parse_math=False
        )
        return
    for number, panel in enumerate(row.panels):
        axes = page.axes(left + number * (PANEL_INCHES + GAP_INCHES), bottom, PANEL_INCHES, panel_height)
        # The nearest pixels of a large image would leave holes in its strokes.
        smaller = panel.shape[1] > PANEL_INCHES * page.figure.dpi
        show_image(axes, _picture(panel, palette), interpolation='antialiased' if smaller else 'nearest')
        axes.set_anchor('N')
        axes.set_xlabel(_wrapped(panel.caption, CAPTION_CHARACTERS), fontsize=7, labelpad=2, parse_math=False)


def _picture(panel: Panel, palette: np.ndarray) -> np.ndarray:
    if panel.labels is None:
        return panel.image
    if panel.image is None:
        return palette[panel.labels]
    return over_faded(panel.image, panel.labels, palette, panel.opacity)


def _wrapped(text: str, characters: int) -> str:
    return '\n'.join(textwrap.fill(line, characters, subsequent_indent='  ') for line in text.splitlines())


def _panel_inches(line: Sequence[PanelRow]) -> float:
    aspects = [panel.shape[0] / panel.shape[1] for row in line for panel in row.panels]
    return PANEL_INCHES * min(max([*aspects, MIN_ASPECT]), MAX_ASPECT)


def _line_inches(line: Sequence[PanelRow]) -> float:
    captions = [_wrapped(panel.caption, CAPTION_CHARACTERS) for row in line for panel in row.panels if panel.caption]
    caption_lines = max((caption.count('\n') + 1 for caption in captions), default=0)
    return TITLE_INCHES + _panel_inches(line) + CAPTION_INCHES * caption_lines + GAP_INCHES


def _legend(rows: Sequence[PanelRow], class_names: Sequence[str] | None, palette: np.ndarray) -> list:
    panels = [panel for row in rows for panel in row.panels if panel.labels is not None]
    with_void = any((panel.labels == VOC_VOID).any() for panel in panels if panel.image is None)
    return class_patches((panel.labels for panel in panels), class_names, palette, with_void)


def _check_sizes(rows: Sequence[PanelRow]) -> None:
    for row in rows:
        for panel in row.panels:
            if panel.image is not None and panel.labels is not None and panel.labels.shape != panel.image.shape[:2]:
                raise UserError(
                    f'{panel.head} of {row.title} has another size than the image.',
                    looked_for=panel.image.shape[:2],
                    found=panel.labels.shape,
                )
