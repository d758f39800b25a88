"""How far a grid is: what is done, running, failed and left, how long it will take, and the accuracies so far."""

from __future__ import annotations

import sys
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from types import MappingProxyType
from typing import TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from sdp_plugin.bars import duration_text
from sdp_plugin.grid import store
from sdp_plugin.grid.leases import LEASE
from sdp_plugin.grid.records import FEATURES, PRETRAINING, Cell, Plan, Result
from sdp_plugin.grid.store import GridRecord
from sdp_plugin.step_progress import StepProgress, read_step_progress

ON_TERMINAL, IN_A_FILE, FIRST_LOOK = 1.0, 60.0, 10.0
"""Seconds between two looks at the grid, and until the first."""

MOST_RUNNING = 8
MOST_NAMED = 8
"""Initialisations of which each gets its mean in a line; of more the lowest and the highest are named."""
LONGEST_SILENCE = 5
"""After how many looks without a change a log file gets its lines again, to show that the grid is alive."""


@dataclass(frozen=True)
class Estimate:
    """How long what is left takes one worker.

    Args:
        seconds (float): Of the cells whose like have been finished.
        known (int): How many those are.
        unknown (int): How many have no like yet.
    """

    seconds: float
    known: int
    unknown: int

    def text(self, workers: int = 1) -> str:
        """In words, for so many workers."""
        if not self.known + self.unknown:
            return ''
        if not self.known:
            return 'time left is being measured'
        besides = f' and {self.unknown} of unknown duration' if self.unknown else ''
        return f'about {duration_text(self.seconds / max(workers, 1))} left{besides}'


def left(record: GridRecord) -> list[Cell]:
    """The trainings that are neither done, failed nor impossible; those that run are among them."""
    closed = {*record.results, *record.failures, *record.unreadable, *record.not_runnable()}
    return [cell for cell_id, cell in record.plan.trainings.items() if cell_id not in closed]


def estimate(record: GridRecord, steps: Mapping[str, StepProgress] = MappingProxyType({})) -> Estimate:
    """Estimate the time of what is left from finished cells, and from the steps of those that run.

    A cell takes as long as the mean of its group; where none of these is finished, as long for each image that it sees
    as the finished cells of the same data set and variant (or the same variant's pre-trainings). Where no such cell is
    finished, one that runs stands for it, at the speed of its steps so far.

    Args:
        record (GridRecord): The state of the grid.
        steps (Mapping[str, StepProgress]): By id, how far trainings are that run. Defaults to none.
    """
    finished = {cell_id: result.durations[store.WALL] for cell_id, result in record.results.items()}
    running = {cell_id: step for cell_id, step in steps.items() if step.left is not None and cell_id in record.running}
    expected = {cell_id: step.seconds + step.left for cell_id, step in running.items()}
    to_do = [cell for cell in left(record) if cell.id not in running]
    rates = [_Rates(record.plan, durations) for durations in (finished, expected)]
    estimates = [next((value for rate in rates if (value := rate.of(cell)) is not None), None) for cell in to_do]
    known = [value for value in estimates if value is not None] + [step.left for step in running.values()]
    return Estimate(sum(known), len(known), len(to_do) + len(running) - len(known))


class _Rates:
    """How long cells take, from the seconds that some took."""

    def __init__(self, plan: Plan, durations: Mapping[str, float]) -> None:
        self.images = plan.images
        self.seconds, self.per_image = defaultdict(list), defaultdict(list)
        for cell_id, taken in durations.items():
            cell = plan.trainings[cell_id]
            self.seconds[cell.group].append(taken)
            if images := plan.images.get(cell_id):
                self.per_image[_kind(cell)].append(taken / images)

    def of(self, cell: Cell) -> float | None:
        if cell.group in self.seconds:
            return fmean(self.seconds[cell.group])
        images = self.images.get(cell.id)
        return fmean(self.per_image[_kind(cell)]) * images if images and _kind(cell) in self.per_image else None


def _kind(cell: Cell) -> tuple:
    return cell.kind, cell.variant, cell.dataset


def status_line(record: GridRecord, steps: Mapping[str, StepProgress] = MappingProxyType({})) -> str:
    """One line: done, running, failed, left, and the time left."""
    to_do, running = left(record), len(record.running)
    workers = len({owner.worker for owner in record.running.values()})
    impossible = len(record.not_runnable())
    parts = [
        f'{record.plan.name}: {len(record.results)} of {len(record.plan.trainings)} done',
        f'{running} running' if running else '',
        f'{len(record.failures)} failed' if record.failures else '',
        f'{len(record.unreadable)} unreadable' if record.unreadable else '',
        f'{impossible} not runnable' if impossible else '',
        f'{len(to_do) - running} waiting' if to_do else '',
        estimate(record, steps).text(workers),
    ]
    return ', '.join(part for part in parts if part)


def running_lines(record: GridRecord, steps: Mapping[str, StepProgress] = MappingProxyType({})) -> list[str]:
    """What runs, and how far that is: a line each, the first few of them."""
    shown = list(record.running)[:MOST_RUNNING]
    lines = [', '.join([record.plan.trainings[id].title, *_said(steps.get(id))]) for id in shown]
    more = len(record.running) - len(shown)
    return [f'  running: {line}' for line in lines] + ([f'  and {more} more'] if more else [])


def _said(step: StepProgress | None) -> list[str]:
    if step is None:
        return ['starting']
    unit = 'images' if step.phase == 'features' else 'iterations'
    parts = [f'{step.phase} {step.done:,} of {step.total:,} {unit}']
    parts += [] if step.loss is None else [f'loss {step.loss:.3g}']
    return parts + ([] if step.left is None else [f'{duration_text(step.left)} left'])


