from __future__ import annotations

import sys
import threading

import pytest
from mmengine.logging import MMLogger

from sdp_plugin.engine.output import output_to


def test_what_is_printed_goes_to_the_file(tmp_path, capsys):
    log = tmp_path / 'new' / 'log.txt'
    for line in ('first', 'second'):
        with output_to(log):
            print(line)
            print('a warning', file=sys.stderr)
    print('after')
    assert log.read_text() == 'first\na warning\nsecond\na warning\n'
    assert capsys.readouterr() == ('after\n', '')


def test_output_returns_when_the_training_fails(tmp_path, capsys):
    def fail() -> None:
        with output_to(tmp_path / 'log.txt'):
            print('in the log')
            raise ZeroDivisionError

    before = sys.stdout, sys.stderr
    with pytest.raises(ZeroDivisionError):
        fail()
    assert (sys.stdout, sys.stderr) == before
    print('on the terminal')
    assert capsys.readouterr().out == 'on the terminal\n'


def test_each_thread_has_its_file(tmp_path, capsys):
    """Threads that begin and end in any order; one prints to the terminal meanwhile."""
    first_is_in, second_is_in, first_is_out = threading.Event(), threading.Event(), threading.Event()

    def first() -> None:
        with output_to(tmp_path / 'first.txt'):
            first_is_in.set()
            assert second_is_in.wait(10)
            print('of the first')
        first_is_out.set()

    def second() -> None:
        assert first_is_in.wait(10)
        with output_to(tmp_path / 'second.txt'):
            second_is_in.set()
            assert first_is_out.wait(10)
            print('of the second')

    before = sys.stdout, sys.stderr
    threads = [threading.Thread(target=job) for job in (first, second)]
    for thread in threads:
        thread.start()
    assert second_is_in.wait(10)
    print('of the terminal')
    for thread in threads:
        thread.join(10)
    assert (tmp_path / 'first.txt').read_text() == 'of the first\n'
    assert (tmp_path / 'second.txt').read_text() == 'of the second\n'
    assert capsys.readouterr().out == 'of the terminal\n'
    assert (sys.stdout, sys.stderr) == before


def test_a_logger_of_the_block_can_be_used_after_it(tmp_path, capsys):
    with output_to(tmp_path / 'log.txt'):
        logger = MMLogger.get_instance('test-output')
        logger.info('inside')
    logger.info('outside')
    MMLogger._instance_dict.pop('test-output')
    assert 'inside' in (tmp_path / 'log.txt').read_text()
    captured = capsys.readouterr()
    assert 'outside' in captured.out
    assert 'Logging error' not in captured.err
