"""The line of progress on the terminal."""

from __future__ import annotations

import io
import sys
from types import SimpleNamespace

import pytest
from mmengine.logging import MMLogger

from sdp_plugin.engine.progress import ProgressLineHook, output_to


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(params=[io.StringIO, Terminal], ids=['file', 'terminal'])
def stdout(request, monkeypatch):
    stream = request.param()
    monkeypatch.setattr(sys, '__stdout__', stream)
    return stream


@pytest.fixture
def clock(monkeypatch):
    now = SimpleNamespace(seconds=1000.0)
    monkeypatch.setattr('sdp_plugin.engine.progress.time.monotonic', lambda: now.seconds)
    return now


def train_for(hook, clock, iterations, seconds_each, start=0, total=100):
    runner = SimpleNamespace(iter=start, max_iters=total, test_dataloader=range(4))
    hook.before_train(runner)
    for _ in range(iterations):
        clock.seconds += seconds_each
        hook.after_train_iter(runner, 0, outputs={'loss': 1.25})
        runner.iter += 1
    return runner


def test_prints_every_interval_with_the_time_left(stdout, clock):
    train_for(ProgressLineHook(interval=20), clock, iterations=50, seconds_each=1)
    lines = [line.strip() for line in stdout.getvalue().replace('\r', '\n').splitlines() if line.strip()]
    assert lines == [
        'training: iteration 20 of 100, loss 1.250, 1:20 left',
        'training: iteration 40 of 100, loss 1.250, 1:00 left',
    ]


def test_the_time_left_of_a_resumed_training_counts_what_is_left(stdout, clock):
    train_for(ProgressLineHook(interval=20), clock, iterations=20, seconds_each=1, start=60)
    assert 'iteration 80 of 100, loss 1.250, 0:20 left' in stdout.getvalue()


def test_a_terminal_gets_one_line_and_a_file_many(stdout, clock):
    train_for(ProgressLineHook(interval=1), clock, iterations=5, seconds_each=2)
    assert stdout.getvalue().count('\n') == (0 if stdout.isatty() else 5)


def test_testing_is_reported_too(stdout, clock):
    hook = ProgressLineHook(interval=5)
    runner = train_for(hook, clock, iterations=1, seconds_each=1)
    hook.before_test(runner)
    clock.seconds += 6
    hook.after_test_iter(runner, 1)
    assert 'testing: batch 2 of 4, 0:06 left' in stdout.getvalue()


def test_the_log_goes_to_a_file_and_the_line_to_the_terminal(stdout, clock, tmp_path):
    with output_to(tmp_path / 'new' / 'console.log'):
        print('a line of the log')
        train_for(ProgressLineHook(interval=1), clock, iterations=1, seconds_each=2)
    with output_to(tmp_path / 'new' / 'console.log'):
        print('another line')
    assert (tmp_path / 'new' / 'console.log').read_text() == 'a line of the log\nanother line\n'
    assert 'iteration 1 of 100' in stdout.getvalue()


def test_output_returns_when_the_training_fails(tmp_path, capsys):
    def fail() -> None:
        with output_to(tmp_path / 'console.log'):
            print('in the log')
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    print('on the terminal')
    assert capsys.readouterr().out == 'on the terminal\n'


def test_a_logger_of_the_block_can_be_used_after_it(tmp_path, capsys):
    with output_to(tmp_path / 'console.log'):
        logger = MMLogger.get_instance('test-progress')
        logger.info('inside')
    logger.info('outside')
    assert 'inside' in (tmp_path / 'console.log').read_text()
    assert 'Logging error' not in capsys.readouterr().err
