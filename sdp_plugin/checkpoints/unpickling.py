"""A pickle reader that can rebuild a training checkpoint and nothing else.

A pickle is a program: it names functions, calls them and sets attributes. Here a name is looked up in a table of
constructors and never imported, each constructor checks its arguments, attributes are set only where a checkpoint
needs it, and only the instructions that ``torch.save`` writes are known. So a file cannot run code, and neither can it
make an array or a tensor that reaches beyond its own memory.

``torch.load(weights_only=True)`` refuses the checkpoints that mmengine's Runner writes (their message hub holds
``HistoryBuffer`` and NumPy objects), and reads what it does not refuse without the checksums of the archive.
"""

from __future__ import annotations

import collections
import math
import pickle
import re
from collections.abc import Callable, Mapping
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np
import torch
from mmengine.logging.history_buffer import HistoryBuffer

STORAGE_DTYPES = {
    'DoubleStorage': torch.float64,
    'FloatStorage': torch.float32,
    'HalfStorage': torch.float16,
    'BFloat16Storage': torch.bfloat16,
    'LongStorage': torch.int64,
    'IntStorage': torch.int32,
    'ShortStorage': torch.int16,
    'CharStorage': torch.int8,
    'ByteStorage': torch.uint8,
    'BoolStorage': torch.bool,
    'ComplexDoubleStorage': torch.complex128,
    'ComplexFloatStorage': torch.complex64,
    'UntypedStorage': torch.uint8,
}
MAX_DIMENSIONS = 32
"""NumPy 1's limit of an array's dimensions, which no checkpoint comes near."""

_NUMPY_TYPE = re.compile(r'b1|[iu][1248]|f[248]|c(8|16)|[US]\d{1,6}')
_HISTORY_STATISTICS = ('min', 'max', 'current', 'mean')
_INSTRUCTIONS = """
    PROTO FRAME STOP MARK POP NONE NEWTRUE NEWFALSE BININT BININT1 BININT2 LONG1 LONG4 BINFLOAT BINUNICODE
    SHORT_BINUNICODE BINUNICODE8 BINBYTES SHORT_BINBYTES BINBYTES8 BINSTRING SHORT_BINSTRING EMPTY_LIST APPEND APPENDS
    EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3 EMPTY_DICT SETITEM SETITEMS EMPTY_SET ADDITEMS FROZENSET BINGET LONG_BINGET
    BINPUT LONG_BINPUT MEMOIZE GLOBAL STACK_GLOBAL REDUCE NEWOBJ BUILD BINPERSID
"""


class ForbiddenGlobalError(UnpicklingError):
    """The file asks for a class or function that no checkpoint needs.

    Args:
        name (str): What it asks for, as ``module.name``.
    """

    def __init__(self, name: str) -> None:
        super().__init__(f'{name} is not among the globals that a checkpoint may use')
        self.name = name


class Name:
    """What a file gets for the name of a class or function: something to call through the table, and nothing else."""

    __slots__ = ('text',)

    def __init__(self, text: str) -> None:
        object.__setattr__(self, 'text', text)

    def __setattr__(self, name: str, value: Any) -> None:
        raise ForbiddenGlobalError(f'{self.text}.{name} = ...')

    def __repr__(self) -> str:
        return self.text


class Storage:
    """The numbers of one or more tensors.

    Args:
        values (torch.Tensor): One-dimensional, of the storage's type.
    """

    def __init__(self, values: torch.Tensor) -> None:
        self.values = values


