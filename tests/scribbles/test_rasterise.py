from __future__ import annotations

import itertools
import time

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageDraw

from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.rasterise import DRAWING_MODES, rasterise
from sdp_plugin.scribbles.strokes import ScribbleSet, Stroke

coordinates = st.one_of(
    st.integers(-30, 60),
    st.floats(-30, 60, allow_nan=False),
    st.sampled_from([-1e6, 1e6, -12345.5, 98765.25]),
)
polylines = st.lists(st.tuples(coordinates, coordinates), min_size=1, max_size=7)
extended_polylines = polylines.filter(lambda points: len(np.unique(np.array(points, dtype=float), axis=0)) > 1)
sizes = st.integers(1, 40)


def scribble_set(polylines, width, height, widths=None):
    widths = widths or [None] * len(polylines)
    strokes = [Stroke(np.array(p, float), i, w) for i, (p, w) in enumerate(zip(polylines, widths, strict=True))]
    return ScribbleSet(tuple(strokes), width, height)


def pixels_within(points, radius, height, width):
    """The definition of a line's width, pixel by pixel."""
    y, x = np.mgrid[:height, :width].astype(float)
    pairs = list(itertools.pairwise(points)) or [(points[0], points[0])]
    inside = np.zeros((height, width), bool)
    for (x0, y0), (x1, y1) in pairs:
        dx, dy = x1 - x0, y1 - y0
        square = dx * dx + dy * dy
        along = np.clip(((x - x0) * dx + (y - y0) * dy) / square, 0, 1) if square else 0.0
        # A tolerance, since the two formulas round differently; far-away points cost digits.
        inside |= np.hypot(x - x0 - along * dx, y - y0 - along * dy) <= radius
    return inside


@given(st.lists(polylines, min_size=1, max_size=3), st.sampled_from([1, 2, 3, 4.5, 9]), sizes, sizes)
def test_distance_mode_is_the_definition(lines, line_width, height, width):
    mask = rasterise(scribble_set(lines, width, height), line_width)
    at_least, at_most = np.full((2, height, width), 255, np.uint8)
    for i, points in enumerate(lines):
        at_least[pixels_within(points, line_width / 2 - 1e-6, height, width)] = i
        at_most[pixels_within(points, line_width / 2 + 1e-6, height, width)] = i
    # They differ only for pixels on the very edge of a line.
    assert ((mask == at_least) | (mask == at_most)).all()


@given(st.lists(extended_polylines, min_size=1, max_size=3), st.integers(1, 9), sizes, sizes)
def test_opencv_mode_is_opencv(lines, line_width, height, width):
    mask = rasterise(scribble_set(lines, width, height), line_width, 'opencv')
    expected = np.full((height, width), 255, np.uint8)
    for i, points in enumerate(lines):
        cv2.polylines(expected, [np.rint(points).astype(np.int32)], False, i, line_width)
    assert np.array_equal(mask, expected)


@given(st.lists(extended_polylines, min_size=1, max_size=3), st.integers(1, 9), sizes, sizes)
def test_pillow_mode_is_pillow(lines, line_width, height, width):
    mask = rasterise(scribble_set(lines, width, height), line_width, 'pillow')
    image = Image.new('L', (width, height), 255)
    for i, points in enumerate(lines):
        ImageDraw.Draw(image).line([(round(x), round(y)) for x, y in points], fill=i, width=line_width)
    assert np.array_equal(mask, np.array(image))


@pytest.mark.parametrize('mode', DRAWING_MODES)
@pytest.mark.parametrize('points', [[[5, 4]], [[5, 4], [5, 4]]])
def test_a_stroke_of_one_point_is_a_dot_of_the_line_width(mode, points):
    mask = rasterise(ScribbleSet((Stroke(points, 7),), 11, 9), 3, mode)
    assert np.argwhere(mask == 7).tolist() == [[y, x] for y in (3, 4, 5) for x in (4, 5, 6)]


@pytest.mark.parametrize('mode', ['distance', 'opencv'])
def test_joints_are_closed(mode):
    """A zigzag of sharp turns is one connected piece that covers a disc around each joint."""
    points = np.array([[5, 5], [50, 8], [6, 12], [48, 30], [44, 3]], float)
    mask = rasterise(ScribbleSet((Stroke(points, 0),), 60, 40), 5, mode)
    count, _ = cv2.connectedComponents((mask == 0).astype(np.uint8), connectivity=4)
    assert count == 2
    for x, y in points.astype(int):
        assert (mask[y - 1 : y + 2, x - 1 : x + 2] == 0).all()


