"""Published tables as data, to stand beside own results."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sdp_plugin.errors import UserError

Key = tuple[str, int | None]
"""Data set, and labelled examples of each class; None is all."""


@dataclass(frozen=True)
class SummaryCell:
    """A published cell.

    Args:
        mean (float): Of the runs.
        sd (float | None): Their sample standard deviation, where it is published.
        n (int | None): Their number, likewise.
    """

    mean: float
    sd: float | None = None
    n: int | None = None

    def __str__(self) -> str:
        return f'{self.mean:.2f}' if self.sd is None else f'{self.mean:.2f} ± {self.sd:.2f}'


@dataclass(frozen=True)
class PublishedTable:
    """A table of test results in per cent.

    Args:
        citation (str): Where it stands.
        rows (Mapping[str, Mapping[Key, SummaryCell]]): Initialisation to (data set, labelled examples of each
            class) to cell, named as in the shipped grids; foundation models by their cards.
        metric (str): Of what.
        method (str): What made classifiers of the networks, as our tables name it.
        differs (str): In what its protocol is another than ours, which forbids a difference; ``''`` where it is ours.
    """

    citation: str
    rows: Mapping[str, Mapping[Key, SummaryCell]]
    metric: str = 'accuracy/top1'
    method: str = 'fine-tuning'
    differs: str = ''

    @property
    def columns(self) -> list[Key]:
        """(data set, labelled examples of each class), in the order of the paper."""
        return list(next(iter(self.rows.values())))

    def cell(self, initialisation: str, dataset: str, examples_per_class: int | None) -> SummaryCell | None:
        """The published cell, or None where the paper has none."""
        return self.rows.get(initialisation, {}).get((dataset, examples_per_class))


def _row(cells: str, columns: Sequence[Key], n: int) -> dict[Key, SummaryCell]:
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
_TEN_SHOTS = {
    'uni2-h': 88.7, 'gigapath': 85.2, 'virchow2': 85.1, 'h-optimus-0': 82.4, 'phikon': 82.0, 'uni': 81.5,
    'hibou-l': 80.4, 'kaiko-b8': 78.6, 'phikon-v2': 74.1,
}  # fmt: skip
_ALL_EXAMPLES = {
    'hibou-l': 95.5, 'uni2-h': 95.0, 'gigapath': 94.5, 'h-optimus-0': 94.3, 'virchow2': 93.8, 'uni': 93.7,
    'phikon': 92.0, 'kaiko-b8': 91.5,
}  # fmt: skip
EVA = PublishedTable(
    'frozen features, with 10 patches a class over 50 runs from Karasikov et al., Training state-of-the-art pathology '
    'foundation models with orders of magnitude less data, arXiv 2504.05186; with all patches from the leaderboard of '
    "kaiko's eva",
    {
        card: {
            key: cell
            for key, cell in {
                ('PCam', 10): card in _TEN_SHOTS and SummaryCell(_TEN_SHOTS[card], n=50),
                ('PCam', None): card in _ALL_EXAMPLES and SummaryCell(_ALL_EXAMPLES[card]),
            }.items()
            if cell
        }
        for card in _TEN_SHOTS
    },
    metric='single-label/balanced-accuracy',
    method='logistic regression',
    differs='gradient descent trains their linear head, where ours is a logistic regression',
)
PUBLISHED = {'teh2022': TEH2022, 'eva': EVA}


def published_table(key: str) -> PublishedTable:
    """The table of that name.

    Raises:
        UserError: There is none.
    """
    if key not in PUBLISHED:
        raise UserError(f'There is no published table {key!r}.', looked_for=' or '.join(PUBLISHED), found=key)
    return PUBLISHED[key]
