"""Which runs of two rows of the table make pairs: the same fold, seed, training images and test images, checked."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sdp_plugin.report.model import Row
from sdp_plugin.report.runs import Run

CHECKED = {'train_digest': 'training images', 'test_digest': 'test images'}


@dataclass(frozen=True)
class Pairing:
    """The pairs of two rows in one column, in the order of their seeds.

    Args:
        pairs (tuple[tuple[Run, Run], ...]): Runs of the first and of the second.
        unpaired (tuple[tuple[str, str], ...]): Runs that the plan pairs and that cannot be paired: repeat, fold and
            seed, and why.
    """

    pairs: tuple[tuple[Run, Run], ...]
    unpaired: tuple[tuple[str, str], ...]


def pair_up(runs: Iterable[Run], first: Row, second: Row) -> Pairing:
    """Pair the runs of two rows.

    Args:
        runs (Iterable[Run]): Of one variant and column, of any row.
        first (Row): A row.
        second (Row): The other one.
    """
    by_draw: dict[tuple, dict[Row, Run]] = {}
    for run in runs:
        if run.position.row in (first, second):
            by_draw.setdefault(run.draw, {})[run.position.row] = run
    pairs, unpaired = [], []
    for _, planned in sorted(by_draw.items()):
        found = [run if run and run.is_done else None for run in map(planned.get, (first, second))]
        if reason := _why_not(found, (first, second)):
            unpaired.append((next(iter(planned.values())).place, reason))
        else:
            pairs.append(tuple(found))
    return Pairing(tuple(pairs), tuple(unpaired))


def _why_not(found: Sequence[Run | None], rows: Sequence[Row]) -> str:
    absent = [row.label for row, run in zip(rows, found, strict=True) if run is None]
    if absent:
        return f'no result of {" and ".join(absent)}'
    for key, what in CHECKED.items():
        digests = [run.subset.get(key) for run in found]
        if None in digests:
            return f'which {what} were used is not recorded ({key})'
        if digests[0] != digests[1]:
            return f'other {what}: {digests[0]} and {digests[1]}'
    return ''
