from __future__ import annotations

import pytest

from sdp_plugin.report import charts
from sdp_plugin.report.charts import Difference, Line


@pytest.mark.parametrize(
    ('values', 'ticks'),
    [
        ([61.2, 83.0], [60, 65, 70, 75, 80, 85]),
        ([0.011, 0.049], [0.01, 0.02, 0.03, 0.04, 0.05]),
        ([-3, 12], [-5, 0, 5, 10, 15]),
        ([70, 70], [69.8, 70, 70.2]),
    ],
)
def test_nice_range(values, ticks):
    low, high, found = charts.nice_range(values)
    assert low <= min(values)
    assert max(values) <= high
    assert found[0] == pytest.approx(low)
    assert found == pytest.approx(ticks)


def test_positions_are_where_the_axes_say():
    picture = charts.plot('p', 't', 'd', [Line('a', 0, [(0, 10), (100, 20)], marked=True)], 'x', 'y')
    at_x = {tick.label: tick.at for tick in picture.x_ticks}
    at_y = {tick.label: tick.at for tick in picture.y_ticks}
    marks = picture.traces[0].marks
    assert [(mark.x, mark.y) for mark in marks] == [(at_x['0'], at_y['10']), (at_x['100'], at_y['20'])]
    assert at_y['10'] > at_y['20']


def test_a_band_goes_up_one_side_and_down_the_other():
    line = Line('a', 0, [(0, 1), (1, 2)], band=[(0, 0, 2), (1, 1, 3)])
    picture = charts.plot('p', 't', 'd', [line], 'x', 'y', x_ticks=[(0, ''), (1, '')], y_ticks=[(0, ''), (3, '')])
    top, bottom = charts.TOP, charts.BOTTOM
    third = round((bottom - top) / 3, 1)
    wanted = [(46, bottom - 2 * third), (348, top), (348, bottom - third), (46, bottom)]
    numbers = picture.traces[0].band.rstrip('Z').replace('M', '').split('L')
    points = [tuple(map(float, point.split())) for point in numbers]
    assert [value for point in points for value in point] == pytest.approx(
        [value for point in wanted for value in point], abs=0.2
    )


def test_a_single_point_has_a_bar_instead_of_line_and_band():
    line = Line('a', 0, [(0, 1)], band=[(0, 0, 2)], marked=True)
    trace = charts.plot('p', 't', 'd', [line], 'x', 'y', y_ticks=[(0, ''), (2, '')]).traces[0]
    assert (trace.line, trace.band, len(trace.marks)) == ('', '', 1)
    x = trace.marks[0].x
    assert trace.bar == f'M{x:g} {charts.TOP}L{x:g} {charts.BOTTOM}'


def test_forest_shows_intervals_and_margin_on_one_axis():
    rows = [
        Difference('A', 1.0, (0.5, 1.5), (0.6, 1.4), 2.0, (0.4, 1.6), ('r0', 'r1')),
        Difference('B', -4.0, None, None, None, (-4.0,), ('r0',)),
    ]
    picture = charts.forest('f', 't', 'd', rows, 'points')
    first, second = picture.rows
    assert first.outer[0] < first.inner[0] < first.mean < first.inner[1] < first.outer[1]
    assert first.margin[0] < picture.zero < first.mean < first.margin[1]
    assert picture.zero - first.margin[0] == pytest.approx(first.margin[1] - picture.zero, abs=0.2)
    assert second.mean < picture.zero
    assert (second.outer, second.inner, second.margin) == (None, None, None)
    assert '\N{MINUS SIGN}4.00' in second.title


@pytest.mark.parametrize('count', [1, 99, 100, 101, 1000])
def test_thinned_keeps_the_ends(count):
    found = charts.thinned(range(count))
    assert len(found) == min(count, 100)
    assert (found[0], found[-1]) == (0, count - 1)
    assert found == sorted(set(found))
