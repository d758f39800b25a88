"""Checks of what transforms and data sets are made with: nonsense is refused at construction."""

from __future__ import annotations

import inspect
import math
import os
from collections.abc import Callable, Container, Sequence
from numbers import Integral, Real

from sdp_plugin.errors import UserError


def merged_signature(*callables: Callable, without: Container[str] = ()) -> inspect.Signature:
    """What a class that hands its keyword arguments on takes: for ``help``, and for whoever checks configs.

    Args:
        *callables (Callable): What takes them; of two that take one of the same name, the first says its default.
        without (Container[str]): Names that are left out.
    """
    parameters: dict[str, inspect.Parameter] = {}
    for taker in callables:
        for name, parameter in inspect.signature(taker).parameters.items():
            if parameter.kind not in (parameter.VAR_KEYWORD, parameter.VAR_POSITIONAL) and name not in without:
                parameters.setdefault(name, parameter.replace(kind=parameter.KEYWORD_ONLY))
    return inspect.Signature(list(parameters.values()))


def whole_number(name: str, value: object, least: int, most: float = math.inf) -> int:
    """``value`` if it is an integer from ``least`` to ``most``.

    Raises:
        UserError: It is not.
    """
    if isinstance(value, Integral) and not isinstance(value, bool) and least <= value <= most:
        return int(value)
    raise _refused(name, f'a whole number {_from_to(least, most)}', value)


def number(name: str, value: object, least: float, most: float = math.inf) -> float:
    """``value`` if it is a finite number from ``least`` to ``most``.

    Raises:
        UserError: It is not.
    """
    fine = isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value) and least <= value <= most
    if fine:
        return value
    raise _refused(name, f'a number {_from_to(least, most)}', value)


def size(name: str, value: object) -> tuple[int, int]:
    """Height and width in pixels: ``value``, or twice the same.

    Raises:
        UserError: It is neither a positive integer nor a pair of them.
    """
    pair = (value, value) if isinstance(value, Integral) else value
    if not isinstance(pair, Sequence) or isinstance(pair, str) or len(pair) != 2:
        raise _refused(name, 'a whole number from 1, or a pair of them', value)
    return whole_number(name, pair[0], 1), whole_number(name, pair[1], 1)


def choice(name: str, value: object, choices: Sequence[str]) -> str:
    """``value`` if it is one of the choices.

    Raises:
        UserError: It is not.
    """
    if isinstance(value, str) and value in choices:
        return value
    raise _refused(name, ', '.join(choices), value)


def flag(name: str, value: object) -> bool:
    """``value`` if it is True or False.

    Raises:
        UserError: It is not.
    """
    if isinstance(value, bool):
        return value
    raise _refused(name, 'True or False', value)


def numbers(
    name: str, value: object, lengths: Container[int], least: float, most: float = math.inf
) -> tuple[float, ...]:
    """``value`` as a tuple, if it is a sequence of one of these lengths, of finite numbers from ``least`` to ``most``.

    Raises:
        UserError: It is not.
    """
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) not in lengths:
        raise _refused(name, f'{" or ".join(map(str, lengths))} numbers', value)
    return tuple(number(name, member, least, most) for member in value)


def names(name: str, value: object) -> tuple[str, ...]:
    """``value`` as a tuple, if it is a sequence of different names.

    Raises:
        UserError: It is not.
    """
    fine = isinstance(value, Sequence) and not isinstance(value, str) and len(value) > 0
    if fine and all(isinstance(member, str) and member for member in value) and len(set(value)) == len(value):
        return tuple(value)
    raise _refused(name, 'a list of different names', value)


def folder(name: str, value: object) -> str | os.PathLike | None:
    """``value`` if it is a path or None.

    Raises:
        UserError: It is not.
    """
    if value is None or isinstance(value, str | os.PathLike):
        return value
    raise _refused(name, 'a folder, or None', value)


def _from_to(least: float, most: float) -> str:
    return f'from {least}' if most == math.inf else f'from {least} to {most}'


def _refused(name: str, looked_for: str, found: object) -> UserError:
    return UserError(f'{name} has a value that it cannot have.', looked_for=looked_for, found=repr(found))