def accuracy_lines(record: GridRecord) -> list[str]:
    """One line for each data set and size with a result: means of the grid's metric and numbers of runs."""
    metric = record.plan.grid['metric']
    columns: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for cell in record.cells:
        result = record.results.get(cell.id)
        if cell.kind not in (PRETRAINING, FEATURES) and result and metric in result.metrics:
            runs = [draw['metrics'] for draw in result.draws] or [result.metrics]
            columns[cell.group][cell.initialisation] += [run[metric] for run in runs]
    width = max(map(len, columns), default=0)
    return [f'  {group:<{width}}  {_means(values)}' for group, values in columns.items()]


def _means(values: Mapping[str, Sequence[float]]) -> str:
    named = [f'{name} {fmean(runs):.2f} ({len(runs)})' for name, runs in values.items()]
    if len(named) <= MOST_NAMED:
        return ', '.join(named)
    ordered = sorted(values, key=lambda name: fmean(values[name]))
    ends = (f'{fmean(values[name]):.2f} ({name})' for name in (ordered[0], ordered[-1]))
    return f'{len(named)} initialisations, {" to ".join(ends)}'


class Progress:
    """Shows the state of a grid while it runs.

    On a terminal a block is drawn anew every few seconds: a bar for each training that runs, one for the grid, and the
    accuracies so far. Elsewhere, as in a log file, lines are added soon after the start, then when a minute has passed
    and a cell has ended, or five minutes.

    Args:
        work_dir (Path): The work directory of the grid.
        plan (Plan): Its plan.
        lease (float): Seconds after which a claim lapses.
        interval (float | None): Seconds between two looks. Defaults to 1 on a terminal and 60 elsewhere.
        stream (TextIO | None): Defaults to what standard output is now, wherever it may be led later.
    """

    def __init__(
        self,
        work_dir: Path,
        plan: Plan,
        lease: float = LEASE,
        interval: float | None = None,
        stream: TextIO | None = None,
    ) -> None:
        self.work_dir, self.plan, self.lease = work_dir, plan, lease
        self.stream = stream or sys.stdout
        self.on_terminal = self.stream.isatty()
        self.interval = interval if interval is not None else (ON_TERMINAL if self.on_terminal else IN_A_FILE)
        self._results: Mapping[str, Result] = {}
        self._next_look = time.monotonic() + min(self.interval, FIRST_LOOK)
        self._console = Console(file=self.stream, highlight=False, soft_wrap=True)
        self._live: Live | None = None
        self._last, self._silent = '', 0

    def look(self) -> GridRecord:
        """The state of the grid."""
        record = store.read_cells(self.work_dir, self.plan, self.lease, self._results)
        self._results = {**record.results, **record.stale}
        return record

    def tell(self, line: str) -> None:
        """Print a line that stays."""
        if self._live:
            self._console.print(line, markup=False)
        else:
            print(line, file=self.stream, flush=True)

    def update(self) -> None:
        """Show the state if it is time to."""
        if time.monotonic() >= self._next_look:
            self.show()

    def show(self) -> GridRecord:
        """Show the state now."""
        self._next_look = time.monotonic() + self.interval
        record = self.look()
        steps = steps_of(record)
        if self.on_terminal:
            self._draw(record, steps)
        else:
            self._add([status_line(record, steps), *running_lines(record, steps), *accuracy_lines(record)])
        return record

    def _add(self, lines: Sequence[str]) -> None:
        self._silent += 1
        state = lines[0].partition(', about ')[0]
        if state == self._last and self._silent < LONGEST_SILENCE:
            return
        self._last, self._silent = state, 0
        print(f'{time.strftime("%H:%M:%S")} {lines[0]}', *lines[1:], sep='\n', file=self.stream, flush=True)

    def _draw(self, record: GridRecord, steps: Mapping[str, StepProgress]) -> None:
        if self._live is None:
            self._live = Live(console=self._console, auto_refresh=False, redirect_stdout=False, redirect_stderr=False)
            self._live.start()
        self._live.update(_display(record, steps), refresh=True)

    def keep(self) -> None:
        """Leave what was drawn last where it is."""
        if self._live:
            self._live.stop()
        self._live = None


def steps_of(record: GridRecord) -> dict[str, StepProgress]:
    """By id, how far the trainings are that run, where they say it."""
    found = {id: read_step_progress(store.cell_folder(record.work_dir, id) / store.WORK) for id in record.running}
    return {id: step for id, step in found.items() if step}


def _display(record: GridRecord, steps: Mapping[str, StepProgress]) -> Group:
    bars = Table.grid(padding=(0, 1))
    bars.add_column(no_wrap=True, overflow='ellipsis', ratio=1)
    bars.add_column(width=20)
    bars.add_column(no_wrap=True)
    for id in list(record.running)[:MOST_RUNNING]:
        step = steps.get(id)
        bar = ProgressBar(step.total, step.done, width=20) if step else ProgressBar(width=20, pulse=True)
        bars.add_row(Text(record.plan.trainings[id].title), bar, Text(', '.join(_said(step))))
    total, done = len(record.plan.trainings), len(record.results)
    name, _, rest = status_line(record, steps).partition(': ')
    bars.add_row(Text(name, style='bold'), ProgressBar(total, done, width=20), Text(rest))
    return Group(bars, *map(Text, accuracy_lines(record)))
