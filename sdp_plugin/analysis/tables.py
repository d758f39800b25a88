"""Results as a table: initialisations down, data sets across, mean and spread over repeats, and every single value."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sdp_plugin.errors import UserError

MISSING = '-'


@dataclass(frozen=True)
class Result:
    """The outcome of one training.

    Args:
        initialisation (str): Where the weights came from; a row of the table.
        dataset (str): What was learned and tested, for example ``'PCam 1000'``; a column of the table.
        repeat (int): Seed or fold, which tells the repeats of a cell apart.
        value (float): The measure, in percent.
    """

    initialisation: str
    dataset: str
    repeat: int
    value: float


@dataclass(frozen=True)
class Cell:
    """All results of one initialisation on one data set.

    Args:
        initialisation (str): Row of the table.
        dataset (str): Column of the table.
        repeats (tuple[int, ...]): Seeds or folds, ascending.
        values (tuple[float, ...]): Their results, in percent.
    """

    initialisation: str
    dataset: str
    repeats: tuple[int, ...]
    values: tuple[float, ...]

    @property
    def mean(self) -> float:
        """Mean of the values."""
        return statistics.fmean(self.values)

    @property
    def sd(self) -> float | None:
        """Sample standard deviation (n - 1); None for a single value, which has no spread."""
        return statistics.stdev(self.values) if len(self.values) > 1 else None

    def __str__(self) -> str:
        spread = '' if self.sd is None else f' ± {self.sd:.2f}'
        return f'{self.mean:.2f}{spread} (n = {len(self.values)})'


def summarise(results: Iterable[Result]) -> list[Cell]:
    """Gather the repeats of each cell.

    Args:
        results (Iterable[Result]): In any order.

    Returns:
        list[Cell]: In the order in which they first appear; combinations without a result are left out.

    Raises:
        UserError: If there is no result, one is not a finite number, or a repeat of a cell appears twice.
    """
    gathered: dict[tuple[str, str], dict[int, float]] = {}
    for result in results:
        key = (result.initialisation, result.dataset)
        values = gathered.setdefault(key, {})
        if not math.isfinite(result.value):
            raise UserError('A result is not a number.', found=result, remedy='look into the log of that run')
        if result.repeat in values:
            raise UserError(
                f'Repeat {result.repeat} of {key[0]!r} on {key[1]!r} appears twice.',
                found=f'{values[result.repeat]} and {result.value}',
                remedy='give each run its own seed or fold, or keep one of the two',
            )
        values[result.repeat] = result.value
    if not gathered:
        raise UserError('There is no result to make a table of.')
    return [
        Cell(initialisation, dataset, tuple(sorted(values)), tuple(values[repeat] for repeat in sorted(values)))
        for (initialisation, dataset), values in gathered.items()
    ]


def to_markdown(results: Iterable[Result], measure: str = 'accuracy') -> str:
    """The table and the single values in Markdown, ending in a line feed."""
    cells = summarise(results)
    parts = [f'Test {measure} in %, mean ± standard deviation.', _markdown(_summary_rows(cells))]
    return '\n\n'.join([*parts, 'Single values:', _markdown(_single_rows(cells))]) + '\n'


def to_text(results: Iterable[Result], measure: str = 'accuracy') -> str:
    """The table and the single values in aligned columns for a terminal, ending in a line feed."""
    cells = summarise(results)
    parts = [f'Test {measure} in %, mean ± standard deviation', _aligned(_summary_rows(cells))]
    return '\n\n'.join([*parts, 'Single values', _aligned(_single_rows(cells))]) + '\n'


def to_json(results: Iterable[Result], measure: str = 'accuracy') -> str:
    """The cells as JSON, ending in a line feed; ``sd`` is null for a single value."""
    cells = [
        {
            'initialisation': cell.initialisation,
            'dataset': cell.dataset,
            'n': len(cell.values),
            'mean': cell.mean,
            'sd': cell.sd,
            'repeats': list(cell.repeats),
            'values': list(cell.values),
        }
        for cell in summarise(results)
    ]
    return json.dumps({'measure': measure, 'unit': 'percent', 'cells': cells}, indent=2, ensure_ascii=False) + '\n'


def _summary_rows(cells: Sequence[Cell]) -> list[list[str]]:
    by_key = {(cell.initialisation, cell.dataset): str(cell) for cell in cells}
    datasets = list(dict.fromkeys(cell.dataset for cell in cells))
    rows = [['Initialisation', *datasets]]
    for initialisation in dict.fromkeys(cell.initialisation for cell in cells):
        rows.append([initialisation, *(by_key.get((initialisation, dataset), MISSING) for dataset in datasets)])
    return rows


def _single_rows(cells: Sequence[Cell]) -> list[list[str]]:
    rows = [['Initialisation', 'Data set', 'Repeat: value']]
    for cell in cells:
        values = ', '.join(f'{repeat}: {value:.2f}' for repeat, value in zip(cell.repeats, cell.values, strict=True))
        rows.append([cell.initialisation, cell.dataset, values])
    return rows


def _markdown(rows: Sequence[Sequence[str]]) -> str:
    escaped = [[text.replace('|', r'\|') for text in row] for row in rows]
    lines = [f'| {" | ".join(row)} |' for row in escaped]
    return '\n'.join([lines[0], '|' + '---|' * len(rows[0]), *lines[1:]])


def _aligned(rows: Sequence[Sequence[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = ['  '.join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows]
    return '\n'.join([lines[0], '-' * (sum(widths) + 2 * (len(widths) - 1)), *lines[1:]])
