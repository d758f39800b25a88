"""What a grid consists of and what is kept of it: cells, outcomes, results and failures, as plain data.

A cell is one piece of work. Pre-trainings end with a converted checkpoint, the initialisation of fine-tunings and of
features that need it; features are those of all images of a data set, which the probes of many draws need.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

PRETRAINING, FINETUNING, FEATURES, PROBE = 'pretraining', 'finetuning', 'features', 'probe'
FINE_TUNING = 'fine-tuning'
"""Name of the method that turns a network into a classifier where a cell names none."""

INITIALISATION, FEATURE_FILE = 'initialisation', 'features'
"""Names of what a cell leaves for those that need it, see :attr:`Cell.takes`."""


def trunk_at(iteration: int) -> str:
    """The name of what a pre-training leaves of an iteration before its last."""
    return f'{INITIALISATION}-{iteration}'


@dataclass(frozen=True)
class Cell:
    """One training of a grid, the features of a data set, or the probes of a size.

    Args:
        id (str): Twelve hexadecimal digits that change with all that influences the result, and with nothing else.
        kind (str): ``'pretraining'``, ``'finetuning'``, ``'features'`` or ``'probe'``.
        title (str): What people read, unique in a grid.
        config (str): The config, relative to the folder of the configs, or absolute.
        options (Mapping[str, Any]): Its overrides, as ``--cfg-options`` takes them, without the initialisation.
        needs (str | None): Id of the pre-training whose converted weights are the initialisation; of a probe that of
            its features.
        takes (str): Which of the things that the needed cell leaves.
        checkpoint (str | None): A converted checkpoint from outside of the grid that is the initialisation.
        variant (str): Name of the grid's variant, ``''`` where it has none.
        dataset (str | None): Name of the data set in the grid; None for a pre-training, as are the next five.
        examples_per_class (int | None): Labelled examples of each class; None is all.
        initialisation (str | None): Name of the initialisation in the grid.
        repeat (int | None): Number of the repeat, from 0.
        fold (int | None): The test fold, from 0; None without cross-validation.
        seed (int | None): Seed of the draw, the order and the new layers.
        draws (tuple[tuple[int | None, ...], ...]): Of a probe, all its draws as repeat, fold and seed: those of the
            fine-tunings with the same numbers.
        group (str): Cells of one group differ in initialisation, seed and fold only, so they may train side by side.
        obstacle (str | None): Why the cell cannot be run, known before anything runs.
        method (str): How a probe classifies, one of :data:`sdp_plugin.probes.classifiers.CLASSIFIERS`; ``''`` for any
            other cell.
    """

    id: str
    kind: str
    title: str
    config: str
    options: Mapping[str, Any]
    needs: str | None = None
    takes: str = INITIALISATION
    checkpoint: str | None = None
    variant: str = ''
    dataset: str | None = None
    examples_per_class: int | None = None
    initialisation: str | None = None
    repeat: int | None = None
    fold: int | None = None
    seed: int | None = None
    draws: tuple[tuple[int | None, ...], ...] = ()
    group: str = ''
    obstacle: str | None = None
    method: str = ''

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return {**asdict(self), 'options': dict(self.options), 'draws': list(map(list, self.draws))}


@dataclass(frozen=True)
class Task:
    """A cell that a worker holds, and where it works.

    Args:
        cell (Cell): The cell.
        folder (Path): Its own folder, kept between attempts. What a killed attempt left there can be gone on from.
        initialisation (Path | None): The converted checkpoint to start from, or the features to probe; None is a
            random initialisation.
        keep_checkpoints (bool): Whether a fine-tuning leaves checkpoints in its folder, too.
    """

    cell: Cell
    folder: Path
    initialisation: Path | None = None
    keep_checkpoints: bool = False


@dataclass(frozen=True)
class Outcome:
    """What a training gives.

    Args:
        metrics (dict[str, float]): All metrics of the test; those in per cent as MMPretrain has them.
        scores (dict[str, np.ndarray]): Per test image, in the order of the test set: ``log_scores`` float16 (N, C),
            logarithms of the class probabilities; ``predictions`` and ``labels`` uint8 or uint16 (N,). Of labelled
            images that were held aside, where there are some: ``held_out_log_scores`` and ``held_out_labels``.
        curve (list[dict[str, float]]): One dict an epoch (or a logged iteration): ``step``, ``loss``, ``lr``;
            then one a test along the way: ``step`` and its metrics.
        subset (dict[str, Any]): What was trained and tested on: ``train_size``, ``test_size``, ``train_digest`` and
            ``test_digest`` (SHA-256 of the sorted keys of the images, twelve digits), and ``classes``, their names.
        durations (dict[str, float]): Seconds: ``start_up``, ``train``, ``test``, and others by name.
        draws (list[dict[str, Any]]): Of a probe, one dict a draw: ``repeat``, ``fold``, ``seed``, ``metrics``, and
            ``subset`` as above; the metrics of the outcome are their means then. ``scores`` has the draws one after the
            other, and ``lengths`` int64 (draws,), how many test images each has.
        files (dict[str, Path]): What the cell leaves in its folder for those that need it, by name.
        config_text (str): The whole config that was run, as Python text.
    """

    metrics: dict[str, float]
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)
    subset: dict[str, Any] = field(default_factory=dict)
    durations: dict[str, float] = field(default_factory=dict)
    draws: list[dict[str, Any]] = field(default_factory=list)
    files: dict[str, Path] = field(default_factory=dict)
    config_text: str = ''


@dataclass(frozen=True)
class Result:
    """What is kept of a finished cell, in ``result.json``; the scores are beside it in ``scores.npz``.

    Args:
        cell (Cell): The cell.
        metrics (dict[str, float]): See :class:`Outcome`, as the next three.
        curve (list[dict[str, float]]): The curve.
        subset (dict[str, Any]): The subset.
        durations (dict[str, float]): The durations.
        files (dict[str, str]): Names of the files that belong to it, in the cell's folder.
        versions (dict[str, str]): Versions of Python and of the libraries that compute.
        machine (dict[str, str]): ``host``, ``processor``, ``cores``, ``device``.
        finished (str): When, in UTC, as ISO 8601.
        draws (list[dict[str, Any]]): Those of a probe, see :class:`Outcome`.
    """

    cell: Cell
    metrics: dict[str, float]
    curve: list[dict[str, float]]
    subset: dict[str, Any]
    durations: dict[str, float]
    files: dict[str, str]
    versions: dict[str, str]
    machine: dict[str, str]
    finished: str
    draws: list[dict[str, Any]] = field(default_factory=list)


@dataclass(frozen=True)
class Failure:
    """A cell that did not finish, in ``failure.json``.

    Args:
        cell (Cell): The cell.
        error (str): The error in a line or a few, as a person should read it.
        traceback (str): Where it came from.
        machine (dict[str, str]): See :class:`Result`.
        failed (str): When, in UTC, as ISO 8601.
    """

    cell: Cell
    error: str
    traceback: str
    machine: dict[str, str]
    failed: str


@dataclass(frozen=True)
class Plan:
    """All trainings of a grid.

    Args:
        grid (Mapping[str, Any]): The grid config, complete, as plain values.
        cells (Sequence[Cell]): Pre-trainings first. Cells of two variants that are the same training have the same id
            and are trained once.
        images (Mapping[str, int]): By id, how many images its training sees, where that is known; for estimates of
            the time.
        absent (Sequence[str]): Folders of data that are not there. The ids are preliminary where there are any.
        config (str): The file of the grid config.
        options (Mapping[str, Any]): Its overrides, as ``--cfg-options`` parses them.
    """

    grid: Mapping[str, Any]
    cells: Sequence[Cell]
    images: Mapping[str, int] = field(default_factory=dict)
    absent: Sequence[str] = ()
    config: str = ''
    options: Mapping[str, Any] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The grid's name."""
        return self.grid['name']

    @cached_property
    def trainings(self) -> dict[str, Cell]:
        """The different trainings by id, pre-trainings first."""
        trainings: dict[str, Cell] = {}
        for cell in self.cells:
            trainings.setdefault(cell.id, cell)
        return trainings

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as ``grid.json`` has them."""
        return dict(
            format=1,
            name=self.name,
            grid=dict(self.grid),
            cells=[cell.to_dict() for cell in self.cells],
            images=dict(self.images),
            config=self.config,
            options=dict(self.options),
        )
