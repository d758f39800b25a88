"""Geometry of the report's pictures: numbers in, positions and paths of an SVG out. The templates draw them.

Positions are in units of the picture's own coordinate system, which is shown at about one pixel a unit.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

Point = tuple[float, float]
Band = tuple[float, float, float]  # x, low, high

WIDTH, HEIGHT = 360, 250
LEFT, RIGHT, TOP, BOTTOM = 46, 348, 12, 208
ROW = 34
FOREST_LEFT, FOREST_RIGHT = 92, 346
STRIP_WIDTH = 112


@dataclass(frozen=True)
class Tick:
    """A labelled position on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Mark:
    """A marker with the text that pointing at it shows."""

    x: float
    y: float
    title: str = ''


@dataclass(frozen=True)
class Trace:
    """One initialisation in a panel.

    Args:
        name (str): What the legend says.
        style (int): Number of its colour, marker and dashes.
        line (str): Path of the line, ``''`` without one.
        band (str): Path of the band round it, ``''`` without one.
        bar (str): Path of the interval of a single point, which has no band; ``''`` elsewhere.
        marks (tuple[Mark, ...]): Markers on the line.
        dots (tuple[Mark, ...]): Single runs.
        rings (tuple[Mark, ...]): Published values.
    """

    name: str
    style: int
    line: str = ''
    band: str = ''
    bar: str = ''
    marks: tuple[Mark, ...] = ()
    dots: tuple[Mark, ...] = ()
    rings: tuple[Mark, ...] = ()


@dataclass(frozen=True)
class Plot:
    """A picture with two axes.

    Args:
        id (str): Unique on the page.
        title (str): The heading above it.
        description (str): What it shows, for those who cannot see it.
        x_label (str): Below the horizontal axis.
        y_label (str): Above the vertical axis.
        x_ticks (tuple[Tick, ...]): Ascending.
        y_ticks (tuple[Tick, ...]): Ascending.
        traces (tuple[Trace, ...]): In the order of drawing.
        diagonal (str): Path of a line for orientation, ``''`` without one.
    """

    id: str
    title: str
    description: str
    x_label: str
    y_label: str
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    traces: tuple[Trace, ...]
    diagonal: str = ''


@dataclass(frozen=True)
class ForestRow:
    """A difference with its intervals, as positions; None where there is none."""

    label: str
    count: str
    y: float
    mean: float
    outer: tuple[float, float] | None
    inner: tuple[float, float] | None
    margin: tuple[float, float] | None
    dots: tuple[Mark, ...]
    title: str


@dataclass(frozen=True)
class Forest:
    """Differences below each other, on one axis."""

    id: str
    title: str
    description: str
    height: float
    zero: float
    x_ticks: tuple[Tick, ...]
    x_label: str
    rows: tuple[ForestRow, ...]


@dataclass(frozen=True)
class Strip:
    """The runs of one cell of the table as dots on a line, with mean and interval, on the axis of the data set."""

    dots: tuple[float, ...]
    mean: float
    interval: tuple[float, float] | None
    title: str


@dataclass(frozen=True)
class Difference:
    """What a row of a forest shows, in points."""

    label: str
    mean: float
    interval_95: tuple[float, float] | None
    interval_90: tuple[float, float] | None
    margin: float | None
    values: tuple[float, ...]
    titles: tuple[str, ...]


@dataclass(frozen=True)
class Line:
    """What a trace shows, in the units of the axes.

    Args:
        name (str): What the legend says.
        style (int): Number of its look.
        points (Sequence[Point]): Of the line.
        band (Sequence[Band]): Low and high at each x, where known.
        dots (Sequence[tuple[float, float, str]]): Single runs with their titles.
        rings (Sequence[tuple[float, float, str]]): Published values with their titles.
        marked (bool): Whether the points of the line get markers.
    """

    name: str
    style: int
    points: Sequence[Point]
    band: Sequence[Band] = ()
    dots: Sequence[tuple[float, float, str]] = ()
    rings: Sequence[tuple[float, float, str]] = ()
    marked: bool = False


def scale(low: float, high: float, first: float, last: float) -> Callable[[float], float]:
    """The linear map of low to first and high to last, rounded to a tenth of a unit."""
    factor = (last - first) / ((high - low) or 1.0)
    return lambda value: round(first + (value - low) * factor, 1)


def nice_step(span: float, about: int = 5) -> float:
    """1, 2 or 5 times a power of ten that divides ``span`` into about so many parts."""
    raw = (span or 1.0) / about
    power = 10.0 ** math.floor(math.log10(raw))
    return next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)


def nice_range(values: Iterable[float], about: int = 5) -> tuple[float, float, list[float]]:
    """Round ends that hold all values, and the round numbers between them."""
    values = list(values)
    low, high = min(values), max(values)
    step = nice_step(high - low or 1.0, about)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    if first == last:
        first, last = first - 1, last + 1
    return first * step, last * step, [index * step for index in range(first, last + 1)]


def number(value: float) -> str:
    """A tick's number: no more digits than it needs, and a minus sign that is one."""
    return f'{value:.10g}'.replace('-', '\N{MINUS SIGN}')


