"""The one exception for mistakes that a person can correct, and how command-line tools show it."""

from __future__ import annotations

import errno
import functools
import io
import os
import re
import signal
import sys
import traceback
from collections.abc import Callable, Sequence

TRACEBACK = 'SDP_TRACEBACK'
"""Environment variable that, set to 1, shows where an error was raised; for those who write classes of their own."""

_END_OF_TRACEBACK = re.compile(r'^(?:\w+\.)*UserError: ', re.MULTILINE)
# How Python and HDF5 print an OSError; with a worker's traceback before it, it is all that a DataLoader leaves of one.
_PRINTED = re.compile(r"(?:\[Errno |errno = )(\d+)[^\n]*?(?:: b?('[^'\n]*'|\"[^\"\n]*\"))?$", re.MULTILINE)

# Of what was found: others' files hold words of any length.
_LONGEST = 4000
_REMEDIES = {
    errno.ENOSPC: 'free space there, or name another folder, and run the command again (a training with --resume)',
    errno.EDQUOT: 'free space within your quota, or name another folder, and run the command again',
    errno.EFBIG: 'that disk takes no file of this size: name another folder',
    errno.EROFS: 'that disk cannot be written: name another folder',
    errno.EACCES: 'get access to it and to the folders above it, or name another one',
    errno.EPERM: 'get access to it and to the folders above it, or name another one',
    errno.ENOENT: 'check the name: it was removed in the meantime, or was never there',
    errno.ENOTDIR: 'a part of the name is a file where a folder is meant: name another one',
    errno.EISDIR: 'a file is meant: name another one, or move the folder away',
    errno.EEXIST: 'name another one, or move what is there away',
    errno.ENAMETOOLONG: 'give it a shorter name',
    errno.EBUSY: 'something else uses it: run the command again when that has ended',
    errno.EMFILE: 'allow more open files (ulimit -n), or run fewer workers',
    errno.ENFILE: 'allow more open files, or run fewer workers',
    errno.EIO: 'the disk or the network reports a fault: copy what matters, and have it looked at',
    errno.ESTALE: 'the network drive has lost it: run the command again',
    errno.ELOOP: 'its links point at each other: mend them',
    errno.ENOMEM: 'close other programs, or run fewer workers',
}


class UserError(ValueError):
    """A mistake in data, configuration or usage that its reader can correct.

    Args:
        problem (str): What is wrong, in one sentence.
        looked_for (object): What was expected, where it helps.
        found (object): What was there instead.
        remedy (str): What to do about it.
    """

    def __init__(self, problem: str, *, looked_for: object = None, found: object = None, remedy: str = '') -> None:
        lines = [problem]
        if looked_for is not None:
            lines.append(f'  looked for: {looked_for}')
        if found is not None:
            lines.append(f'  found:      {found!s:.{_LONGEST}}')
        if remedy:
            lines.append(f'  what to do: {remedy}')
        super().__init__('\n'.join(lines))


def shortened(names: Sequence[str], shown: int = 6, separator: str = ', ') -> str:
    """The first few of ``names``, and how many more there are."""
    more = f' and {len(names) - shown} more' if len(names) > shown else ''
    return separator.join(names[:shown]) + more


def user_error_of(error: OSError | MemoryError) -> UserError:
    """What the operating system refuses, as one error with the file and what to do.

    Args:
        error (OSError | MemoryError): Also one that a worker of a DataLoader raised, of which only text is left.
    """
    if isinstance(error, MemoryError):
        return UserError(
            'The memory is exhausted.', found=str(error) or None, remedy='use smaller batches, or fewer workers'
        )
    number, path = error.errno, error.filename
    if number is None:
        number, path = printed_by(error)
    what = os.strerror(number) if number else (str(error).strip().splitlines() or [type(error).__name__])[-1]
    return UserError(
        'The operating system refuses to read or write.',
        looked_for=path if error.filename2 is None else f'{path} -> {error.filename2}',
        found=what,
        remedy=_REMEDIES.get(number, 'see whether that disk is full, or cannot be written'),
    )


def printed_by(error: OSError) -> tuple[int | None, str | None]:
    """The number and the file that an error without a number has in its text, such as HDF5's."""
    found = list(_PRINTED.finditer(str(error)))
    return (int(found[-1][1]), found[-1][2]) if found else (None, None)


def concerns_all(error: BaseException) -> bool:
    """Whether the system refuses what it will refuse to all other work in that place: a disk is full, or fails."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def first_of(error: BaseException, before: BaseException | None = None) -> BaseException:
    """The error that came first, where cleaning up after it failed, too; ``before`` is none of them."""
    while isinstance(error.__context__, (UserError, OSError)) and not error.__suppress_context__:
        if error.__context__ is before:
            break
        error = error.__context__
    return error


def exits_on_user_error(main: Callable[..., int | None]) -> Callable[..., int]:
    """Let a tool's ``main`` end in the message of a :class:`UserError` and exit status 2, without a traceback.

    What the operating system refuses (a full disk, no permission, no memory) is such an error, too.
    """

    @functools.wraps(main)
    def wrapper(*args, **kwargs) -> int:
        _let_output_take_any_name()
        try:
            status = main(*args, **kwargs) or 0
            if sys.stdout is not None:
                sys.stdout.flush()
            return status
        except BrokenPipeError:
            # `| head` has read enough.
            _forget_output()
            return 128 + signal.SIGPIPE
        except (UserError, OSError, MemoryError) as error:
            shown = first_of(error)
            shown = shown if isinstance(shown, UserError) else user_error_of(shown)
            if os.environ.get(TRACEBACK) == '1':
                traceback.print_exception(error)
            print(f'error: {_without_worker_traceback(str(shown))}', file=sys.stderr)
            _flush_output()
            return 2
        except KeyboardInterrupt:
            print('interrupted', file=sys.stderr)
            return 130

    return wrapper


def _let_output_take_any_name() -> None:
    # Files have names that the encoding of an output may not have; no output at all is None.
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors='backslashreplace')


def _flush_output() -> None:
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except OSError:
        _forget_output()


def _forget_output() -> None:
    # Python would complain once more when it flushes at its end.
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _without_worker_traceback(message: str) -> str:
    # A DataLoader re-raises a worker's exception with the worker's traceback as its message.
    return _END_OF_TRACEBACK.split(message)[-1].rstrip()
