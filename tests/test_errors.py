"""The one exception for mistakes that a person can correct, and how tools show it."""

from __future__ import annotations

import errno
import os
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from torch.utils.data import DataLoader

from sdp_plugin.errors import UserError, exits_on_user_error, user_error_of
from sdp_plugin.files import naming

ROOT = Path(__file__).parents[1]


def test_says_what_where_and_what_to_do():
    error = UserError('It is missing.', looked_for='a/b', found=3, remedy='make it')
    assert str(error) == 'It is missing.\n  looked for: a/b\n  found:      3\n  what to do: make it'


def test_leaves_out_what_is_not_given():
    assert str(UserError('It is missing.')) == 'It is missing.'
    assert str(UserError('It is missing.', found=0)) == 'It is missing.\n  found:      0'


@pytest.mark.parametrize(('returned', 'status'), [(None, 0), (0, 0), (3, 3)])
def test_a_tool_that_ends_well(returned, status, capsys):
    assert exits_on_user_error(lambda: returned)() == status
    assert capsys.readouterr() == ('', '')


def test_a_tool_that_meets_a_mistake(capsys):
    def main(path):
        raise UserError('It is missing.', looked_for=path)

    assert exits_on_user_error(main)('a/b') == 2
    assert capsys.readouterr() == ('', 'error: It is missing.\n  looked for: a/b\n')


def test_a_tool_that_is_interrupted(capsys):
    def main():
        raise KeyboardInterrupt

    assert exits_on_user_error(main)() == 130
    assert 'Traceback' not in capsys.readouterr().err


def test_a_reader_that_has_read_enough_is_no_error():
    program = (
        'import sys; from sdp_plugin.errors import exits_on_user_error as e; '
        "sys.exit(e(lambda: print('line\\n' * 100_000))())"
    )
    shell = f'"{sys.executable}" -c "{program}" | head -1'
    done = subprocess.run(['bash', '-c', shell], capture_output=True, text=True, cwd=Path(__file__).parents[1])
    assert (done.stdout, done.stderr) == ('line\n', '')


def test_a_fault_of_the_program_keeps_its_traceback():
    def main():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        exits_on_user_error(main)()


class Spoilt:
    """A data set whose items cannot be read."""

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> None:
        try:
            raise KeyError('the cause')
        except KeyError as cause:
            raise UserError('It cannot be read.', found='UserError: as text', remedy='fetch it again') from cause


def test_a_mistake_met_by_a_worker_reads_the_same(capsys):
    status = exits_on_user_error(lambda: list(DataLoader(Spoilt(), num_workers=1)))()
    assert status == 2
    message = 'It cannot be read.\n  found:      UserError: as text\n  what to do: fetch it again'
    assert capsys.readouterr().err == f'error: {message}\n'


@pytest.mark.parametrize('number', [errno.ENOSPC, errno.EROFS, errno.EACCES, errno.ENOENT, errno.EBUSY, errno.EIO])
def test_what_the_operating_system_refuses(number, capsys):
    def main():
        raise OSError(number, os.strerror(number), '/some/file')

    assert exits_on_user_error(main)() == 2
    error = capsys.readouterr().err
    assert '/some/file' in error
    assert os.strerror(number) in error
    assert 'what to do' in error


class Refused(Spoilt):
    """A data set whose disk is full."""

    def __getitem__(self, index: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), '/some/file')


def test_what_it_refuses_to_a_worker_reads_the_same(capsys):
    assert exits_on_user_error(lambda: list(DataLoader(Refused(), num_workers=1)))() == 2
    assert capsys.readouterr().err == f'error: {user_error_of(OSError(28, "", "/some/file"))}\n'.replace(
        '/some/file', "'/some/file'"
    )


def test_the_first_of_two_errors_is_shown(capsys):
    def main():
        try:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), '/first')
        finally:
            raise OSError(errno.EACCES, os.strerror(errno.EACCES), '/second')

    assert exits_on_user_error(main)() == 2
    error = capsys.readouterr().err
    assert '/first' in error
    assert '/second' not in error


def test_an_error_that_explains_another_is_shown(capsys):
    def main():
        try:
            os.stat('/there/is/no/such/file')
        except OSError as error:
            raise UserError('It is missing.') from error

    assert exits_on_user_error(main)() == 2
    assert capsys.readouterr().err == 'error: It is missing.\n'


def test_output_that_cannot_be_written_is_an_error():
    program = "import sys; from sdp_plugin.errors import exits_on_user_error as e; sys.exit(e(lambda: print('line'))())"
    with open('/dev/full', 'w') as full:
        done = subprocess.run(
            [sys.executable, '-c', program],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            cwd=Path(__file__).parents[1],
        )
    assert done.returncode == 2
    assert done.stderr.startswith('error: ')
    assert done.stderr.count('No space left') == 1


OF_A_WORKER = "Caught FileNotFoundError in DataLoader worker process 0.\n[Errno 2] No such file: '/data/a.jpg'"


@pytest.mark.parametrize(
    ('text', 'found'),
    [
        (OF_A_WORKER, 'looked for: /data/a.jpg\n  found:      No such file or directory'),
        ('HDF5 (errno = 28, ...)', 'looked for: work_dirs/training\n  found:      No space left on device'),
        ('image file is truncated', 'found:      image file is truncated'),
    ],
)
def test_a_text_is_not_lost_to_the_name_of_what_was_being_done(text, found):
    with pytest.raises(OSError) as raised, naming('work_dirs/training'):  # noqa: PT011
        raise OSError(text)
    assert found in str(user_error_of(raised.value)).replace("'", '')


@pytest.mark.parametrize(('wrapped', 'status'), [('print("ü ☃")', 0), ('raise UserError("ü ☃")', 2)])
def test_an_output_without_these_letters_takes_them(wrapped, status):
    done = run_wrapped(wrapped, {'PYTHONIOENCODING': 'ascii'})
    assert done.returncode == status
    assert b'\\xfc \\u2603' in done.stdout + done.stderr
    assert b'Traceback' not in done.stderr


def test_a_closed_output_is_no_error():
    done = run_wrapped('print("a")', {}, shell_end='>&-')
    assert (done.returncode, done.stderr) == (0, b'')


def run_wrapped(line: str, variables: dict[str, str], shell_end: str = '') -> subprocess.CompletedProcess:
    """A tool of one line, in a process of its own."""
    program = f'from sdp_plugin.errors import *\ndef main(): {line}\nraise SystemExit(exits_on_user_error(main)())'
    command = f'{shlex.quote(sys.executable)} -c {shlex.quote(program)} {shell_end}'
    environment = os.environ | {'PYTHONPATH': str(ROOT)} | variables
    return subprocess.run(command, shell=True, capture_output=True, env=environment)
