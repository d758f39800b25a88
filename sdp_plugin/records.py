"""What files of others say, as typed records: one way to read them, which names the file and the wrong field."""

from __future__ import annotations

import os
from functools import cache
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError
from pydantic_core import from_json

from sdp_plugin.errors import UserError

T = TypeVar('T')
_SHOWN = 8


class Record(BaseModel):
    """Fields of known types. Others are passed over: programs add to their formats."""

    model_config = ConfigDict(extra='ignore', frozen=True)


def read_json(content: bytes, where: object) -> Any:
    """The values of a JSON text. NaN, which JSON does not know, is refused, a byte order mark is not.

    Args:
        content (bytes): The text.
        where (object): The file, for the error.

    Raises:
        UserError: If it is no JSON.
    """
    try:
        return from_json(content.removeprefix(b'\xef\xbb\xbf'), allow_inf_nan=False)
    except ValueError as error:
        raise UserError(
            f'{where} is no JSON', found=error, remedy='the file may be cut off: fetch or export it again'
        ) from None


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
