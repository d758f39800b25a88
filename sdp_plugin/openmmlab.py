"""Importing MMSegmentation and MMPretrain without what the maintained forks print at import.

They tell of a product of their makers that is not installed ("Could not import OneDL"), twice, by ``print``, and of an
operator that mmcv has only where it was compiled, by a warning.
"""

from __future__ import annotations

import io
import warnings
from contextlib import redirect_stdout
from importlib import import_module

_NOTICE = 'Could not import OneDL'
# From this module's import on, whichever module imports mmcv.cnn first. No network of ours has that operator.
warnings.filterwarnings('ignore', 'Fail to import ``MultiScaleDeformableAttention``')


def import_libraries() -> None:
    """Import what prints; all other lines are printed as they were."""
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            for module in ('mmseg.datasets', 'mmpretrain.datasets'):
                import_module(module)
    finally:
        for line in printed.getvalue().splitlines():
            if _NOTICE not in line:
                print(line)
