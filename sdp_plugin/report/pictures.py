"""Which pictures the report has: its data as lines, differences and strips, which :mod:`charts` lays out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence

from sdp_plugin.grid.records import FINE_TUNING
from sdp_plugin.report.charts import (
    Difference,
    Forest,
    Line,
    Plot,
    Strip,
    forest,
    nice_range,
    number,
    plot,
    strip,
)
from sdp_plugin.report.model import (
    PRETRAINING_COLUMN,
    Column,
    ComparisonBlock,
    Curve,
    Entry,
    Position,
    Report,
    Row,
    label_of,
)
from sdp_plugin.statistics import Interval

NUM_STYLES = 8
MINUS = '\N{MINUS SIGN}'
# Neighbouring initialisations are moved apart by this part of the distance of two sizes, so that none hides another.
APART = 0.07
PERCENT_TICKS = [(tick / 100, str(tick)) for tick in range(0, 101, 20)]


def style_of(report: Report, initialisation: str) -> int:
    """Number of the look of an initialisation."""
    return report.initialisations.index(initialisation) % NUM_STYLES


def accuracy_panels(report: Report) -> list[Plot]:
    """For each variant, data set and method: the main metric against the labelled examples of each class."""
    panels = []
    for variant in report.variants:
        for dataset in dict.fromkeys(column.dataset for column in report.columns):
            columns = [column for column in report.columns if column.dataset == dataset]
            for method in dict.fromkeys(row.method for row in report.rows):
                lines = [
                    line
                    for position, name in enumerate(report.initialisations)
                    if (line := _accuracy_line(report, variant, Row(name, method), columns, position))
                ]
                if lines:
                    heading = _heading(dataset, method)
                    panels.append(_accuracy_panel(report, variant, heading, columns, lines, len(panels)))
    return panels


def forests(report: Report) -> list[list[Forest]]:
    """For each comparison, for each variant: the differences on all data sets and sizes."""
    return [
        [
            picture
            for variant in report.variants
            if (picture := _forest(block, variant, f'forest-{number}-{report.variants.index(variant)}'))
        ]
        for number, block in enumerate(report.comparisons)
    ]


def learning_panels(report: Report) -> list[Plot]:
    """For each variant, data set and size: the loss against the step, on a logarithmic axis."""
    before = [curve for curve in report.pretraining if min(curve.low) > 0]
    after = [curve for curve in report.learning if min(curve.low) > 0]
    return [
        *_curve_panels(report, before, 'pretraining', _learning_panel, (PRETRAINING_COLUMN,)),
        *_curve_panels(report, after, 'learning', _learning_panel, report.columns),
    ]


def roc_panels(report: Report) -> list[Plot]:
    """For each variant, data set and size: the ROC curves."""
    return _curve_panels(report, report.roc, 'roc', _roc_panel, report.columns)


def reliability_panels(report: Report) -> list[Plot]:
    """For each variant, data set, size and method: accuracy against confidence."""
    curves = report.calibration.reliability if report.calibration else ()
    return _curve_panels(report, curves, 'reliability', _reliability_panel, report.columns)


def strips(report: Report, metric: str) -> dict[Position, Strip]:
    """For each entry with a result: its runs, on one axis for each data set."""
    found = {}
    for dataset in dict.fromkeys(column.dataset for column in report.columns):
        entries = [entry for entry in report.entries if entry.column.dataset == dataset and metric in entry.summaries]
        if not entries:
            continue
        low, high, _ = nice_range(end for entry in entries for end in _ends(entry, metric))
        for entry in entries:
            summary = entry.summaries[metric]
            values = [value.value for value in summary.values]
            interval = _interval(summary.interval)
            title = f'{len(values)} runs: {", ".join(f"{value:.2f}" for value in values)}; axis {low:g} to {high:g}'
            found[entry.position] = strip(values, summary.mean, interval, low, high, title)
    return found


def _ends(entry: Entry, metric: str) -> Iterable[float]:
    summary = entry.summaries[metric]
    yield from (value.value for value in summary.values)
    yield from _interval(summary.interval) or ()


def _accuracy_line(report: Report, variant: str, row: Row, columns: Sequence[Column], position: int) -> Line | None:
    name = row.initialisation
    shift = APART * (position - (len(report.initialisations) - 1) / 2)
    points, band, dots, rings = [], [], [], []
    for index, column in enumerate(columns):
        entry = report.entry(variant, name, column, row.method)
        if entry is None:
            continue
        x = index + shift
        if summary := entry.summaries.get(report.metric):
            points.append((x, summary.mean))
            dots += [(x, value.value, f'{name}, {value.place}: {value.value:.2f}') for value in summary.values]
            if interval := _interval(summary.interval):
                band.append((x, *interval))
        if entry.published and not entry.published.obstacle:
            rings.append((x, entry.published.cell.mean, f'{name}, the paper: {entry.published.cell}'))
    if not points:
        return None
    return Line(name, style_of(report, name), points, band, dots, rings, marked=True)


def _accuracy_panel(
    report: Report, variant: str, heading: str, columns: Sequence[Column], lines: Sequence[Line], number: int
) -> Plot:
    sizes = [(index, column.size) for index, column in enumerate(columns)]
    edge = 0.5
    ticks = [(-edge, ''), *sizes, (len(columns) - 1 + edge, '')]
    means = '; '.join(f'{line.name} {", ".join(f"{mean:.1f}" for _, mean in line.points)}' for line in lines)
    return plot(
        f'by-labels-{number}',
        _title(variant, heading),
        f'Means in per cent for {", ".join(label for _, label in sizes)} labelled examples of each class: {means}.',
        lines,
        'labelled examples of each class',
        f'{label_of(report.metric)} in %',
        x_ticks=ticks,
    )


def _forest(block: ComparisonBlock, variant: str, id: str) -> Forest | None:
    rows = [row for row in block.rows if row.variant == variant and row.comparison.difference is not None]
    if not rows:
        return None
    differences = [
        Difference(
            row.column.label,
            row.comparison.difference,
            _interval(row.comparison.test and row.comparison.test.interval),
            _interval(row.comparison.test and row.comparison.test.equivalence_interval),
            row.comparison.margin,
            tuple(value.value for value in row.differences),
            tuple(f'{row.column.label}, {value.place}: {value.value:+.2f}' for value in row.differences),
        )
        for row in rows
    ]
    said = '; '.join(f'{difference.label} {difference.mean:+.2f}' for difference in differences)
    return forest(
        id,
        _title(variant, f'{block.first} {MINUS} {block.second}'),
        f'Mean paired differences in points: {said}.',
        differences,
        'difference in points',
    )


def _interval(interval: Interval | None) -> tuple[float, float] | None:
    return None if interval is None else (interval.low, interval.high)


def _curve_panels(
    report: Report,
    curves: Iterable[Curve],
    id: str,
    draw: Callable[[Report, Sequence[Curve], str, str], Plot],
    columns: Sequence[Column],
) -> list[Plot]:
    panels: dict[tuple[str, Column, str], list[Curve]] = {}
    for curve in curves:
        panels.setdefault((curve.variant, curve.column, curve.method), []).append(curve)
    ordered = sorted(panels.items(), key=lambda item: (report.variants.index(item[0][0]), columns.index(item[0][1])))
    return [
        draw(report, found, f'{id}-{number}', _title(variant, _heading(_name(column), method)))
        for number, ((variant, column, method), found) in enumerate(ordered)
    ]


def _heading(what: str, method: str) -> str:
    return what if method in ('', FINE_TUNING) else f'{what}, {method}'


def _name(column: Column) -> str:
    return column.dataset if column == PRETRAINING_COLUMN else column.label


def _learning_panel(report: Report, curves: Sequence[Curve], id: str, title: str) -> Plot:
    lines = [
        Line(
            curve.initialisation,
            style_of(report, curve.initialisation),
            list(zip(curve.x, map(math.log10, curve.mean), strict=True)),
            list(zip(curve.x, map(math.log10, curve.low), map(math.log10, curve.high), strict=True)),
        )
        for curve in curves
    ]
    ends = ', '.join(f'{curve.initialisation} {curve.mean[-1]:.3g}' for curve in curves)
    lows = [low for curve in curves for low in curve.low]
    highs = [high for curve in curves for high in curve.high]
    return plot(
        id, title, f'Mean loss at the last step: {ends}.', lines, 'step', 'loss (logarithmic)',
        x_ticks=_whole_ticks(x for curve in curves for x in curve.x),
        y_ticks=_log_ticks(min(lows), max(highs)),
    )  # fmt: skip


def _whole_ticks(steps: Iterable[float]) -> list[tuple[float, str]]:
    *_, ticks = nice_range(steps)
    return [(tick, number(tick)) for tick in ticks if tick == round(tick)]


def _log_ticks(low: float, high: float) -> list[tuple[float, str]]:
    """The 1, 2 and 5 times powers of ten that hold both ends; powers of ten alone over more than three of them."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    factors = (1, 2, 5) if last - first <= 3 else (1,)
    values = [factor * 10.0**power for power in range(first - 1, last + 2) for factor in factors]
    below = [value for value in values if value <= low * 1.0001]
    above = [value for value in values if value >= high * 0.9999]
    return [(math.log10(value), f'{value:g}') for value in values if below[-1] <= value <= above[0]]


