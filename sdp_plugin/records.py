"""What files of others say, as typed records: one way to read them, which names the file and the wrong field."""

from __future__ import annotations

import math
import os
import re
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import from_json

from sdp_plugin.errors import UserError
from sdp_plugin.files import read_regular_file

T = TypeVar('T')
Number = TypeVar('Number', int, float)
_SHOWN = 8
MAX_BYTES = 2**26
"""Of a file that is read as a whole: far more than programs and people write."""

_MAY_OVERFLOW = re.compile(rb'[eE]\+?0*[1-9]\d\d|\d{200}')


class Record(BaseModel):
    """Fields of known types. Others are passed over: programs add to their formats."""

    model_config = ConfigDict(extra='ignore', frozen=True)


def read_json(content: bytes, where: object) -> Any:
    """The values of a JSON text. NaN and numbers beyond float64 are refused, a byte order mark is not.

    Args:
        content (bytes): The text.
        where (object): The file, for the error.

    Raises:
        UserError: If it is no JSON.
    """
    try:
        values = from_json(content.removeprefix(b'\xef\xbb\xbf'), allow_inf_nan=False)
    except ValueError as error:
        raise UserError(
            f'{where} is no JSON', found=error, remedy='the file may be cut off: fetch or export it again'
        ) from None
    # The parser takes 1e999 for infinity. Few files have a number that looks like it, so few are walked through.
    if _MAY_OVERFLOW.search(content) and _has_infinity(values):
        raise UserError(f'{where} has a number that is too large.', looked_for='numbers within float64')
    return values


def _has_infinity(values: Any) -> bool:
    left = [values]
    while left:
        value = left.pop()
        if isinstance(value, float) and math.isinf(value):
            return True
        if isinstance(value, dict | list):
            left.extend(value.values() if isinstance(value, dict) else value)
    return False


def read_json_file(path: str | os.PathLike, most: int = MAX_BYTES) -> Any:
    """The values of a JSON file, as :func:`read_json` has them.

    Args:
        path (str | os.PathLike): The file.
        most (int): Bytes. Defaults to ``MAX_BYTES``.

    Raises:
        OSError: It cannot be opened or read.
        UserError: It is no regular file, is larger, or is no JSON.
    """
    return read_json(_content(path, most), path)


def read_text(path: str | os.PathLike, most: int = MAX_BYTES) -> str:
    """The text of a file of UTF-8, with or without a byte order mark; otherwise as :func:`read_json_file`."""
    try:
        return _content(path, most).decode('utf-8-sig')
    except UnicodeDecodeError as error:
        raise UserError(f'{path} is no text file.', found=error) from error


def _content(path: str | os.PathLike, most: int) -> bytes:
    try:
        return read_regular_file(path, most)
    except ValueError as error:
        raise UserError(f'{path} cannot be read.', found=error) from error


def as_record(kind: type[T], values: Any, where: str | os.PathLike) -> T:
    """Values as a record.

    Args:
        kind (type): A :class:`Record`, or what else pydantic checks, such as a list of them.
        values (Any): Plain values.
        where (str | os.PathLike): The file, and the part of it, for the error.

    Raises:
        UserError: If a field is missing or of another type or range, with the names of those fields.
    """
    try:
        return _adapter(kind).validate_python(values)
    except ValidationError as error:
        faults = error.errors(include_url=False, include_context=False)
        fields = [
            f'{".".join(map(str, fault["loc"])) or "it"}: {fault["msg"]} ({fault["input"]!r:.60})'
            for fault in faults[:_SHOWN]
        ]
        raise UserError(
            f'{where} is not as it has to be.',
            found='\n              '.join(fields),
            remedy='the file was written by something else, or is damaged: fetch or write it again',
        ) from None


def number(kind: type[Number], text: str) -> Number:
    """``int`` or ``float`` of a text as files write it; Python's own take ``1_0`` and digits of other scripts, too.

    Raises:
        ValueError: It is no such number.
    """
    if '_' in text or not text.isascii():
        raise ValueError(f'{text[:40]!r} is no number')
    return kind(text)


def limit(name: str, default: int) -> int:
    """A bound on what is read, which the environment variable of that name raises or lowers.

    Raises:
        UserError: If the variable is no positive number.
    """
    text = os.environ.get(name, '')
    if text and not (text.isascii() and text.isdigit() and int(text) > 0):
        raise UserError(f'{name} is no limit.', looked_for='a positive whole number', found=text)
    return int(text) if text else default


@cache
def _adapter(kind: Any) -> TypeAdapter:
    return TypeAdapter(kind)
