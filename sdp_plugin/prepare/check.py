"""How the data sets under a root stand: complete, incomplete, damaged, and which files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdp_plugin.bars import Board
from sdp_plugin.catalogue.manifests import Manifest
from sdp_plugin.errors import UserError
from sdp_plugin.prepare.data_set import (
    ABSENT,
    COMPLETE,
    DAMAGED,
    INCOMPLETE,
    UNVERIFIED,
    DataSet,
    standing_of,
)


@dataclass(frozen=True)
class Verdict:
    """How a data set stands.

    Args:
        state (str): ``complete``; ``incomplete``, or not what the data card says; ``damaged``; ``absent``; or
            ``unverified``: it was brought into place by hand and looks right, but nothing is known that its bytes could
            be held against.
        missing (tuple[str, ...]): Files, relative to the root.
        damaged (tuple[str, ...]): Files, relative to the root.
        reasons (tuple[str, ...]): What else there is to say.
        remedy (str): The command that mends it; empty where nothing is to be mended.
    """

    state: str
    missing: tuple[str, ...] = ()
    damaged: tuple[str, ...] = ()
    reasons: tuple[str, ...] = ()
    remedy: str = ''


def check(data_set: DataSet, root: Path, thorough: bool, board: Board) -> Verdict:
    """How a data set stands under a root; nothing is changed.

    Args:
        data_set (DataSet): Which.
        root (Path): The folder of all data sets.
        thorough (bool): Read every byte; otherwise look at names and sizes.
        board (Board): Shown the progress.
    """
    remedy = f'python tools/prepare_data.py {data_set.name} --root {root}'
    manifests = [Manifest.read(data_set.manifest_path(root, part)) for part in data_set.parts]
    if not any(manifests):
        return _without_manifest(data_set, root, remedy)
    total = sum(manifest.size for manifest in manifests if manifest)
    with board.bar(f'{data_set.name}: verifying', total) as bar:
        standings = {part.name: standing_of(data_set, part, root, thorough, bar.advance) for part in data_set.parts}
    states = {standing.state for standing in standings.values()}
    if states == {COMPLETE}:
        return _looked_at(data_set, root, remedy)
    reasons = [f'{name}: {standing.reason}' for name, standing in standings.items() if standing.reason]
    reasons += [f'{name}: not made yet' for name, standing in standings.items() if standing.state == ABSENT]
    return Verdict(
        DAMAGED if DAMAGED in states else INCOMPLETE,
        missing=tuple(name for standing in standings.values() for name in standing.faults.missing),
        damaged=tuple(name for standing in standings.values() for name in standing.faults.damaged),
        reasons=tuple(reasons),
        remedy=remedy,
    )


def _looked_at(data_set: DataSet, root: Path, remedy: str) -> Verdict:
    """The verdict on files that are all as they were made."""
    try:
        if not data_set.is_inspected(root):
            data_set.inspect(root)
    except UserError as error:
        return Verdict(DAMAGED, reasons=(str(error),), remedy=remedy)
    return Verdict(COMPLETE)


def _without_manifest(data_set: DataSet, root: Path, remedy: str) -> Verdict:
    if not (root / data_set.folder).exists():
        return Verdict(ABSENT, remedy=remedy)
    try:
        lines = data_set.inspect(root)
    except UserError as error:
        return Verdict(INCOMPLETE, reasons=(str(error),), remedy=remedy)
    return Verdict(UNVERIFIED, reasons=tuple(lines))


def as_text(verdicts: dict[str, Verdict]) -> str:
    """Verdicts for a person to read."""
    return '\n'.join(line for name, verdict in verdicts.items() for line in _lines(name, verdict))


def _lines(name: str, verdict: Verdict) -> Sequence[str]:
    words = {UNVERIFIED: 'looks right; brought into place by hand, so its bytes cannot be verified'}
    yield f'{name}: {words.get(verdict.state, verdict.state)}'
    for kind, names in (('missing', verdict.missing), ('damaged', verdict.damaged)):
        yield from (f'  {kind}: {path}' for path in names[:20])
        if len(names) > 20:
            yield f'  {kind}: {len(names) - 20:,} more (all of them with --json)'
    yield from (f'  {line}' for reason in verdict.reasons for line in reason.splitlines())
    if verdict.remedy:
        yield f'  what to do: {verdict.remedy}'