def plot(
    id: str,
    title: str,
    description: str,
    lines: Sequence[Line],
    x_label: str,
    y_label: str,
    x_ticks: Sequence[tuple[float, str]] | None = None,
    y_ticks: Sequence[tuple[float, str]] | None = None,
    diagonal: bool = False,
) -> Plot:
    """Lay out lines between two axes.

    Args:
        id (str): Unique on the page.
        title (str): The heading above it.
        description (str): What it shows, for those who cannot see it.
        lines (Sequence[Line]): At least one with a point.
        x_label (str): Below the horizontal axis.
        y_label (str): Beside the vertical axis.
        x_ticks (Sequence[tuple[float, str]] | None): Positions and labels; chosen from the data if None.
        y_ticks (Sequence[tuple[float, str]] | None): Positions and labels; chosen from the data if None.
        diagonal (bool): Whether to draw the line from corner to corner.
    """
    low_x, high_x, x_ticks = _axis(_horizontals(lines), x_ticks)
    low_y, high_y, y_ticks = _axis(_verticals(lines), y_ticks)
    to_x, to_y = scale(low_x, high_x, LEFT, RIGHT), scale(low_y, high_y, BOTTOM, TOP)
    return Plot(
        id,
        title,
        description,
        x_label,
        y_label,
        tuple(Tick(to_x(at), label) for at, label in x_ticks),
        tuple(Tick(to_y(at), label) for at, label in y_ticks),
        tuple(_trace(line, to_x, to_y) for line in lines),
        path([(LEFT, BOTTOM), (RIGHT, TOP)]) if diagonal else '',
    )


def forest(id: str, title: str, description: str, differences: Sequence[Difference], x_label: str) -> Forest:
    """Lay out differences below each other. At least one."""
    ends = [0.0]
    for difference in differences:
        ends += [difference.mean, *difference.values, *(difference.interval_95 or ()), *(difference.interval_90 or ())]
        ends += [difference.margin or 0.0, -(difference.margin or 0.0)]
    low, high, ticks = nice_range(ends, about=6)
    to_x = scale(low, high, FOREST_LEFT, FOREST_RIGHT)

    def across(interval: tuple[float, float] | None) -> tuple[float, float] | None:
        return None if interval is None else (to_x(interval[0]), to_x(interval[1]))

    rows = tuple(
        ForestRow(
            difference.label,
            f'n = {len(difference.values)}',
            14 + ROW * (index + 0.5),
            to_x(difference.mean),
            across(difference.interval_95),
            across(difference.interval_90),
            across(None if difference.margin is None else (-difference.margin, difference.margin)),
            tuple(Mark(to_x(value), 0, text) for value, text in zip(difference.values, difference.titles, strict=True)),
            _difference_title(difference),
        )
        for index, difference in enumerate(differences)
    )
    x_ticks = tuple(Tick(to_x(at), number(at)) for at in ticks)
    return Forest(id, title, description, 14 + ROW * len(rows), to_x(0), x_ticks, x_label, rows)


def strip(
    values: Sequence[float], mean: float, interval: tuple[float, float] | None, low: float, high: float, title: str
) -> Strip:
    """Lay out the runs of one cell of the table on the axis from ``low`` to ``high``, which hold all."""
    to_x = scale(low, high, 4, STRIP_WIDTH - 4)
    ends = None if interval is None else (to_x(interval[0]), to_x(interval[1]))
    return Strip(tuple(map(to_x, values)), to_x(mean), ends, title)


def path(points: Iterable[Point]) -> str:
    """The path of an SVG through the points, ``''`` without any."""
    return ''.join(f'{"L" if index else "M"}{x:g} {y:g}' for index, (x, y) in enumerate(points))


def thinned(items: Sequence, most: int = 100) -> list:
    """At most ``most`` of the items, evenly, the first and the last among them."""
    if len(items) <= most:
        return list(items)
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def _difference_title(difference: Difference) -> str:
    text = f'{difference.label}: {difference.mean:+.2f}'
    if difference.interval_95:
        text += ' (95 % interval {:+.2f} to {:+.2f})'.format(*difference.interval_95)
    return text.replace('-', '\N{MINUS SIGN}')


def _axis(
    values: list[float], ticks: Sequence[tuple[float, str]] | None
) -> tuple[float, float, Sequence[tuple[float, str]]]:
    if ticks is None:
        low, high, positions = nice_range(values)
        return low, high, [(at, number(at)) for at in positions]
    return min(at for at, _ in ticks), max(at for at, _ in ticks), ticks


def _horizontals(lines: Sequence[Line]) -> list[float]:
    return [item[0] for line in lines for items in (line.points, line.band, line.dots, line.rings) for item in items]


def _verticals(lines: Sequence[Line]) -> list[float]:
    ends = [end for line in lines for _, low, high in line.band for end in (low, high)]
    return ends + [item[1] for line in lines for items in (line.points, line.dots, line.rings) for item in items]


def _trace(line: Line, to_x: Callable[[float], float], to_y: Callable[[float], float]) -> Trace:
    def marks(items: Iterable[tuple[float, float, str]]) -> tuple[Mark, ...]:
        return tuple(Mark(to_x(x), to_y(y), title) for x, y, title in items)

    points = [(to_x(x), to_y(y)) for x, y in line.points]
    upper = [(to_x(x), to_y(high)) for x, _, high in line.band]
    lower = [(to_x(x), to_y(low)) for x, low, _ in reversed(line.band)]
    return Trace(
        line.name,
        line.style,
        path(points) if len(points) > 1 else '',
        f'{path(upper + lower)}Z' if len(upper) > 1 else '',
        path(upper + lower) if len(upper) == 1 else '',
        tuple(Mark(x, y) for x, y in points) if line.marked else (),
        marks(line.dots),
        marks(line.rings),
    )
