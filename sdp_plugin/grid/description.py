"""A plan as text: its cells, what is done and left of them, and why some cannot be run."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from sdp_plugin.errors import shortened
from sdp_plugin.grid.progress import estimate, left
from sdp_plugin.grid.records import FEATURES, FINETUNING, PRETRAINING, PROBE, Cell, Plan
from sdp_plugin.grid.store import GridRecord

NOUNS = {PRETRAINING: 'pre-training{}', FINETUNING: 'fine-tuning{}', FEATURES: 'feature set{}', PROBE: 'probe{}'}
"""What a cell of each kind is called, with a place for the plural's s."""


def describe(record: GridRecord, is_verbose: bool = False) -> str:
    """The plan, what is done and left of it, and how long that takes.

    Args:
        record (GridRecord): The plan and what the work directory holds of it.
        is_verbose (bool): One line for each cell, not for each group. Defaults to False.

    Returns:
        str: Lines of text.
    """
    cells = list(record.plan.trainings.values())
    counts = Counter(cell.kind for cell in cells)
    parts = [_counted(counts[kind], noun) for kind, noun in NOUNS.items() if counts[kind]]
    lines = [f'{record.plan.name}: {len(cells)} cells: {", ".join(parts)}; work directory {record.work_dir}']
    if len(cells) < len(record.cells):
        lines.append(f'{len(record.cells) - len(cells)} more cells are the same trainings in other variants.')
    lines += [''] + (_cell_lines(record, cells) if is_verbose else _group_lines(record, cells))
    reasons = record.not_runnable()
    if reasons:
        lines += ['', 'Not runnable:', *(f'  {_titles(ids, record.plan)}: {why}' for why, ids in _by_reason(reasons))]
    if record.failures:
        lines += ['', 'Failed (--retry-failed runs them again):']
        lines += [f'  {failure.cell.title}: {failure.error.splitlines()[0]}' for failure in record.failures.values()]
    if record.unreadable:
        lines += ['', 'Unreadable:', *(f'  {line}' for why in record.unreadable.values() for line in why.splitlines())]
    if record.stale:
        lines += [
            '',
            f'{len(record.stale)} results of the work directory belong to no cell of this plan: an option, '
            'the data or a version has changed since.',
        ]
    if record.plan.absent:
        lines += [
            '',
            f'Missing data: {", ".join(record.plan.absent)}. Until they are there, ids are preliminary and '
            'nobody knows which cells can be run.',
        ]
    to_do = left(record)
    time_left = estimate(record).text() or 'nothing is left to run'
    return '\n'.join([*lines, '', f'{len(record.results)} done, {len(to_do)} to run with one worker: {time_left}'])


def _counted(number: int, noun: str) -> str:
    return f'{number} {noun.format("" if number == 1 else "s")}'


def _cell_lines(record: GridRecord, cells: Sequence[Cell]) -> list[str]:
    return [f'  {cell.id}  {_state(record, cell):<12}  {cell.title}' for cell in cells]


def _group_lines(record: GridRecord, cells: Sequence[Cell]) -> list[str]:
    groups: dict[str, list[Cell]] = defaultdict(list)
    for cell in cells:
        groups[cell.group].append(cell)
    width = max(map(len, groups), default=0)
    return [f'  {group:<{width}}  {len(members):>4}  {_states(record, members)}' for group, members in groups.items()]


def _states(record: GridRecord, cells: Iterable[Cell]) -> str:
    counts = Counter(_state(record, cell) for cell in cells)
    return ', '.join(f'{number} {state}' for state, number in sorted(counts.items()))


def _state(record: GridRecord, cell: Cell) -> str:
    if cell.id in record.results:
        return 'done'
    if cell.id in record.failures:
        return 'failed'
    if cell.id in record.unreadable:
        return 'unreadable'
    if cell.id in record.not_runnable():
        return 'not runnable'
    return 'running' if cell.id in record.running else 'to run'


def _by_reason(reasons: Mapping[str, str]) -> Iterable[tuple[str, list[str]]]:
    ids: dict[str, list[str]] = defaultdict(list)
    for cell_id, reason in reasons.items():
        ids[reason].append(cell_id)
    return ids.items()


def _titles(cell_ids: Sequence[str], plan: Plan) -> str:
    titles = [plan.trainings[cell_id].title for cell_id in cell_ids]
    return shortened(titles, 4, '; ')
