"""What the command lines of all tools have in common."""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from pathlib import Path

from sdp_plugin import __version__
from sdp_plugin.errors import UserError


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

    def _get_value(self, action: argparse.Action, arg_string: str) -> object:
        # `$FOLDER` that is not set: an empty path would be the current folder.
        if not arg_string:
            raise argparse.ArgumentError(action, 'an empty text is given: name what is meant, or leave it out')
        return super()._get_value(action, arg_string)


def at_least(least: int, most: float = math.inf) -> Callable[[str], int]:
    """The ``type`` of an argument that is a whole number from ``least`` on, and up to ``most``."""

    def number(text: str) -> int:
        if int(text) < least:
            raise argparse.ArgumentTypeError(f'{text} is less than {least}')
        if int(text) > most:
            raise argparse.ArgumentTypeError(f'{text} is more than {most}')
        return int(text)

    return number


def not_negative(text: str) -> float:
    """The ``type`` of an argument that is a finite number from 0 on, such as seconds."""
    number = float(text)
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f'{text} is no number from 0 on')
    return number


def positive(text: str) -> float:
    """The ``type`` of an argument that is a number above 0 and below 1,000, such as a width or a resolution."""
    number = float(text)
    if not 0 < number < 1000:
        raise argparse.ArgumentTypeError(f'{text} is not between 0 and 1000')
    return number


def check_folders(*folders: Path | None) -> None:
    """Check that those folders are there which were named.

    Raises:
        UserError: One is not.
    """
    for folder in folders:
        if folder is not None and not folder.is_dir():
            raise UserError('There is no such folder.', looked_for=folder)


def folder_or_none(text: str) -> Path:
    """The ``type`` of an argument that names a folder, which need not be there yet, and need not be writable."""
    path = Path(text)
    if os.path.lexists(path) and not os.path.isdir(path):
        raise argparse.ArgumentTypeError(f'{path} is no folder: name another one, or move it away')
    if not os.path.isdir(nearest := _nearest(path)):
        raise argparse.ArgumentTypeError(f'{path} cannot be a folder: {nearest} is none')
    return path


def folder_to_write(text: str) -> Path:
    """The ``type`` of an argument that names a folder to write to, which is made where there is none.

    What would keep it from being written is said before hours of work, not after them.
    """
    return _with_access(folder_or_none(text), Path(text))


def file_to_write(text: str) -> Path:
    """The ``type`` of an argument that names a file to write, as :func:`folder_to_write`; one there is replaced."""
    path = Path(text)
    if os.path.lexists(path) and not os.path.isfile(path):
        raise argparse.ArgumentTypeError(f'{path} is no file: name another one, or move it away')
    if not os.path.isdir(nearest := _nearest(path.parent)):
        raise argparse.ArgumentTypeError(f'{path} cannot be written: {nearest} is no folder')
    return _with_access(path, path.parent)


def _nearest(path: Path) -> Path:
    # `os.path` takes a place that cannot be looked at for none, where `pathlib` raises.
    return next(place for place in (path.absolute(), *path.absolute().parents) if os.path.lexists(place))


def _with_access(path: Path, folder: Path) -> Path:
    if not os.access(nearest := _nearest(folder), os.W_OK | os.X_OK):
        raise argparse.ArgumentTypeError(f'{path} cannot be written: there is no access to {nearest}')
    return path