class Unpickler(pickle._Unpickler):
    """Reads one object.

    Args:
        file (BinaryIO): Positioned at its start.
        storage_of (Callable | None): The storage for the type, key and number of elements that the file names. None
            where no tensors are expected.

    Raises:
        ForbiddenGlobalError: When the file asks for a class or function that is not in the table.
        UnpicklingError: When it does anything else that a checkpoint does not.
    """

    def __init__(self, file: BinaryIO, storage_of: Callable[[torch.dtype, str, int], Storage] | None = None) -> None:
        super().__init__(file)
        self._storage_of = storage_of

    def find_class(self, module: str, name: str) -> Any:
        """Look up a name in the table."""
        qualified = f'{module}.{name}'
        if module == 'torch' and isinstance(value := getattr(torch, name, None), torch.dtype):
            return value
        if qualified not in CONSTRUCTORS and not (module == 'torch' and name in STORAGE_DTYPES):
            raise ForbiddenGlobalError(qualified)
        return Name(qualified)

    def persistent_load(self, saved_id: Any) -> Storage:
        """Hand out the storage that ``('storage', type, key, location, number of elements)`` names."""
        # Files older than PyTorch 1.6 have one entry more, for a part of another storage, which no file uses since 0.4.
        if not isinstance(saved_id, tuple) or (saved_id[5:] not in ((), (None,))) or self._storage_of is None:
            raise UnpicklingError('a storage that is named in no known way')
        kind, storage_type, key, _, count = saved_id[:5]
        dtype = STORAGE_DTYPES.get(getattr(storage_type, 'text', '').removeprefix('torch.'))
        if kind != 'storage' or dtype is None or type(key) is not str or not _is_count(count):
            raise UnpicklingError('a storage that is named in no known way')
        return self._storage_of(dtype, key, count)

    def _reduce(self) -> None:
        arguments = self.stack.pop()
        self._call(self.stack.pop(), arguments)

    def _call(self, function: Any, arguments: Any) -> None:
        if not isinstance(function, Name) or function.text not in CONSTRUCTORS or type(arguments) is not tuple:
            raise ForbiddenGlobalError(f'a call of {function!r:.80}')
        self.stack.append(CONSTRUCTORS[function.text](*arguments))

    def _build(self) -> None:
        state = self.stack.pop()
        restore = _STATES.get(type(self.stack[-1]))
        if restore is None:
            raise ForbiddenGlobalError(f'attributes of {self.stack[-1]!r:.80}')
        restore(self.stack[-1], state)

    def _append(self) -> None:
        value = self.stack.pop()
        _exactly(self.stack[-1], list).append(value)

    def _appends(self) -> None:
        values = self.pop_mark()
        _exactly(self.stack[-1], list).extend(values)

    def _set_item(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _exactly(self.stack[-1], dict, collections.OrderedDict)[_key(key)] = value

    def _set_items(self) -> None:
        items = self.pop_mark()
        target = _exactly(self.stack[-1], dict, collections.OrderedDict)
        for key, value in zip(items[::2], items[1::2], strict=True):
            target[_key(key)] = value

    def _add_items(self) -> None:
        items = self.pop_mark()
        _exactly(self.stack[-1], set).update(map(_key, items))

    def _frozen_set(self) -> None:
        self.append(frozenset(map(_key, self.pop_mark())))

    dispatch = {
        code: pickle._Unpickler.dispatch[code] for code in (getattr(pickle, name)[0] for name in _INSTRUCTIONS.split())
    } | {
        pickle.REDUCE[0]: _reduce,
        pickle.NEWOBJ[0]: _reduce,
        pickle.BUILD[0]: _build,
        pickle.APPEND[0]: _append,
        pickle.APPENDS[0]: _appends,
        pickle.SETITEM[0]: _set_item,
        pickle.SETITEMS[0]: _set_items,
        pickle.ADDITEMS[0]: _add_items,
        pickle.FROZENSET[0]: _frozen_set,
    }


def _exactly(value: Any, *kinds: type) -> Any:
    if type(value) not in kinds:
        raise UnpicklingError(f'items for a {type(value).__name__}')
    return value


def _key(value: Any) -> Any:
    # Others are not needed, and hashing tuples in tuples in tuples without end ends the interpreter.
    if type(value) not in (str, int, bool, float, bytes, type(None)):
        raise UnpicklingError(f'a {type(value).__name__} as a key')
    return value


def _is_count(value: Any) -> bool:
    return type(value) is int and 0 <= value < 2**48


def _counts(values: Any) -> tuple[int, ...]:
    if not isinstance(values, (tuple, list)) or not all(map(_is_count, values)) or len(values) > MAX_DIMENSIONS:
        raise UnpicklingError('a shape of something else than a few whole numbers')
    return tuple(values)


def _tensor(
    storage: Any, offset: Any, size: Any, stride: Any, requires_grad: Any = False, hooks: Any = None, *_: Any
) -> torch.Tensor:
    size, stride = _counts(size), _counts(stride)
    if not isinstance(storage, Storage) or not _is_count(offset) or len(size) != len(stride) or hooks:
        raise UnpicklingError('a tensor of unknown make')
    values = storage.values
    last = sum((length - 1) * step for length, step in zip(size, stride, strict=True))
    if math.prod(size) > values.numel() or (math.prod(size) and offset + last >= values.numel()):
        raise UnpicklingError(f'a tensor of shape {size} and strides {stride} in a storage of {values.numel()} numbers')
    tensor = torch.empty(0, dtype=values.dtype, device=values.device)
    return tensor.set_(values.untyped_storage(), offset if math.prod(size) else 0, size, stride)


def _parameter(data: Any, requires_grad: Any = True, hooks: Any = None) -> torch.nn.Parameter:
    if type(data) is not torch.Tensor or hooks:
        raise UnpicklingError('a parameter of unknown make')
    return torch.nn.Parameter(data, bool(requires_grad) and (data.is_floating_point() or data.is_complex()))


def _ordered_dict(items: Any = ()) -> collections.OrderedDict:
    return collections.OrderedDict((_key(key), value) for key, value in items)


def _metadata(target: collections.OrderedDict, state: Any) -> None:
    # Of a state dict: the version of each module.
    versions = state.get('_metadata') if type(state) is dict and set(state) == {'_metadata'} else None
    if not isinstance(versions, Mapping) or not all(
        isinstance(entry, Mapping) and all(_is_count(value) or value is None for value in entry.values())
        for entry in versions.values()
    ):
        raise ForbiddenGlobalError('attributes of a dictionary')
    target._metadata = versions


def _numpy_type(code: Any, align: Any = False, copy: Any = True) -> np.dtype:
    if type(code) is not str or not _NUMPY_TYPE.fullmatch(code):
        raise UnpicklingError(f'arrays of {code!r:.40}')
    return np.dtype(code, copy=True)


def _numpy_type_state(dtype: np.dtype, state: Any) -> None:
    # Flags in the state could declare numbers to be pointers: only what NumPy writes for such a type is taken.
    orders = {repr(order.__reduce__()[2]) for order in (dtype, dtype.newbyteorder())}
    if type(state) is not tuple or len(state) > 9 or repr(state[:8]) not in orders or state[8:] not in ((), (None,)):
        raise UnpicklingError('a type of arrays with unknown properties')
    dtype.__setstate__(state[:8])


def _new_array(kind: Any, shape: Any = (0,), code: Any = b'b') -> np.ndarray:
    if getattr(kind, 'text', None) != 'numpy.ndarray':
        raise ForbiddenGlobalError(f'an array of class {kind!r:.80}')
    return np.zeros(0)


def _array_state(array: np.ndarray, state: Any) -> None:
    if type(state) is not tuple or len(state) != 5:
        raise UnpicklingError('an array of unknown make')
    _, shape, dtype, in_columns, data = state
    shape = _counts(shape)
    data = data.encode('latin1') if type(data) is str else data
    if not isinstance(dtype, np.dtype) or type(data) is not bytes or len(data) != math.prod(shape) * dtype.itemsize:
        raise UnpicklingError(f'an array of shape {shape} without its numbers')
    array.__setstate__((1, shape, dtype, bool(in_columns), data))


def _scalar(dtype: Any, data: Any) -> np.generic:
    if not isinstance(dtype, np.dtype) or type(data) is not bytes or len(data) != dtype.itemsize or not data:
        raise UnpicklingError('a NumPy number of unknown make')
    return np.frombuffer(data, dtype)[0]


def _history_state(history: HistoryBuffer, state: Any) -> None:
    state = dict(_exactly(state, dict))
    if not set(state) <= {'max_length', '_log_history', '_count_history', 'statistics_methods', '_statistics_methods'}:
        raise ForbiddenGlobalError('attributes of HistoryBuffer')
    values, counts = state.get('_log_history'), state.get('_count_history')
    if not (type(values) is type(counts) is np.ndarray and values.shape == counts.shape and values.ndim == 1):
        raise UnpicklingError('a history without its values')
    history._log_history, history._count_history = values, counts
    history.max_length = int(state.get('max_length', history.max_length))


def _encode_latin1(text: Any, encoding: Any = 'latin1') -> bytes:
    """Stand in for ``codecs.encode``, by which pickle protocol 2 writes bytes, without its other codecs."""
    if encoding not in ('latin1', 'latin-1') or type(text) is not str:
        raise ForbiddenGlobalError(f'_codecs.encode(..., {encoding!r:.40})')
    return text.encode('latin1')


def _history_statistic(owner: Any, name: Any) -> Name:
    """Stand in for ``getattr``, by which the statistics of a ``HistoryBuffer`` are written."""
    if getattr(owner, 'text', '') != _HISTORY or name not in _HISTORY_STATISTICS:
        raise ForbiddenGlobalError(f'builtins.getattr(..., {name!r:.40})')
    return Name(f'{_HISTORY}.{name}')


def _of_numbers(kind: type) -> Callable[..., Any]:
    def construct(*values: Any) -> Any:
        if not all(isinstance(value, (int, float)) or value is None for value in values):
            raise UnpicklingError(f'a {kind.__name__} of something else than numbers')
        return kind(*values)

    return construct


def _of_text(kind: type) -> Callable[..., Any]:
    def construct(*values: Any) -> Any:
        if not values or type(values[0]) is not str or not all(map(_is_count, values[1:])):
            raise UnpicklingError(f'a {kind.__name__} of something else than text')
        return kind(*values)

    return construct


def _not_callable(name: str) -> Callable[..., Any]:
    def construct(*_: Any) -> Any:
        raise ForbiddenGlobalError(f'a call of {name}')

    return construct


_HISTORY = 'mmengine.logging.history_buffer.HistoryBuffer'
CONSTRUCTORS: dict[str, Callable[..., Any]] = {
    '_codecs.encode': _encode_latin1,
    'collections.OrderedDict': _ordered_dict,
    _HISTORY: HistoryBuffer,
    'numpy.dtype': _numpy_type,
    'numpy.ndarray': _not_callable('numpy.ndarray'),
    'torch.Size': lambda size: torch.Size(_counts(size)),
    'torch.device': _of_text(torch.device),
    'torch.torch_version.TorchVersion': _of_text(str),
    'torch._utils._rebuild_parameter': _parameter,
    'torch._utils._rebuild_tensor': _tensor,
    'torch._utils._rebuild_tensor_v2': _tensor,
}
for _builtins in ('builtins', '__builtin__'):  # Python 3's name, and the one that protocol 2 writes
    CONSTRUCTORS |= {
        f'{_builtins}.getattr': _history_statistic,
        f'{_builtins}.set': lambda items=(): set(map(_key, items)),
        f'{_builtins}.frozenset': lambda items=(): frozenset(map(_key, items)),
        f'{_builtins}.bytes': lambda: b'',
        f'{_builtins}.bytearray': lambda data=b'': bytearray(_exactly(data, bytes)),
        f'{_builtins}.slice': _of_numbers(slice),
        f'{_builtins}.complex': _of_numbers(complex),
    }
for _core in ('numpy._core', 'numpy.core'):  # NumPy 2's name and NumPy 1's
    CONSTRUCTORS |= {f'{_core}.multiarray._reconstruct': _new_array, f'{_core}.multiarray.scalar': _scalar}

_STATES: dict[type, Callable[[Any, Any], None]] = {
    collections.OrderedDict: _metadata,
    np.ndarray: _array_state,
    HistoryBuffer: _history_state,
}
for _code in ['b1', 'i1', 'i2', 'i4', 'i8', 'u1', 'u2', 'u4', 'u8', 'f2', 'f4', 'f8', 'c8', 'c16', 'U1', 'S1']:
    _STATES[type(np.dtype(_code))] = _numpy_type_state
