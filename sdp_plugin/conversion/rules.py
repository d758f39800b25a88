"""What can happen to a tensor between two layouts, as data.

A rule names tensors by templates: ``{field}`` stands for one part between dots (or a piece of it), ``{field*}`` for
any number of parts. Fields matched in the source's template are filled into the target's. Every rule can be turned
round, so that one key map serves both directions.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

_FIELD = re.compile(r'\{(\w+)(\*?)\}')


@functools.cache
def _compiled(template: str) -> re.Pattern:
    pieces, position = [], 0
    for field in _FIELD.finditer(template):
        pieces.append(re.escape(template[position : field.start()]))
        pieces.append(f'(?P<{field[1]}>{".+" if field[2] else "[^.]+"})')
        position = field.end()
    pieces.append(re.escape(template[position:]))
    return re.compile(''.join(pieces))


def match(template: str, name: str) -> dict[str, str] | None:
    """The fields of ``template`` in ``name``, or None where it does not fit."""
    found = _compiled(template).fullmatch(name)
    return found and found.groupdict()


def fill(template: str, fields: Mapping[str, str]) -> str:
    """``template`` with its fields filled in."""
    return _FIELD.sub(lambda field: fields[field[1]], template)


@dataclass(frozen=True)
class Piece:
    """A target tensor, or one of several parts along its first dimension, made from a source tensor."""

    target: str
    tensor: Tensor
    index: int = 0
    count: int = 1


class Rule:
    """Base of all rules: by itself it takes no source tensor and fills no target tensor."""

    action: ClassVar[str]
    reason: str = ''

    def take(self, name: str, tensor: Tensor) -> list[Piece] | None:
        """What becomes of a source tensor: target pieces, an empty list if it is left out, None if it is no hit."""
        return None

    def fills(self, name: str) -> bool:
        """Whether it accounts for a target tensor that no source tensor turns into."""
        return False

    def filling(self, built: Tensor) -> Tensor | None:
        """The value of such a target tensor, given the freshly built one; None to leave it fresh."""
        return None

    def reversed(self) -> Rule:
        """The rule of the way back."""
        raise NotImplementedError


@dataclass(frozen=True)
class Rename(Rule):
    """The same tensor under another name."""

    source: str
    target: str
    action = 'rename'

    def take(self, name: str, tensor: Tensor) -> list[Piece] | None:
        fields = match(self.source, name)
        return None if fields is None else [Piece(fill(self.target, fields), tensor)]

    def reversed(self) -> Rename:
        return Rename(self.target, self.source)


@dataclass(frozen=True)
class Split(Rule):
    """One tensor cut along its first dimension into ``targets``, whose lengths are in the proportion of ``parts``."""

    source: str
    targets: tuple[str, ...]
    parts: tuple[int, ...]
    action = 'split'

    def take(self, name: str, tensor: Tensor) -> list[Piece] | None:
        fields = match(self.source, name)
        if fields is None:
            return None
        unit = tensor.shape[0] // sum(self.parts)
        lengths = [unit * part for part in self.parts]
        lengths[-1] += tensor.shape[0] - sum(lengths)  # a length that does not divide shows as a wrong shape
        return [
            Piece(fill(target, fields), part.clone())
            for target, part in zip(self.targets, tensor.split(lengths), strict=True)
        ]

    def reversed(self) -> Concatenate:
        return Concatenate(self.targets, self.source, self.parts)


@dataclass(frozen=True)
class Concatenate(Rule):
    """``sources`` joined along their first dimension; the way back of a :class:`Split`."""

    sources: tuple[str, ...]
    target: str
    parts: tuple[int, ...]
    action = 'concatenate'

    def take(self, name: str, tensor: Tensor) -> list[Piece] | None:
        for index, source in enumerate(self.sources):
            fields = match(source, name)
            if fields is not None:
                return [Piece(fill(self.target, fields), tensor, index, len(self.sources))]
        return None

    def reversed(self) -> Split:
        return Split(self.target, self.sources, self.parts)


@dataclass(frozen=True)
class Drop(Rule):
    """A source tensor that has no place in the target."""

    source: str
    reason: str
    action = 'drop'

    def take(self, name: str, tensor: Tensor) -> list[Piece] | None:
        return None if match(self.source, name) is None else []

    def reversed(self) -> Fresh:
        return Fresh(self.source, self.reason)


@dataclass(frozen=True)
class DropZeros(Rule):
    """A source tensor that the target lacks and that does nothing, because it is zero; no hit if it is not."""

    source: str
    reason: str
    action = 'drop'

    def take(self, name: str, tensor: Tensor) -> list[Piece] | None:
        if match(self.source, name) is None or bool(tensor.any()):
            return None
        return []

    def reversed(self) -> ZeroFill:
        return ZeroFill(self.source, self.reason)


@dataclass(frozen=True)
class ZeroFill(Rule):
    """A target tensor that the source lacks and that does nothing as zero."""

    target: str
    reason: str
    action = 'zero-fill'

    def fills(self, name: str) -> bool:
        return match(self.target, name) is not None

    def filling(self, built: Tensor) -> Tensor:
        return torch.zeros_like(built)

    def reversed(self) -> DropZeros:
        return DropZeros(self.target, self.reason)


@dataclass(frozen=True)
class Recompute(Rule):
    """A table that each side computes from its own settings when it is built, such as indices into a position table."""

    name: str
    reason: str
    action = 'recompute'

    def take(self, name: str, tensor: Tensor) -> list[Piece] | None:
        return None if match(self.name, name) is None else []

    def fills(self, name: str) -> bool:
        return match(self.name, name) is not None

    def filling(self, built: Tensor) -> Tensor:
        return built.clone()

    def reversed(self) -> Recompute:
        return self


@dataclass(frozen=True)
class Fresh(Rule):
    """A target tensor that is expected to stay as the model initialises it."""

    target: str
    reason: str
    action = 'fresh'

    def fills(self, name: str) -> bool:
        return match(self.target, name) is not None

    def reversed(self) -> Drop:
        return Drop(self.target, self.reason)


SAME_NAMES = Rename('{name*}', '{name*}')


def reverse(rules: Sequence[Rule]) -> tuple[Rule, ...]:
    """The rules of the way back, in the same order of precedence."""
    return tuple(rule.reversed() for rule in rules)
