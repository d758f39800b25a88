"""What the command lines of all tools have in common."""

from __future__ import annotations

import argparse

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
