"""The report as data: everything that the page says, before it is laid out. ``results.json`` is this, as it stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sdp_plugin.grid.records import FINE_TUNING
from sdp_plugin.statistics import Claim, Interval, PairedComparison, SummaryCell

ACCURACY = 'accuracy/top1'
LABELS = {
    ACCURACY: 'accuracy',
    'single-label/balanced-accuracy': 'balanced accuracy',
    'single-label/auroc': 'AUROC',
    'calibration/ece': 'calibration error (ECE)',
    'calibration/brier': 'Brier score',
    'calibration/ece-scaled': 'calibration error at the fitted temperature',
    'calibration/brier-scaled': 'Brier score at the fitted temperature',
}
PERCENTAGES = ('accuracy/', 'single-label/', 'calibration/')
"""Metrics beginning so lie between 0 and 100."""


def label_of(metric: str) -> str:
    """What people call a metric."""
    return LABELS.get(metric) or metric.rsplit('/', 1)[-1].replace('-', ' ').replace('_', ' ')


@dataclass(frozen=True)
class Column:
    """A data set and the number of labelled examples of each class; None is all."""

    dataset: str
    examples_per_class: int | None

    @property
    def size(self) -> str:
        """The number, in words where it is none."""
        return 'all' if self.examples_per_class is None else f'{self.examples_per_class:,}'

    @property
    def label(self) -> str:
        """For example 'PCam 1,000'."""
        return f'{self.dataset} {self.size}'


PRETRAINING_COLUMN = Column('Pre-training', None)
"""Where the curves of pre-trainings stand."""


@dataclass(frozen=True)
class Row:
    """A row of the table: an initialisation, and the method that makes a classifier of it."""

    initialisation: str
    method: str = FINE_TUNING

    @property
    def label(self) -> str:
        """For example 'Random', or 'Random, logistic regression' for a probe."""
        return self.initialisation if self.method == FINE_TUNING else f'{self.initialisation}, {self.method}'


@dataclass(frozen=True)
class Position:
    """Where in the table: variant, column and row.

    Args:
        variant (str): The variant of the grid.
        column (Column): Data set and size.
        initialisation (str): The initialisation.
        method (str): Fine-tuning, or how a probe classifies.
    """

    variant: str
    column: Column
    initialisation: str
    method: str

    @property
    def position(self) -> Position:
        """This, without what stands there."""
        return Position(self.variant, self.column, self.initialisation, self.method)

    @property
    def row(self) -> Row:
        """The row of the table."""
        return Row(self.initialisation, self.method)


@dataclass(frozen=True)
class Value:
    """The result of one run: which, its cell's id, and the value."""

    place: str
    cell: str
    value: float


@dataclass(frozen=True)
class Summary:
    """A metric over the runs of an entry.

    Args:
        values (tuple[Value, ...]): In the order of repeats and folds; at least one.
        mean (float): Their mean.
        sd (float | None): Their sample standard deviation; None for one.
        interval (Interval | None): 95 %, the default for the kind of runs.
        beside (Interval | None): What a plainer method says, for comparison: uncorrected, or over the runs alone.
    """

    values: tuple[Value, ...]
    mean: float
    sd: float | None
    interval: Interval | None
    beside: Interval | None = None

    @property
    def n(self) -> int:
        """Number of runs."""
        return len(self.values)


@dataclass(frozen=True)
class Published:
    """The published cell beside an entry.

    Args:
        cell (SummaryCell): Mean, standard deviation, number of runs.
        difference (float | None): Ours minus theirs; None where ours is not there or does not compare.
        obstacle (str): Why the two do not compare; ``''`` if they do.
    """

    cell: SummaryCell
    difference: float | None
    obstacle: str


@dataclass(frozen=True)
class Entry(Position):
    """The runs at one position of the table.

    Args:
        planned (int): Number of runs in the plan.
        summaries (Mapping[str, Summary]): By metric; without those that no finished run has.
        published (Published | None): Beside it, where the cell is the paper's.
        obstacle (str): Why it cannot be run, if it cannot.
    """

    planned: int
    summaries: Mapping[str, Summary]
    published: Published | None = None
    obstacle: str = ''


@dataclass(frozen=True)
class ComparisonRow:
    """Two initialisations on one data set and size in one variant.

    Args:
        variant (str): The variant.
        column (Column): Data set and size.
        comparison (PairedComparison): The tests.
        claim (Claim): What may be claimed.
        differences (tuple[Value, ...]): Of the pairs.
        images (Interval | None): Interval of the mean difference over runs and test images.
        unpaired (tuple[tuple[str, str], ...]): Runs that make no pair, and why.
    """

    variant: str
    column: Column
    comparison: PairedComparison
    claim: Claim
    differences: tuple[Value, ...]
    images: Interval | None
    unpaired: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class ComparisonBlock:
    """A comparison of the grid's config over all its cells, which are one family for Holm's adjustment.

    Args:
        first (str): Label of the first row of the table.
        second (str): Label of the other one.
        rows (tuple[ComparisonRow, ...]): By variant and column.
    """

    first: str
    second: str
    rows: tuple[ComparisonRow, ...]


@dataclass(frozen=True)
class Curve(Position):
    """Mean and range over the runs of an entry at each step: loss, or true-positive rate."""

    n: int
    x: tuple[float, ...]
    mean: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]