def _reliability_panel(report: Report, curves: Sequence[Curve], id: str, title: str) -> Plot:
    lines = _lines(report, curves, marked=True)
    said = ', '.join(
        f'{curve.initialisation} {100 * curve.x[-1]:.0f} and {100 * curve.mean[-1]:.0f} %' for curve in curves
    )
    least = min(end for curve in curves for end in (*curve.x, *curve.low))
    ticks = [tick for tick in PERCENT_TICKS if tick[0] >= math.floor(least * 5) / 5]
    return plot(
        id, title, f'Confidence and accuracy of the fifteenth with the highest confidence: {said}.', lines,
        'confidence in %', 'accuracy in %', ticks, ticks, diagonal=True,
    )  # fmt: skip


def _lines(report: Report, curves: Sequence[Curve], marked: bool = False) -> list[Line]:
    return [
        Line(
            curve.initialisation,
            style_of(report, curve.initialisation),
            list(zip(curve.x, curve.mean, strict=True)),
            list(zip(curve.x, curve.low, curve.high, strict=True)),
            marked=marked,
        )
        for curve in curves
    ]


def _roc_panel(report: Report, curves: Sequence[Curve], id: str, title: str) -> Plot:
    lines = _lines(report, curves)
    at = ', '.join(f'{curve.initialisation} {100 * curve.mean[10]:.0f} %' for curve in curves)
    return plot(
        id, title, f'True-positive rate at a false-positive rate of 10 %: {at}.', lines,
        'false-positive rate in %', 'true-positive rate in %', PERCENT_TICKS, PERCENT_TICKS, diagonal=True,
    )  # fmt: skip


def _title(variant: str, rest: str) -> str:
    return f'{variant}: {rest}' if variant else rest
