"""A pickle reader that can rebuild a training checkpoint and nothing else.

``torch.load(weights_only=True)`` refuses the checkpoints that mmengine's Runner writes (their message hub holds
``HistoryBuffer`` and NumPy objects), and mmengine's own remedy admits ``getattr`` and, when that fails, reads the
file without any restriction. Here a global is looked up in a table, never imported by the name that the file gives.

The module is a ``pickle_module`` for :func:`torch.load`, which asks for :class:`Unpickler` and :func:`load`.
"""

from __future__ import annotations

import collections
import pickle
from typing import Any

import numpy as np
import torch
import torch._utils
from mmengine.logging.history_buffer import HistoryBuffer

_HISTORY_STATISTICS = ('min', 'max', 'current', 'mean')


class ForbiddenGlobalError(pickle.UnpicklingError):
    """The file asks for a class or function that no checkpoint needs.

    Args:
        name (str): What it asks for, as ``module.name``.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f'{name} is not among the globals that a checkpoint may use')
        self.name = name


def _encode_latin1(text: str, encoding: str = 'latin1') -> bytes:
    """Stand in for ``codecs.encode``, by which pickle protocol 2 writes bytes, without its other codecs."""
    if encoding not in ('latin1', 'latin-1'):
        raise ForbiddenGlobalError(f'_codecs.encode(..., {encoding!r})')
    return text.encode('latin1')


def _history_statistic(owner: Any, name: str) -> Any:
    """Stand in for ``getattr``, by which the statistics of a ``HistoryBuffer`` are written."""
    if owner is not HistoryBuffer or name not in _HISTORY_STATISTICS:
        raise ForbiddenGlobalError(f'builtins.getattr(..., {name!r})')
    return getattr(HistoryBuffer, name)


_GLOBALS: dict[str, Any] = {
    '_codecs.encode': _encode_latin1,
    'collections.OrderedDict': collections.OrderedDict,
    'mmengine.logging.history_buffer.HistoryBuffer': HistoryBuffer,
    'numpy.dtype': np.dtype,
    'numpy.ndarray': np.ndarray,
    'torch.Size': torch.Size,
    'torch.device': torch.device,
    'torch.torch_version.TorchVersion': torch.torch_version.TorchVersion,
    'torch._utils._rebuild_parameter': torch._utils._rebuild_parameter,
    'torch._utils._rebuild_tensor': torch._utils._rebuild_tensor,
    'torch._utils._rebuild_tensor_v2': torch._utils._rebuild_tensor_v2,
}
for _builtins in ('builtins', '__builtin__'):  # Python 3's name, and the one that protocol 2 writes
    _GLOBALS |= {f'{_builtins}.{kind.__name__}': kind for kind in (set, frozenset, slice, complex, bytearray)}
    _GLOBALS[f'{_builtins}.getattr'] = _history_statistic
for _core in ('numpy._core', 'numpy.core'):  # NumPy 2's name and NumPy 1's
    _GLOBALS[f'{_core}.multiarray._reconstruct'] = np.zeros(0).__reduce__()[0]
    _GLOBALS[f'{_core}.multiarray.scalar'] = np.float64(0).__reduce__()[0]
_GLOBALS |= {
    f'torch.{name}': value
    for name, value in vars(torch).items()
    # Storages are looked up by torch itself in a zip file, and here in files older than torch 1.6.
    if isinstance(value, torch.dtype) or (isinstance(value, type) and name.endswith('Storage'))
}
_GLOBALS |= {
    f'numpy.dtypes.{name}': value
    for name, value in vars(np.dtypes).items()
    if isinstance(value, type) and issubclass(value, np.dtype)
}


class Unpickler(pickle.Unpickler):
    """A :class:`pickle.Unpickler` whose globals come from a fixed table.

    Raises:
        ForbiddenGlobalError: When the file asks for any other.
    """

    def find_class(self, module: str, name: str) -> Any:
        qualified = f'{module}.{name}'
        if qualified not in _GLOBALS:
            raise ForbiddenGlobalError(qualified)
        return _GLOBALS[qualified]


def load(file: Any, **kwargs: Any) -> Any:
    """Read one object from ``file``; what :func:`pickle.load` is, for the restricted reader."""
    return Unpickler(file, **kwargs).load()
