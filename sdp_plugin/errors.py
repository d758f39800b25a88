"""The one exception for mistakes that a person can correct, and how command-line tools show it."""

from __future__ import annotations

import functools
import os
import re
import signal
import sys
from collections.abc import Callable

_END_OF_TRACEBACK = re.compile(r'^(?:\w+\.)*UserError: ', re.MULTILINE)


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
            lines.append(f'  found:      {found}')
        if remedy:
            lines.append(f'  what to do: {remedy}')
        super().__init__('\n'.join(lines))


def exits_on_user_error(main: Callable[..., int | None]) -> Callable[..., int]:
    """Let a tool's ``main`` end in the message of a :class:`UserError` and exit status 2, without a traceback."""

    @functools.wraps(main)
    def wrapper(*args, **kwargs) -> int:
        try:
            status = main(*args, **kwargs) or 0
            sys.stdout.flush()
            return status
        except BrokenPipeError:
            # `| head` has read enough. Python would complain once more when it flushes at its end.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 128 + signal.SIGPIPE
        except UserError as error:
            print(f'error: {_without_worker_traceback(str(error))}', file=sys.stderr)
            return 2
        except KeyboardInterrupt:
            print('interrupted', file=sys.stderr)
            return 130

    return wrapper


def _without_worker_traceback(message: str) -> str:
    # A DataLoader re-raises a worker's exception with the worker's traceback as its message.
    return _END_OF_TRACEBACK.split(message)[-1].rstrip()
