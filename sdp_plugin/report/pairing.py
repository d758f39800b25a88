"""Which runs of two initialisations make pairs: the same fold, seed, training images and test images, checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sdp_plugin.grid.records import Cell, Result

CHECKED = {'train_digest': 'training images', 'test_digest': 'test images'}


@dataclass(frozen=True)
class Unpaired:
    """A run without a partner.

    Args:
        title (str): Where: repeat, fold and seed.
        reason (str): Why the two runs cannot be compared.
    """

    title: str
    reason: str


@dataclass(frozen=True)
class Pairing:
    """The pairs of two initialisations, in the order of their seeds.

    Args:
        pairs (tuple[tuple[Result, Result], ...]): Results of the first and of the second.
        unpaired (tuple[Unpaired, ...]): Runs that the plan pairs and that cannot be paired.
    """

    pairs: tuple[tuple[Result, Result], ...]
    unpaired: tuple[Unpaired, ...]


def pair_up(cells: Iterable[Cell], results: dict[str, Result], first: str, second: str) -> Pairing:
    """Pair the runs of two initialisations.

    Args:
        cells (Iterable[Cell]): The planned cells of one variant, data set and size, of any initialisation.
        results (dict[str, Result]): Finished cells by id.
        first (str): An initialisation.
        second (str): The other one.
    """
    by_pair: dict[tuple, dict[str, Cell]] = {}
    for cell in cells:
        if cell.initialisation in (first, second):
            by_pair.setdefault(cell.pair, {})[cell.initialisation] = cell
    pairs, unpaired = [], []
    for _, planned in sorted(by_pair.items(), key=lambda item: _order(item[0])):
        found = [results.get(planned[name].id) if name in planned else None for name in (first, second)]
        reason = _why_not(found, (first, second))
        if reason:
            unpaired.append(Unpaired(place(next(iter(planned.values()))), reason))
        else:
            pairs.append(tuple(found))
    return Pairing(tuple(pairs), tuple(unpaired))


def place(cell: Cell) -> str:
    """Repeat, fold and seed in words, counted from 0 as in the plan."""
    parts = [f'repeat {cell.repeat}'] if cell.repeat is not None else []
    parts += [f'fold {cell.fold}'] if cell.fold is not None else []
    return ', '.join([*parts, f'seed {cell.seed}'])


def _order(pair: tuple) -> tuple[int, ...]:
    return tuple(-1 if number is None else number for number in pair[-3:])


def _why_not(found: Sequence[Result | None], names: Sequence[str]) -> str:
    absent = [name for name, result in zip(names, found, strict=True) if result is None]
    if absent:
        return f'no result of {" and ".join(absent)}'
    subsets = [result.subset for result in found]
    for key, what in CHECKED.items():
        digests = [subset.get(key) for subset in subsets]
        if None in digests:
            return f'which {what} were used is not recorded ({key})'
        if digests[0] != digests[1]:
            return f'other {what}: {digests[0]} and {digests[1]}'
    return ''
