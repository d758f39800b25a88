"""Applying the rules of a key map to the tensors of a trunk, with every tensor accounted for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sdp_plugin.conversion.rules import Piece, Rule
from sdp_plugin.errors import UserError, shortened


@dataclass(frozen=True)
class Record:
    """What one rule did.

    Args:
        action (str): The rule's: rename, split, concatenate, drop, zero-fill, recompute or fresh.
        sources (tuple[str, ...]): The source tensors; empty where the target tensor comes from none.
        targets (tuple[str, ...]): The target tensors; empty where the source tensor is dropped.
        reason (str): Why, for all but the first three actions.
    """

    action: str
    sources: tuple[str, ...]
    targets: tuple[str, ...]
    reason: str = ''


@dataclass(frozen=True)
class Conversion:
    """Converted tensors in the target's order, and how each came about."""

    state: dict[str, Tensor]
    records: tuple[Record, ...]

    def named(self, action: str) -> list[Record]:
        """The records of one action."""
        return [record for record in self.records if record.action == action]

    @property
    def carried(self) -> set[str]:
        """The target tensors made of source tensors."""
        return {name for record in self.records if record.sources for name in record.targets}


def convert(
    source: Mapping[str, Tensor], rules: Sequence[Rule], target: Mapping[str, Tensor], pair: str = 'source -> target'
) -> Conversion:
    """Convert the tensors of a trunk.

    Args:
        source: The source's tensors by name.
        rules: In order of precedence: the first rule that takes a source tensor decides on it, and the first that
            fills a target tensor on those that come from no source tensor.
        target: The state dict of the target as built, for its names, its shapes and the tables that it computes.
        pair: Both sides, as an error names them.

    Raises:
        UserError: If a source tensor is taken by no rule, a target tensor is neither made nor filled nor expected to
            stay fresh, one is made twice, made in another shape, or holds NaN or infinity. It names the tensors.
    """
    problems: dict[str, list[str]] = defaultdict(list)
    records: list[Record] = []
    joined: dict[str, list[tuple[str, Piece]]] = defaultdict(list)
    made: dict[str, Tensor] = {}

    for name, tensor in source.items():
        rule, pieces = _taken(name, tensor, rules)
        if rule is None:
            problems['taken by no rule'].append(name)
        elif rule.action == 'concatenate':
            joined[pieces[0].target].append((name, pieces[0]))
        else:
            records.append(Record(rule.action, (name,), tuple(piece.target for piece in pieces), rule.reason))
            _add(made, ((piece.target, piece.tensor) for piece in pieces), problems)

    for name, parts in joined.items():
        parts.sort(key=lambda part: part[1].index)
        if [piece.index for _, piece in parts] != list(range(parts[0][1].count)):
            problems['made from incomplete parts'].append(f'{name} from {", ".join(part for part, _ in parts)}')
            continue
        records.append(Record('concatenate', tuple(part for part, _ in parts), (name,)))
        _add(made, [(name, torch.cat([piece.tensor for _, piece in parts]))], problems)

    state: dict[str, Tensor] = {}
    for name, built in target.items():
        if name in made:
            state[name] = made[name]
            continue
        rule = next((rule for rule in rules if rule.fills(name)), None)
        if rule is None:
            problems['wanted by the target, but made from nothing'].append(name)
            continue
        records.append(Record(rule.action, (), (name,), rule.reason))
        filling = rule.filling(built)
        if filling is not None:
            state[name] = filling

    problems['unknown to the target'] += [name for name in made if name not in target]
    origins = {name: record.sources for record in records for name in record.targets}
    problems['of another shape than the target wants'] += [
        f'{_with_origin(name, origins)} {tuple(tensor.shape)} instead of {tuple(target[name].shape)}'
        for name, tensor in state.items()
        if tensor.shape != target[name].shape
    ]
    problems['not finite'] += [_with_origin(name, origins) for name, tensor in state.items() if not _is_finite(tensor)]
    _raise_if_any(problems, pair)
    return Conversion(state, tuple(records))


def _with_origin(name: str, origins: Mapping[str, Sequence[str]]) -> str:
    others = [source for source in origins[name] if source != name]
    return f'{name} (from {", ".join(others)})' if others else name


def _is_finite(tensor: Tensor) -> bool:
    # A finite sum costs a tenth of a look at every element, and only finite numbers have one. It can overflow.
    return bool(tensor.sum().isfinite()) or bool(tensor.isfinite().all())


def _taken(name: str, tensor: Tensor, rules: Iterable[Rule]) -> tuple[Rule | None, list[Piece]]:
    for rule in rules:
        pieces = rule.take(name, tensor)
        if pieces is not None:
            return rule, pieces
    return None, []


def _add(made: dict[str, Tensor], tensors: Iterable[tuple[str, Tensor]], problems: dict[str, list[str]]) -> None:
    for name, tensor in tensors:
        if name in made:
            problems['made twice'].append(name)
        made[name] = tensor


def _raise_if_any(problems: Mapping[str, list[str]], pair: str) -> None:
    found = [f'{kind}: {shortened(names)}' for kind, names in problems.items() if names]
    if found:
        raise UserError(
            f'The tensors of the checkpoint do not turn into those of the target ({pair}).',
            looked_for='a use for every tensor of the source, and a value for every tensor of the target',
            found='\n              '.join(found),
            remedy='check that the checkpoint is complete and that its config (--config) is the one it was trained '
            'with, and that the target has the same architecture and depth',
        )
