"""Files that are written whole or not at all."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_disk import largest_file

from sdp_plugin.files import (
    CsvWriter,
    _remove_left_over,
    atomic_path,
    is_hidden,
    read_regular_file,
    sole_use,
    write_json_atomically,
    write_text_atomically,
)


def test_writes_into_a_new_folder(tmp_path):
    write_text_atomically(tmp_path / 'new' / 'deeper' / 'a.txt', 'naïve\n')
    assert (tmp_path / 'new' / 'deeper' / 'a.txt').read_bytes() == 'naïve\n'.encode()


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('old')
    with atomic_path(path) as temporary:
        temporary.write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('before', [None, 'old'])
def test_a_failure_leaves_things_as_they_were(tmp_path, before):
    path = tmp_path / 'a.txt'
    if before is not None:
        path.write_text(before)

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text('half of')
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == ([path] if before else [])
    assert before is None or path.read_text() == before


def test_the_temporary_file_has_the_suffix_and_the_folder_of_the_final_one(tmp_path):
    with atomic_path(tmp_path / 'a.tar.png') as first, atomic_path(tmp_path / 'a.tar.png') as second:
        assert first.suffix == '.png'
        assert first.parent == tmp_path
        assert first != second
        for temporary in (first, second):
            temporary.touch()


KILLED = """
import os, signal, sys
from sdp_plugin.files import atomic_path
with atomic_path(sys.argv[1]) as temporary:
    temporary.write_bytes(bytes(1000))
    os.kill(os.getpid(), signal.SIGKILL)
"""


def killed_while_writing(path: Path) -> None:
    done = subprocess.run([sys.executable, '-c', KILLED, str(path)], cwd=Path(__file__).parents[1], check=False)
    assert done.returncode == -9


def test_what_a_killed_process_left_is_removed_by_the_next_one(tmp_path):
    for _ in range(2):
        killed_while_writing(tmp_path / 'a.pth')
        (left,) = tmp_path.iterdir()
        assert is_hidden(left)
    write_text_atomically(tmp_path / 'b.txt', 'new')
    assert [path.name for path in tmp_path.iterdir()] == ['b.txt']


@pytest.mark.parametrize(
    'fails',
    [
        lambda path: path.write_bytes(bytes(5000)),
        lambda path: path.write_text('a' * 5000),  # fails once more as the file is closed
        lambda path: path.mkdir() or path.open('w'),
    ],
)
def test_an_error_names_the_file_and_not_the_temporary_one(tmp_path, fails):
    with (
        pytest.raises(OSError, match=r'a\.bin') as caught,
        largest_file(1000),
        atomic_path(tmp_path / 'a.bin') as temporary,
    ):
        fails(temporary)
    assert caught.value.filename == str(tmp_path / 'a.bin')


def test_a_folder_that_is_read_as_a_file_is_named(tmp_path):
    with pytest.raises(IsADirectoryError) as caught:
        read_regular_file(tmp_path, 10)
    assert caught.value.filename == str(tmp_path)


def test_a_lock_leaves_nothing_on_a_full_disk(tmp_path):
    with largest_file(0), sole_use(tmp_path / '.lock', 'work', 'go elsewhere'):
        assert (tmp_path / '.lock').exists()
    assert list(tmp_path.iterdir()) == []


def test_what_was_being_handled_before_is_not_what_a_write_met(tmp_path):
    try:
        os.stat(tmp_path / 'none')
    except OSError:
        with pytest.raises(RuntimeError, match='else'), atomic_path(tmp_path / 'a'):
            raise RuntimeError('something else')  # noqa: B904


def test_what_a_living_process_writes_stays(tmp_path):
    with atomic_path(tmp_path / 'a.pth') as living:
        living.touch()
        _remove_left_over.cache_clear()
        write_text_atomically(tmp_path / 'a.pth', 'new')
        assert living.exists()


def test_what_another_machine_left_is_removed_after_a_day(tmp_path):
    young, old = tmp_path / '.a.elsewhere.7.01234567.txt', tmp_path / '.a.elsewhere.7.89abcdef.txt'
    mine = tmp_path / '.a.notes.txt'
    for path in (young, old, mine):
        path.touch()
    os.utime(old, (0, 0))
    os.utime(mine, (0, 0))
    write_text_atomically(tmp_path / 'a.txt', 'new')
    assert (young.exists(), old.exists(), mine.exists()) == (True, False, True)


@pytest.mark.parametrize('name', ['a' * 251 + '.txt', 'ä' * 125 + '.txt'])
def test_names_of_any_length(tmp_path, name):
    write_text_atomically(tmp_path / name, 'new')
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_what_went_wrong_is_not_hidden_by_cleaning_up(tmp_path, monkeypatch):
    def refuse(self, missing_ok=False):
        raise PermissionError(13, 'Permission denied', str(self))

    monkeypatch.setattr(Path, 'unlink', refuse)
    with pytest.raises(OSError, match='No space'), atomic_path(tmp_path / 'a.txt'):
        raise OSError(28, 'No space left on device')


def test_reads_regular_files_alone(tmp_path):
    (tmp_path / 'a').write_bytes(bytes(10))
    os.mkfifo(tmp_path / 'pipe')
    assert read_regular_file(tmp_path / 'a', 10) == bytes(10)
    for path, most, words in ((tmp_path / 'a', 9, '10 bytes'), (tmp_path / 'pipe', 9, 'no regular file')):
        with pytest.raises(ValueError, match=words):
            read_regular_file(path, most)


def test_json_has_no_bare_nan(tmp_path):
    write_json_atomically(tmp_path / 'a.json', {'a': math.nan, 'b': [math.inf, 1.5, 'ü'], 'c': (True, None)})
    text = (tmp_path / 'a.json').read_text(encoding='utf-8')
    assert json.loads(text, parse_constant=pytest.fail) == {'a': None, 'b': [None, 1.5, 'ü'], 'c': [True, None]}


@pytest.mark.parametrize('text', ['=cmd|calc', '+1+1', '-2+3', '@SUM(A1)', '\t=1', '\r=1', '=1'])
def test_a_table_has_no_formulas(text):
    out = io.StringIO()
    CsvWriter(out).writerows([[text, f'x{text}']])
    assert next(csv.reader(io.StringIO(out.getvalue(), newline=''))) == [f"'{text}", f'x{text}']


@pytest.mark.parametrize('cell', ['-0.5', '+1', '-1.25e-07', -2.5, 3, 'a=b', '', None])
def test_numbers_stay_numbers(cell):
    out = io.StringIO()
    CsvWriter(out).writerow([cell, 'end'])
    assert out.getvalue() == f'{"" if cell is None else cell},end\r\n'
