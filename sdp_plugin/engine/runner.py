"""MMEngine's runner, which says in one error what does not fit in a config, or what a full disk does not take."""

from __future__ import annotations

import difflib
import errno
import logging
import sys
from pathlib import Path

from mmengine import runner
from mmengine.config import Config
from mmengine.dist import master_only
from mmengine.logging import MMLogger
from mmengine.optim import OptimWrapper, OptimWrapperDict
from mmengine.registry import OPTIMIZERS
from torch import nn

from sdp_plugin.engine.construction import faults_of
from sdp_plugin.errors import UserError
from sdp_plugin.files import atomic_path


class Runner(runner.Runner):
    """MMEngine's runner, which writes its config whole, and ends when its log cannot be written.

    Python's log handlers print a traceback instead, for each line. What a class of the config raises while it is built,
    here or when the training begins, is one error.
    """

    _first_iteration = 0

    @classmethod
    def from_cfg(cls, cfg: Config) -> Runner:
        """Build a runner from a config, and the network, hooks and visualizer with it."""
        with faults_of(cfg):
            return super().from_cfg(cfg)

    def build_optim_wrapper(self, optim_wrapper: OptimWrapper | OptimWrapperDict | dict) -> OptimWrapper:
        """MMEngine's wrapper of the optimiser; of a class that there is not, MMEngine does not say the name."""
        optimiser = optim_wrapper.get('optimizer') if isinstance(optim_wrapper, dict) else None
        kind = optimiser.get('type') if isinstance(optimiser, dict) else None
        if isinstance(kind, str) and OPTIMIZERS.get(kind) is None:
            close = difflib.get_close_matches(kind, OPTIMIZERS.module_dict)
            raise UserError(
                'The optimiser of the config is not registered.',
                looked_for='optim_wrapper.optimizer.type: a class of torch.optim, or one that a config imports',
                found=kind,
                remedy=f'did you mean {" or ".join(close)}?' if close else '',
            )
        return super().build_optim_wrapper(optim_wrapper)

    def load_or_resume(self) -> None:
        """Load the weights to begin with, and keep count of where the training begins."""
        super().load_or_resume()
        self._first_iteration = self.iter

    def train(self) -> nn.Module:
        """Train; what does not fit in the config shows by the end of the first step, and is one error.

        Raises:
            UserError: Anything was raised before the first step was done. Later, exceptions are what they are.
        """
        try:
            return super().train()
        except Exception:
            if self.iter > self._first_iteration:
                raise
            with faults_of(self.cfg, 'The training cannot make its first step.'):
                raise

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
