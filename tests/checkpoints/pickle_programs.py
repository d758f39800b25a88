"""Pickles written instruction by instruction, as no library writes them."""

from __future__ import annotations

import io
import struct
import zipfile
from pathlib import Path
from typing import Any

from sdp_plugin.checkpoints.unpickling import Unpickler

MARK, TUPLE, REDUCE, BUILD, NEWOBJ, STOP = b'(', b't', b'R', b'b', b'\x81', b'.'
NONE, EMPTY_DICT, EMPTY_LIST = b'N', b'}', b']'


def name(module: str, attribute: str) -> bytes:
    return f'c{module}\n{attribute}\n'.encode()


def value(item: Any) -> bytes:
    """The instructions for plain values."""
    match item:
        case bool() | None:
            return {True: b'\x88', False: b'\x89', None: NONE}[item]
        case bytes():
            return item if item[:1] == b'c' and item.endswith(b'\n') else b'B' + len(item).to_bytes(4, 'little') + item
        case str():
            encoded = item.encode()
            return b'X' + len(encoded).to_bytes(4, 'little') + encoded
        case int():
            return b'\x8a\x09' + item.to_bytes(9, 'little', signed=True)
        case float():
            return b'G' + struct.pack('>d', item)
        case tuple():
            return MARK + b''.join(map(value, item)) + TUPLE
        case list():
            return EMPTY_LIST + MARK + b''.join(map(value, item)) + b'e'
        case dict():
            return EMPTY_DICT + MARK + b''.join(value(key) + value(entry) for key, entry in item.items()) + b'u'
    raise TypeError(item)


def call(function: bytes, *arguments: Any) -> bytes:
    """Call ``function``; arguments are plain values, or instructions in a :class:`Code`."""
    return function + MARK + b''.join(a.code if isinstance(a, Code) else value(a) for a in arguments) + TUPLE + REDUCE


class Code:
    """Instructions where a value is expected."""

    def __init__(self, code: bytes) -> None:
        self.code = code


def read(program: bytes, **kwargs: Any) -> Any:
    return Unpickler(io.BytesIO(b'\x80\x02' + program + STOP), **kwargs).load()


def write_archive(path: Path, program: bytes, **storages: bytes) -> Path:
    """A file of ``torch.save``, around ``program``."""
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('archive/data.pkl', b'\x80\x02' + program + STOP)
        archive.writestr('archive/version', '3\n')
        for key, numbers in storages.items():
            archive.writestr(f'archive/data/{key.removeprefix("_")}', numbers)
    return path
