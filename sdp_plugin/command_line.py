"""What the command lines of all tools have in common."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from sdp_plugin import __version__


class ToolParser(argparse.ArgumentParser):
    """A parser that shows a tool's docstring as it is written, and knows ``--version``.

    Args:
        description (str | None): The tool's docstring.
        **kwargs: Of :class:`argparse.ArgumentParser`.
    """

    def __init__(self, description: str | None = None, **kwargs) -> None:
        kwargs.setdefault('formatter_class', argparse.RawDescriptionHelpFormatter)
        super().__init__(description=description, **kwargs)
        self.add_argument('--version', action='version', version=f'sdp_plugin {__version__}')


def at_least(least: int) -> Callable[[str], int]:
    """The ``type`` of an argument that is a whole number from ``least`` on."""

    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f'{text} is less than {least}')
        return int(text)

    return number


def positive(text: str) -> float:
    """The ``type`` of an argument that is a number above 0 and below 1,000, such as a width or a resolution."""
    number = float(text)
    if not 0 < number < 1000:
        raise argparse.ArgumentTypeError(f'{text} is not between 0 and 1000')
    return number