@pytest.mark.parametrize('mode', DRAWING_MODES)
def test_later_strokes_lie_over_earlier_ones(mode):
    down, across = [[10, 0], [10, 20]], [[0, 10], [20, 10]]
    assert rasterise(scribble_set([down, across], 21, 21), 3, mode)[10, 10] == 1
    assert rasterise(scribble_set([across, down], 21, 21), 3, mode)[10, 10] == 1
    assert rasterise(scribble_set([down, across], 21, 21), 3, mode)[2, 10] == 0


@pytest.mark.parametrize('mode', DRAWING_MODES)
def test_strokes_are_clipped_at_the_border(mode):
    """What lies outside leaves the direction of what lies inside alone."""
    mask = rasterise(scribble_set([[[-900_000, -900_000], [900_000, 900_000]]], 30, 30), 1, mode)
    assert (np.diagonal(mask) == 0).all()
    far_away = scribble_set([[[500_000, 3], [600_000, 9]], [[-50, -2]]], 30, 30)
    assert (rasterise(far_away, 3, mode) == 255).all()


@pytest.mark.parametrize('mode', DRAWING_MODES)
def test_nothing_drawn_is_nothing_labelled(mode):
    mask = rasterise(ScribbleSet((), 7, 5), 3, mode, ignore_index=9)
    assert mask.shape == (5, 7)
    assert mask.dtype == np.uint8
    assert (mask == 9).all()


@pytest.mark.parametrize('mode', DRAWING_MODES)
def test_another_size_scales_the_strokes_but_not_the_line_width(mode):
    small = rasterise(scribble_set([[[10, 10], [89, 10]]], 100, 40), 3, mode, size=(20, 50))
    directly = rasterise(scribble_set([[[4.75, 4.75], [44.25, 4.75]]], 50, 20), 3, mode)
    assert small.shape == (20, 50)
    assert np.array_equal(small, directly)


@pytest.mark.parametrize('mode', DRAWING_MODES)
def test_a_width_of_its_own_goes_before_the_line_width(mode):
    lines = [[[5, 10], [35, 10]], [[5, 25], [35, 25]]]
    mixed = rasterise(scribble_set(lines, 40, 40, widths=[7.0, None]), 3, mode)
    assert np.array_equal(mixed == 0, rasterise(scribble_set(lines, 40, 40), 7, mode) == 0)
    assert np.array_equal(mixed == 1, rasterise(scribble_set(lines, 40, 40), 3, mode) == 1)
    doubled = rasterise(scribble_set(lines, 40, 40, widths=[7.0, None]), 3, mode, size=(80, 80))
    assert np.array_equal(doubled == 0, rasterise(scribble_set(lines, 40, 40), 14, mode, size=(80, 80)) == 0)
    assert np.array_equal(doubled == 1, rasterise(scribble_set(lines, 40, 40), 3, mode, size=(80, 80)) == 1)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'mode': 'skimage'}, 'unknown drawing mode'),
        ({'line_width': 0}, 'line width'),
        ({'line_width': float('nan')}, 'line width'),
        ({'ignore_index': 256}, 'byte'),
        ({'ignore_index': 1}, 'class of a stroke'),
    ],
)
def test_impossible_requests(arguments, message):
    with pytest.raises(UserError, match=message):
        rasterise(ScribbleSet((Stroke([[1, 1]], 1),), 5, 5), **arguments)


@settings(max_examples=20)
@given(st.integers(0, 2**32 - 1))
def test_many_segments_are_drawn_as_few_are(seed):
    """Strokes longer than the drawing's portions come out whole and in order."""
    rng = np.random.default_rng(seed)
    walk = np.cumsum(rng.integers(-2, 3, (6000, 2)), axis=0) % 50
    whole = rasterise(ScribbleSet((Stroke(walk, 3), Stroke(walk[::-1] / 2, 4)), 50, 50), 2)
    parts = [Stroke(walk[i : i + 101], 3) for i in range(0, 6000, 100)]
    parts += [Stroke(walk[::-1][i : i + 101] / 2, 4) for i in range(0, 6000, 100)]
    assert np.array_equal(whole, rasterise(ScribbleSet(tuple(parts), 50, 50), 2))


def test_absurdly_many_points_do_not_exhaust_the_memory():
    points = np.random.default_rng(0).uniform(-500, 1000, (50_000, 2))
    begin = time.process_time()
    mask = rasterise(ScribbleSet((Stroke(points, 1),), 500, 375))
    assert (mask == 1).all()
    assert time.process_time() - begin < 60