@dataclass(frozen=True)
class Confusion(Position):
    """Mean over the runs of the share of each class's images (rows) taken for each class (columns), in per cent.

    A row is None where no run tested an image of its class.
    """

    n: int
    images: int
    classes: tuple[str, ...]
    rows: tuple[tuple[float, ...] | None, ...]


@dataclass(frozen=True)
class Trouble:
    """A cell without a result, or a result without a cell: what, why, and details."""

    title: str
    reason: str = ''
    detail: str = ''


@dataclass(frozen=True)
class Standing:
    """How far the grid is. Each training is counted once; those left out are finished, but their files do not serve."""

    total: int
    done: int
    running: tuple[Trouble, ...] = ()
    failed: tuple[Trouble, ...] = ()
    unrunnable: tuple[Trouble, ...] = ()
    missing: tuple[Trouble, ...] = ()
    stale: tuple[Trouble, ...] = ()
    unreadable: tuple[Trouble, ...] = ()
    left_out: int = 0

    @property
    def complete(self) -> bool:
        """Whether nothing is left to run and nothing failed."""
        return self.done + len(self.unrunnable) == self.total


@dataclass(frozen=True)
class Pretraining:
    """A finished pre-training: its title, metrics, and seconds by phase."""

    title: str
    metrics: Mapping[str, float]
    durations: Mapping[str, float]


@dataclass(frozen=True)
class Sample:
    """A picture to show: its title, caption, and the file's name and bytes."""

    file: str
    caption: str
    group: str
    content: bytes = field(repr=False, default=b'')


@dataclass(frozen=True)
class Calibration:
    """Whether the probabilities mean what they say, from the scores of the test images.

    Args:
        metrics (tuple[str, ...]): Those that the entries have besides the report's own.
        comparisons (Mapping[str, tuple[ComparisonBlock, ...]]): By metric.
        reliability (tuple[Curve, ...]): Accuracy against confidence, 0 to 1.
        without_temperature (int): Runs with scores of which none are of images held aside.
    """

    metrics: tuple[str, ...]
    comparisons: Mapping[str, tuple[ComparisonBlock, ...]]
    reliability: tuple[Curve, ...]
    without_temperature: int


@dataclass(frozen=True)
class Report:
    """Everything.

    Args:
        name (str): The grid's name.
        metric (str): The main metric, of which the comparisons are.
        metrics (tuple[str, ...]): All metrics of the tables, the main one first.
        columns (tuple[Column, ...]): In the order of the table.
        variants (tuple[str, ...]): In the order of the grid.
        initialisations (tuple[str, ...]): In the order of the grid.
        rows (tuple[Row, ...]): Fine-tunings first, each in the order of the initialisations.
        entries (tuple[Entry, ...]): By variant, column and row, each in its order.
        comparisons (tuple[ComparisonBlock, ...]): In the order of the grid.
        learning (tuple[Curve, ...]): Loss against step.
        pretraining (tuple[Curve, ...]): The same of the pre-trainings, under the initialisations that they give.
        pretrainings (tuple[Pretraining, ...]): Those that are done.
        roc (tuple[Curve, ...]): True against false positive rate.
        confusions (tuple[Confusion, ...]): Where there are per-image scores.
        calibration (Calibration | None): Where there are per-image scores.
        samples (tuple[Sample, ...]): Pictures.
        standing (Standing): How far the grid is.
        notices (tuple[str, ...]): What a reader must know before the numbers.
        problems (tuple[str, ...]): Files that were left out, and why.
        published (str | None): Citation of the published table.
        versions (Mapping[str, Mapping[str, int]]): Library to version to number of cells.
        machines (Mapping[str, int]): Description to number of cells.
        durations (Mapping[str, Mapping[str, float]]): Kind of cell to phase to seconds.
        grid (Mapping[str, Any]): The grid's config.
        work_dir (str): Where it was read from.
        command (str): What runs it again.
        generated (str): When, in UTC, as ISO 8601.
        generator (str): Name and version of what wrote it.
    """

    name: str
    metric: str
    metrics: tuple[str, ...]
    columns: tuple[Column, ...]
    variants: tuple[str, ...]
    initialisations: tuple[str, ...]
    rows: tuple[Row, ...]
    entries: tuple[Entry, ...]
    comparisons: tuple[ComparisonBlock, ...]
    learning: tuple[Curve, ...]
    pretraining: tuple[Curve, ...]
    pretrainings: tuple[Pretraining, ...]
    roc: tuple[Curve, ...]
    confusions: tuple[Confusion, ...]
    calibration: Calibration | None
    samples: tuple[Sample, ...]
    standing: Standing
    notices: tuple[str, ...]
    problems: tuple[str, ...]
    published: str | None
    versions: Mapping[str, Mapping[str, int]]
    machines: Mapping[str, int]
    durations: Mapping[str, Mapping[str, float]]
    grid: Mapping[str, Any]
    work_dir: str
    command: str
    generated: str
    generator: str

    def entry(self, variant: str, initialisation: str, column: Column, method: str = FINE_TUNING) -> Entry | None:
        """The entry of that position, or None where the grid has none."""
        return self._entries.get(Position(variant, column, initialisation, method))

    @cached_property
    def _entries(self) -> dict[Position, Entry]:
        return {entry.position: entry for entry in self.entries}
