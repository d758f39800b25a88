"""What a grid consists of and what is kept of it: cells, outcomes, results and failures, as plain data.

A cell is one training. Pre-trainings end with a converted checkpoint, the initialisation of the fine-tunings and probes
that need it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

PRETRAINING, FINETUNING, PROBE = 'pretraining', 'finetuning', 'probe'
FINE_TUNING = 'fine-tuning'
"""Name of the method that turns a network into a classifier where a cell names none."""


@dataclass(frozen=True)
class Cell:
    """One training of a grid.

    Args:
        id (str): Twelve hexadecimal digits that change with all that influences the result, and with nothing else.
        kind (str): ``'pretraining'``, ``'finetuning'`` or ``'probe'``.
        title (str): What people read, unique in a grid.
        config (str): The config, relative to the folder of the configs, or absolute.
        options (Mapping[str, Any]): Its overrides, as ``--cfg-options`` takes them, without the initialisation.
        needs (str | None): Id of the pre-training whose converted weights are the initialisation.
        checkpoint (str | None): A converted checkpoint from outside of the grid that is the initialisation.
        variant (str): Name of the grid's variant, ``''`` where it has none.
        dataset (str | None): Name of the data set in the grid; None for a pre-training, as are the next five.
        examples_per_class (int | None): Labelled examples of each class; None is all.
        initialisation (str | None): Name of the initialisation in the grid.
        repeat (int | None): Number of the repeat, from 0.
        fold (int | None): The test fold, from 0; None without cross-validation.
        seed (int | None): Seed of the draw, the order and the new layers.
        group (str): Cells of one group differ in initialisation, seed and fold only, so they may train side by side.
        obstacle (str | None): Why the cell cannot be run, known before anything runs.
        method (str): How a probe classifies, as tables name it (``'logistic regression'``); ``''`` for any other cell.
    """

    id: str
    kind: str
    title: str
    config: str
    options: Mapping[str, Any]
    needs: str | None = None
    checkpoint: str | None = None
    variant: str = ''
    dataset: str | None = None
    examples_per_class: int | None = None
    initialisation: str | None = None
    repeat: int | None = None
    fold: int | None = None
    seed: int | None = None
    group: str = ''
    obstacle: str | None = None
    method: str = ''

    @property
    def pair(self) -> tuple:
        """What cells that are compared have in common: all but the initialisation and the method."""
        return self.variant, self.dataset, self.examples_per_class, self.repeat, self.fold, self.seed

    def to_dict(self) -> dict[str, Any]:
        """Plain values, as JSON has them."""
        return {**asdict(self), 'options': dict(self.options)}

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Cell:
        """The cell that :meth:`to_dict` described."""
        return cls(**values)


@dataclass(frozen=True)
class Task:
    """A cell that a worker holds, and where it works.

    Args:
        cell (Cell): The cell.
        folder (Path): Its own folder, kept between attempts. What a killed attempt left there can be gone on from.
        initialisation (Path | None): The converted checkpoint to start from; None is a random initialisation.
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
            logarithms of the class probabilities; ``predictions`` and ``labels`` uint8 or uint16 (N,).
        curve (list[dict[str, float]]): One dict an epoch (or a logged iteration): ``step``, ``loss``, ``lr``.
        subset (dict[str, Any]): What was trained and tested on: ``train_size``, ``test_size``, ``train_digest`` and
            ``test_digest`` (SHA-256 of the sorted keys of the images, twelve digits), and ``classes``, their names.
        durations (dict[str, float]): Seconds: ``start_up``, ``train``, ``test``, and others by name.
        initialisation (Path | None): The converted checkpoint that a pre-training leaves in its folder.
        config_text (str): The whole config that was run, as Python text.
    """

    metrics: dict[str, float]
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    curve: list[dict[str, float]] = field(default_factory=list)
    subset: dict[str, Any] = field(default_factory=dict)
    durations: dict[str, float] = field(default_factory=dict)
    initialisation: Path | None = None
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
        initialisation (str | None): The converted checkpoint, relative to the cell's folder.
        versions (dict[str, str]): Versions of Python and of the libraries that compute.
        machine (dict[str, str]): ``host``, ``processor``, ``cores``, ``device``.
        finished (str): When, in UTC, as ISO 8601.
    """

    cell: Cell
    metrics: dict[str, float]
    curve: list[dict[str, float]]
    subset: dict[str, Any]
    durations: dict[str, float]
    initialisation: str | None
    versions: dict[str, str]
    machine: dict[str, str]
    finished: str


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
