"""How far long work is: lines in a log, bars on a terminal."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from sdp_plugin import bars
from sdp_plugin.bars import Bar, Board, duration_text, over


@pytest.mark.parametrize(
    ('seconds', 'text'),
    [(3.4, '3 s'), (89, '89 s'), (95, '2 min'), (3600, '60 min'), (12000, '3 h 20 min'), (190_000, '2 d 4 h')],
)
def test_durations_as_people_say_them(seconds, text):
    assert duration_text(seconds) == text


@pytest.fixture
def clock(monkeypatch):
    """Goes on four seconds at each look."""
    times = iter(range(0, 1000, 4))
    monkeypatch.setattr(bars.time, 'monotonic', lambda: next(times))


def test_a_log_gets_a_line_every_so_often(clock, capsys):
    assert list(over(range(10), 'images')) == list(range(10))
    lines = capsys.readouterr().err.splitlines()
    assert lines == ['images: 30%, 28 s left', 'images: 60%, 16 s left', 'images: 90%, 4 s left']


def test_what_was_there_before_does_not_make_it_faster(clock):
    said = []
    bar = Bar('download', 100_000_000, said.append, in_bytes=True, done=50_000_000)
    for _ in range(3):
        bar.advance(12_000_000)
    assert said == ['download: 86 MB, 3.0 MB/s, 86%, 5 s left']


def test_without_a_total_there_is_no_time_left(clock):
    said = []
    bar = Bar('download', None, said.append, in_bytes=True)
    for _ in range(3):
        bar.advance(12_000_000)
    assert said == ['download: 36 MB, 3.0 MB/s']


def test_a_terminal_has_a_bar_until_the_work_has_ended(monkeypatch):
    stream = io.StringIO()
    with Board(Console(file=stream, force_terminal=True, width=100)) as board:
        with board.bar('tiles', 10, done=4) as bar:
            bar.advance(3)
            board._bars.refresh()
            assert '7/10' in stream.getvalue()
            board.say('one is left out')
        assert not board._bars.tasks
    assert 'one is left out' in stream.getvalue()
