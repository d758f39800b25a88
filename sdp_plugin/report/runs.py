"""The table of runs that everything in the report is made of: a row a run of the plan, done or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sdp_plugin.grid.records import FINE_TUNING
from sdp_plugin.report.model import Column, Position, Row
from sdp_plugin.report.scores import RunScores
from sdp_plugin.statistics import ratio_of_equal_folds, ratio_of_folds

Key = tuple[str, int]
"""A cell's id, and the number of one of its draws."""


@dataclass(frozen=True, eq=False)
class Run:
    """One draw of labelled images, the classifier that was made with it, and its test.

    Args:
        position (Position): Where in the table.
        kind (str): ``'finetuning'`` or ``'probe'``, see :class:`~sdp_plugin.grid.records.Cell`.
        cell (str): Id of its cell.
        title (str): What people read.
        repeat (int | None): Number of the repeat, from 0.
        fold (int | None): The test fold, from 0; None without cross-validation.
        seed (int | None): Of the draw.
        obstacle (str): Why it cannot be run, ``''`` if it can.
        is_done (bool): Whether there is a result.
        metrics (Mapping[str, float]): Of the result; empty without one, as are the next two.
        subset (Mapping[str, Any]): See :class:`~sdp_plugin.grid.records.Outcome`.
        curve (Sequence[Mapping[str, float]]): Loss by step; empty for what is not trained in steps.
        scores (RunScores | None): Of the test images, where they are kept and fit the metrics.
        number (int): Which draw of the cell it is, from 0.
    """

    position: Position
    kind: str
    cell: str
    title: str
    repeat: int | None
    fold: int | None
    seed: int | None
    obstacle: str = ''
    is_done: bool = False
    metrics: Mapping[str, float] = field(default_factory=dict)
    subset: Mapping[str, Any] = field(default_factory=dict)
    curve: Sequence[Mapping[str, float]] = ()
    scores: RunScores | None = None
    number: int = 0

    @property
    def key(self) -> Key:
        """What no other run has, unless it is the same run in another variant."""
        return self.cell, self.number

    @property
    def draw(self) -> tuple[int, int, int]:
        """What a run has in common with those that it is compared with: repeat, fold (-1 without) and seed."""
        return tuple(-1 if number is None else number for number in (self.repeat, self.fold, self.seed))

    @property
    def place(self) -> str:
        """Repeat, fold and seed in words, counted from 0 as in the plan."""
        parts = {'repeat': self.repeat, 'fold': self.fold, 'seed': self.seed}
        return ', '.join(f'{name} {number}' for name, number in parts.items() if number is not None)


@dataclass(frozen=True)
class RunTable:
    """All runs of a grid.

    Args:
        runs (Sequence[Run]): In the order of the plan.
        grid (Mapping[str, Any]): The grid's config.
        problems (Sequence[str]): Files of scores that were left out, and why.
    """

    runs: Sequence[Run]
    grid: Mapping[str, Any]
    problems: Sequence[str] = ()

    @cached_property
    def done(self) -> list[Run]:
        """Those with a result."""
        return [run for run in self.runs if run.is_done]

    @cached_property
    def by_position(self) -> dict[Position, list[Run]]:
        """The runs at each position of the table, in the order of repeats and folds."""
        found: dict[Position, list[Run]] = {}
        for run in self.runs:
            found.setdefault(run.position, []).append(run)
        return {position: sorted(runs, key=lambda run: run.draw) for position, runs in found.items()}

    @cached_property
    def by_column(self) -> dict[tuple[str, Column], list[Run]]:
        """The runs of each variant and column, in the order of the plan."""
        found: dict[tuple[str, Column], list[Run]] = {}
        for run in self.runs:
            found.setdefault((run.position.variant, run.position.column), []).append(run)
        return found

    @cached_property
    def variants(self) -> tuple[str, ...]:
        """In the order of the grid."""
        return tuple(dict.fromkeys(position.variant for position in self.by_position))

    @cached_property
    def columns(self) -> tuple[Column, ...]:
        """In the order of the plan."""
        return tuple(dict.fromkeys(position.column for position in self.by_position))

    @cached_property
    def initialisations(self) -> tuple[str, ...]:
        """In the order of the grid's config."""
        planned = dict.fromkeys(position.initialisation for position in self.by_position)
        named = [name for name in self.grid.get('initialisations', {}) if name in planned]
        return tuple(dict.fromkeys([*named, *planned]))

    @cached_property
    def methods(self) -> tuple[str, ...]:
        """Fine-tuning first, then in the order of the plan."""
        planned = dict.fromkeys(position.method for position in self.by_position)
        return tuple(sorted(planned, key=lambda method: method != FINE_TUNING))

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """By method, then by initialisation."""
        planned = {position.row for position in self.by_position}
        rows = [Row(initialisation, method) for method in self.methods for initialisation in self.initialisations]
        return tuple(row for row in rows if row in planned)

    def fold_ratio(self, runs: Sequence[Run]) -> float | None:
        """The ratio of a fold's test part to its training part, None for runs that are no folds.

        From the sizes of the test parts where all folds are done, otherwise as if the folds were equal: probes have no
        runs of a fold that cannot be drawn, which is a part of the others' training parts all the same.
        """
        folds = {run.fold for run in runs}
        if None in folds:
            return None
        dataset = runs[0].position.column.dataset
        planned = self.grid.get('datasets', {}).get(dataset, {}).get('folds') or len(folds)
        sizes = {run.fold: run.subset.get('test_size') for run in runs if run.is_done}
        if len(sizes) == planned > 1 and all(sizes.values()):
            return ratio_of_folds(list(sizes.values()))
        return ratio_of_equal_folds(planned) if planned > 1 else None


def share_test_images(runs: Iterable[Run]) -> bool:
    """Whether the finished ones among the runs were tested on the same images, none of them in folds."""
    done = [run for run in runs if run.is_done]
    digests = {run.subset.get('test_digest') for run in done}
    return len(digests) == 1 and None not in digests and all(run.fold is None for run in done)
