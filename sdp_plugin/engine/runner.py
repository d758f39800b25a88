"""MMEngine's runner on a disk that fills up: what cannot be written ends it in an error that says which file."""

from __future__ import annotations

import errno
import logging
import sys
from pathlib import Path

from mmengine import runner
from mmengine.dist import master_only
from mmengine.logging import MMLogger

from sdp_plugin.files import atomic_path


class Runner(runner.Runner):
    """MMEngine's runner, which writes its config whole, and ends when its log cannot be written.

    Python's log handlers print a traceback instead, for each line.
    """

    def build_logger(self, *args, **kwargs) -> MMLogger:
        """MMEngine's logger; its handlers raise what the system refuses."""
        logger = super().build_logger(*args, **kwargs)
        for handler in logger.handlers:
            handler.handleError = lambda record, handler=handler: _raise(handler, record)
        return logger

    @master_only
    def dump_config(self) -> None:
        """Write the config to the work directory, all of it or nothing."""
        path = Path(self.work_dir, Path(self.cfg.filename or f'{self.timestamp}.py').name)
        with atomic_path(path) as temporary:
            self.cfg.dump(str(temporary))


def _raise(handler: logging.StreamHandler, record: logging.LogRecord) -> None:
    error = sys.exc_info()[1]
    # A reader of the output that has gone ends no training.
    if not isinstance(error, OSError) or error.errno == errno.EPIPE:
        logging.Handler.handleError(handler, record)
        return
    error.filename = getattr(handler, 'baseFilename', None) or handler.stream.name
    raise error
