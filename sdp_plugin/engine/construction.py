"""What the classes that a config names raise while they are built: one error that says which of them refuses what."""

from __future__ import annotations

import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from mmengine.config import Config
from mmengine.registry import build_from_cfg

from sdp_plugin.errors import UserError

NO_FAULTS = (UserError, OSError, MemoryError, torch.cuda.OutOfMemoryError)
"""What is no fault of a config: it has an error of its own, or is tried again with less at once."""


@contextmanager
def faults_of(cfg: Config, problem: str = 'The config cannot be built.') -> Iterator[None]:
    """Turn whatever is raised in the context into the one error, with the classes that were being built.

    For building, and for the first use of what was built: there a config that does not fit is the likeliest reason by
    far, and the classes of the libraries raise anything from KeyError to AssertionError.

    Args:
        cfg (Config): What is built, to name its file.
        problem (str): What failed, in one sentence.

    Raises:
        UserError: For any exception but those of ``NO_FAULTS``, which pass.
    """
    try:
        yield
    except NO_FAULTS:
        raise
    except Exception as error:
        types = _under_construction(error)
        raise UserError(
            problem,
            looked_for=f'values that fit {" > ".join(types)}' if types else None,
            found=first_line(error),
            remedy=f'mend it in {cfg.filename}, or in --cfg-options; SDP_TRACEBACK=1 before the command shows where it '
            'was raised',
        ) from error


def first_line(error: Exception) -> str:
    """The exception's type and what its text begins with, or ends with where a worker's traceback stands before it."""
    # A KeyError prints its text as Python would write it.
    text = str(error.args[0] if isinstance(error, KeyError) and error.args else error).strip()
    if not text:
        return type(error).__name__
    if 'DataLoader worker process' in text:
        return text.splitlines()[-1]
    return f'{type(error).__name__}: {text.splitlines()[0]}'


def _under_construction(error: Exception) -> list[str]:
    """The types that were being built when it was raised, from the outermost to the one that raised it."""
    configs = [
        frame.f_locals.get('cfg')
        for frame, _ in traceback.walk_tb(error.__traceback__)
        if frame.f_code is build_from_cfg.__code__
    ]
    types = [config.get('type') for config in configs if isinstance(config, Mapping)]
    return [getattr(kind, '__name__', str(kind)) for kind in types if kind is not None]
