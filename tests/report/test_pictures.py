from __future__ import annotations

from dataclasses import replace

import pytest

from sdp_plugin.report import pictures
from sdp_plugin.report.model import Column


def test_accuracy_is_drawn_for_each_data_set_with_all_runs(report):
    panels = pictures.accuracy_panels(report)
    assert [panel.title for panel in panels] == ['CRC', 'PCam']
    for panel in panels:
        assert [trace.name for trace in panel.traces] == list(report.initialisations)
        assert [len(trace.dots) for trace in panel.traces] == [12] * 4
        assert all(trace.line and trace.band and len(trace.marks) == 3 for trace in panel.traces)


def test_sizes_are_under_their_marks(report):
    panel = pictures.accuracy_panels(report)[1]
    ticks = {tick.label: tick.at for tick in panel.x_ticks}
    middle = [sum(trace.marks[1].x for trace in panel.traces) / 4]
    assert middle == pytest.approx([ticks['2,000']], abs=1)


def test_each_initialisation_looks_its_own_way(report):
    assert [pictures.style_of(report, name) for name in report.initialisations] == [0, 1, 2, 3]


def test_comparisons_have_a_row_a_cell(report):
    groups = pictures.forests(report)
    assert [len(group) for group in groups] == [1, 1, 1]
    assert [row.label for row in groups[0][0].rows] == [column.label for column in report.columns]


def test_comparisons_without_a_pair_are_not_drawn(report):
    block = report.comparisons[0]
    empty = [
        replace(row, comparison=replace(row.comparison, difference=None, n=0), differences=()) for row in block.rows
    ]
    assert pictures.forests(replace(report, comparisons=(replace(block, rows=tuple(empty)),))) == [[]]


def test_strips_of_a_data_set_share_an_axis(report):
    strips = pictures.strips(report, 'accuracy/top1')
    first, second = (report.entry('', 'Random', Column('PCam', size)) for size in (1000, 3000))
    places = [strips[entry.position] for entry in (first, second)]
    values = [value.value for entry in (first, second) for value in entry.summaries['accuracy/top1'].values]
    dots = [dot for place in places for dot in place.dots]
    assert [dot for _, dot in sorted(zip(values, dots, strict=True))] == sorted(dots)


def test_reliability_is_drawn_with_its_diagonal(report):
    panels = pictures.reliability_panels(report)
    assert [panel.title for panel in panels] == [column.label for column in report.columns]
    assert all(panel.diagonal and panel.x_ticks[-1].label == panel.y_ticks[-1].label == '100' for panel in panels)
    assert [len(trace.marks) for trace in panels[-1].traces] == [15] * 4
    assert pictures.reliability_panels(replace(report, calibration=None)) == []


def test_steps_are_whole(report):
    losses = (3.0, 2.0, 1.0)
    short = [replace(curve, x=(1, 2, 3), mean=losses, low=losses, high=losses) for curve in report.learning]
    panel = pictures.learning_panels(replace(report, learning=tuple(short), pretraining=()))[0]
    assert [tick.label for tick in panel.x_ticks] == ['1', '2', '3']


def test_losses_that_are_not_positive_are_not_on_the_logarithmic_axis(report):
    curve = replace(report.learning[0], low=(0.0,) * len(report.learning[0].low))
    panels = pictures.learning_panels(replace(report, learning=(curve, *report.learning[1:4]), pretraining=()))
    assert [len(panel.traces) for panel in panels] == [3]


@pytest.mark.parametrize(
    ('low', 'high', 'labels'),
    [
        (0.03, 2.1, ['0.02', '0.05', '0.1', '0.2', '0.5', '1', '2', '5']),
        (1e-6, 1, ['1e-06', '1e-05', '0.0001', '0.001', '0.01', '0.1', '1']),
    ],
)
def test_logarithmic_ticks_hold_both_ends(low, high, labels):
    assert [label for _, label in pictures._log_ticks(low, high)] == labels
