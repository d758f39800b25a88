from __future__ import annotations

import json

import pytest

from sdp_plugin.analysis.tables import Result, summarise, to_json, to_markdown, to_text
from sdp_plugin.errors import UserError

RESULTS = [
    Result('random', 'PCam', 1, 62.0),
    Result('random', 'PCam', 0, 60.0),
    Result('scribbles', 'PCam', 0, 71.0),
    Result('scribbles', 'CRC', 0, 80.0),
    Result('scribbles', 'CRC', 1, 81.0),
    Result('scribbles', 'CRC', 2, 85.0),
]


def test_mean_and_sample_deviation():
    cell = next(cell for cell in summarise(RESULTS) if cell.dataset == 'CRC')
    assert cell.mean == pytest.approx(82.0)
    assert cell.sd == pytest.approx(7**0.5)


def test_repeats_are_sorted_with_their_values():
    cell = summarise(RESULTS)[0]
    assert (cell.repeats, cell.values) == ((0, 1), (60.0, 62.0))


def test_a_single_value_gets_no_deviation_in_any_form():
    single = [Result('random', 'PCam', 0, 60.0)]
    assert '±' not in to_markdown(single).split('\n', 1)[1]
    assert '±' not in to_text(single).split('\n', 1)[1]
    assert json.loads(to_json(single))['cells'][0]['sd'] is None


def test_markdown_table():
    lines = to_markdown(RESULTS).splitlines()
    assert lines[2:6] == [
        '| Initialisation | PCam | CRC |',
        '|---|---|---|',
        '| random | 61.00 ± 1.41 (n = 2) | - |',
        '| scribbles | 71.00 (n = 1) | 82.00 ± 2.65 (n = 3) |',
    ]


@pytest.mark.parametrize('render', [to_markdown, to_text, to_json])
def test_every_single_value_is_shown(render):
    text = render(RESULTS)
    for result in RESULTS:
        assert f'{result.value:.1f}' in text


def test_text_columns_are_aligned():
    lines = to_text(RESULTS).splitlines()
    header, rows = lines[2], lines[4:6]
    column = header.index('CRC')
    assert rows[0][column] == '-'
    assert rows[1][column:].startswith('82.00')


def test_a_bar_in_a_name_does_not_split_a_markdown_cell():
    row = to_markdown([Result('a|b', 'PCam', 0, 50.0)]).splitlines()[4]
    assert row.replace(r'\|', '').count('|') == 3


@pytest.mark.parametrize(
    ('results', 'problem'),
    [
        ([], 'no result'),
        ([Result('random', 'PCam', 0, float('nan'))], 'not a number'),
        ([Result('random', 'PCam', 0, 60.0), Result('random', 'PCam', 0, 61.0)], 'appears twice'),
    ],
)
def test_unusable_results(results, problem):
    with pytest.raises(UserError, match=problem):
        to_text(results)
