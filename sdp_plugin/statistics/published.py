"""Published tables as data, to stand beside own results, and the claims that follow from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean

from sdp_plugin.errors import UserError
from sdp_plugin.statistics.summaries import SummaryCell, smallest_equivalence_margin

Column = tuple[str, int]


@dataclass(frozen=True)
class PublishedTable:
    """A table of test accuracies in per cent.

    Args:
        citation (str): Where it stands.
        rows (Mapping[str, Mapping[Column, SummaryCell]]): Initialisation to (data set, labelled examples of each
            class) to cell, named as in the shipped grids.
    """

    citation: str
    rows: Mapping[str, Mapping[Column, SummaryCell]]

    @property
    def columns(self) -> list[Column]:
        """(data set, labelled examples of each class), in the order of the paper."""
        return list(next(iter(self.rows.values())))

    def cell(self, initialisation: str, dataset: str, examples_per_class: int | None) -> SummaryCell | None:
        """The published cell, or None where the paper has none."""
        return self.rows.get(initialisation, {}).get((dataset, examples_per_class))


def _row(cells: str, columns: Sequence[Column], n: int) -> dict[Column, SummaryCell]:
    pairs = [cell.split('±') for cell in cells.split('|')]
    return {column: SummaryCell(float(mean), float(sd), n) for column, (mean, sd) in zip(columns, pairs, strict=True)}


_TEH2022_COLUMNS = [('CRC', 12), ('CRC', 25), ('CRC', 50), ('PCam', 1000), ('PCam', 2000), ('PCam', 3000)]
_TEH2022 = {
    'Random': '61.62±3.79 | 64.12±3.73 | 77.34±2.11 | 79.37±1.33 | 81.26±1.47 | 84.09±1.24',
    'Classification': '62.98±3.70 | 69.16±3.87 | 78.00±1.25 | 76.61±1.83 | 80.95±1.18 | 82.50±1.10',
    'Full segmentation': '67.34±3.80 | 73.34±2.17 | 81.40±2.05 | 82.11±1.28 | 86.11±1.13 | 87.80±0.67',
    'Scribble segmentation': '67.40±3.71 | 72.60±2.82 | 81.02±2.57 | 82.13±1.49 | 86.04±1.08 | 87.68±0.64',
}
# The paper's ± is called a standard deviation, over ten runs.
TEH2022 = PublishedTable(
    'Teh and Taylor, Learning with less labels in digital pathology via scribble supervision from natural images, '
    'ISBI 2022, table 1',
    {name: _row(cells, _TEH2022_COLUMNS, n=10) for name, cells in _TEH2022.items()},
)
PUBLISHED = {'teh2022': TEH2022}


def published_table(key: str) -> PublishedTable:
    """The table of that name.

    Raises:
        UserError: There is none.
    """
    if key not in PUBLISHED:
        raise UserError(f'There is no published table {key!r}.', looked_for=' or '.join(PUBLISHED), found=key)
    return PUBLISHED[key]


def mean_gain(table: PublishedTable, over: str, initialisations: Sequence[str], dataset: str) -> float:
    """By how many points the initialisations, averaged, exceed another, averaged over the sizes of a data set.

    With full and scribble segmentation over classification: what spatial labels give beyond class labels.
    """
    columns = _columns_of(table, dataset)
    means = [fmean(table.rows[name][column].mean for column in columns) for name in initialisations]
    return fmean(means) - fmean(table.rows[over][column].mean for column in columns)


def mean_absolute_difference(table: PublishedTable, first: str, second: str) -> float:
    """The mean over all columns of the absolute difference of two rows, in points."""
    return fmean(abs(table.rows[first][column].mean - table.rows[second][column].mean) for column in table.columns)


def mean_sd(table: PublishedTable, rows: Sequence[str]) -> float:
    """The mean standard deviation over these rows' cells, in points."""
    return fmean(cell.sd for row in rows for cell in table.rows[row].values())


def unpaired_margins(table: PublishedTable, first: str, second: str, dataset: str, level: float = 0.95) -> list[float]:
    """For each size of a data set, the smallest margin within which two rows would be shown to be equivalent.

    See :func:`~sdp_plugin.statistics.summaries.smallest_equivalence_margin`.
    """
    rows = table.rows[first], table.rows[second]
    return [
        smallest_equivalence_margin(rows[0][column], rows[1][column], level) for column in _columns_of(table, dataset)
    ]


def _columns_of(table: PublishedTable, dataset: str) -> list[Column]:
    columns = [column for column in table.columns if column[0] == dataset]
    if not columns:
        raise UserError(
            f'The published table has no data set {dataset!r}.', found=sorted({name for name, _ in table.columns})
        )
    return columns
