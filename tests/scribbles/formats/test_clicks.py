"""Clicks as published with "What's the Point": read as strokes of one point, every fault named."""

from __future__ import annotations

import json

import numpy as np
import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.formats.clicks import read_clicks


def written(tmp_path, content):
    path = tmp_path / 'clicks.json'
    path.write_text(content if isinstance(content, str) else json.dumps(content))
    return path


def test_a_click_is_a_stroke_of_one_point(tmp_path):
    clicks = {
        '2007_000032': [{'y': 2.5, 'x': 31.25, 'rank': 1, 'cls': 15}, {'x': 700, 'y': 0, 'cls': 0}],
        '2007_000039': [],
    }
    read = read_clicks(written(tmp_path, clicks), num_classes=21)
    assert list(read) == ['2007_000032', '2007_000039']
    assert read['2007_000039'] == ()
    first, second = read['2007_000032']
    assert (first.class_index, second.class_index) == (15, 0)
    assert np.array_equal(first.points, [[31.25, 2.5]])
    assert np.array_equal(second.points, [[700, 0]])


@pytest.mark.parametrize(
    ('content', 'word'),
    [
        ('', 'empty'),
        ('{"2007_000032": [', 'no JSON'),
        ([], 'no clicks'),
        ({'2007_000032': 5}, 'no clicks'),
        ({'2007_000032': [5]}, '2007_000032'),
        ({'2007_000032': [{'x': 1, 'y': 2}]}, 'cls'),
        ({'2007_000032': [{'x': 1, 'y': 2, 'cls': 21}]}, '0 to 20'),
        ({'2007_000032': [{'x': 1, 'y': 2, 'cls': '3'}]}, '0 to 20'),
        ({'2007_000032': [{'x': 1, 'y': 2, 'cls': True}]}, '0 to 20'),
        ({'2007_000032': [{'x': '1', 'y': 2, 'cls': 3}]}, 'no number'),
        ({'2007_000032': [{'x': 1, 'y': False, 'cls': 3}]}, 'no number'),
        ({'2007_000032': [{'x': 'one', 'y': 2, 'cls': 3}]}, 'cannot be drawn'),
        ({'2007_000032': [{'x': None, 'y': 2, 'cls': 3}]}, 'cannot be drawn'),
        ('{"2007_000032": [{"x": NaN, "y": 2, "cls": 3}]}', 'no JSON'),
    ],
)
def test_every_fault_is_one_error_that_names_the_file(tmp_path, content, word):
    path = written(tmp_path, content)
    with pytest.raises(UserError, match=word) as caught:
        read_clicks(path, num_classes=21)
    assert str(path) in str(caught.value)
