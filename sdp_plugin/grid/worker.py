"""A worker: takes one cell after the other that is free and ready, runs it and keeps its result, until none is left.

Any number of workers may work on one grid, on one machine or on a folder that several machines share. They agree
through the files of the work directory alone. ``python -m sdp_plugin.grid.worker WORK_DIR`` is a worker over a plan
that is written there already.
"""

from __future__ import annotations

import argparse
import importlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sdp_plugin.errors import UserError, concerns_all, exits_on_user_error
from sdp_plugin.grid import store
from sdp_plugin.grid.leases import LEASE, Claim, Superseded, check_lease, claim, heartbeat, this_process
from sdp_plugin.grid.records import FEATURES, FINETUNING, PRETRAINING, Cell, Outcome, Plan, Task

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between two looks at the grid while all that is left waits for other workers."""

Work = Callable[[Sequence[Task]], Iterator[tuple[Task, Outcome | Exception]]]


class Stopped(BaseException):
    """The process was asked to end. No :class:`Exception`, so that no training takes it for an error.

    Args:
        signal_number (int): The signal.
    """

    def __init__(self, signal_number: int) -> None:
        super().__init__(f'stopped by {signal.Signals(signal_number).name}')
        self.signal = signal_number
        self.exit_status = 128 + signal_number


@dataclass(frozen=True)
class Shard:
    """The part of a grid that one job of an array does.

    Fine-tunings and probes are dealt out in the order of their ids, which is random, so that every shard gets its part
    of each data set and size. Pre-trainings and features belong to all shards: the first that needs one makes it, and
    the others wait.

    Args:
        index (int): From 0.
        count (int): How many shards there are.
    """

    index: int = 0
    count: int = 1

    @classmethod
    def parse(cls, text: str) -> Shard:
        """Read ``'2/8'``, the third of eight.

        Raises:
            UserError: The text is none of these.
        """
        index, _, count = text.partition('/')
        if not (index.isdecimal() and count.isdecimal() and int(index) < int(count)):
            raise UserError('This is no shard.', looked_for="'i/n' with i from 0 to n - 1, as in 0/8", found=repr(text))
        return cls(int(index), int(count))

    def __str__(self) -> str:
        return f'{self.index}/{self.count}'

    def of(self, plan: Plan) -> dict[str, Cell]:
        """The trainings of this shard, and those that they need, by id."""
        if self.count == 1:
            return dict(plan.trainings)
        ends = sorted(cell_id for cell_id, cell in plan.trainings.items() if cell.kind not in (PRETRAINING, FEATURES))
        mine: set[str] = set()
        needed = set(ends[self.index :: self.count])
        while needed:
            mine |= needed
            needed = {need for cell_id in needed if (need := plan.trainings[cell_id].needs)}
        return {cell_id: cell for cell_id, cell in plan.trainings.items() if cell_id in mine}


@dataclass
class Worker:
    """Works on a grid whose plan is written.

    Args:
        work_dir (Path): The work directory.
        shard (Shard): Its part of the grid. Defaults to all of it.
        lease (float): Seconds after which a worker that shows no sign of life loses its cells.
        name (str): What others see. Defaults to host and process number.
        report (Callable[[str], None]): Called with a line for each cell that fails or is lost to another worker.
    """

    work_dir: Path
    shard: Shard = field(default_factory=Shard)
    lease: float = LEASE
    name: str = ''
    report: Callable[[str], None] = print

    def __post_init__(self) -> None:
        plan = store.read_plan(self.work_dir)
        self.cells = in_turn(self.shard.of(plan))
        self.together: int = plan.grid['together']
        self.keep_checkpoints: bool = plan.grid['keep_checkpoints']
        self.work = plan.grid['work']
        self.owner = this_process(self.name)
        self.done: set[str] = set()
        self.hopeless: set[str] = {cell_id for cell_id, cell in self.cells.items() if cell.obstacle}

    def run(self) -> None:
        """Work until every cell of the shard is done, has failed or cannot be run."""
        pause = FIRST_PAUSE
        while self._left():
            held = self._take()
            if held:
                self._run(held)
                pause = FIRST_PAUSE
            elif self._left():
                # Others have all that is left, or the pre-trainings that it needs. If they die, this worker goes on.
                time.sleep(min(pause, LONGEST_PAUSE, self.lease / 4))
                pause *= 1.5

    def _left(self) -> list[Cell]:
        return [cell for cell_id, cell in self.cells.items() if cell_id not in self.done | self.hopeless]

    def _take(self) -> list[tuple[Cell, Claim]]:
        """Claim the next cell that is ready, and as many more of its group as the grid runs together."""
        held: list[tuple[Cell, Claim]] = []
        for cell in self._left():
            if held and cell.group != held[0][0].group:
                continue
            if self._is_ready(cell) and (got := self._claim(cell)):
                held.append((cell, got))
            if len(held) == self.together:
                break
        return held

    def _is_ready(self, cell: Cell) -> bool:
        if not self._is_open(cell):
            return False
        if cell.needs in self.hopeless:
            self.hopeless.add(cell.id)
        return cell.id not in self.hopeless and (cell.needs is None or cell.needs in self.done)

    def _is_open(self, cell: Cell) -> bool:
        """Whether the cell has neither a result nor a failure, which is remembered if it has."""
        names = store.names_in(self.work_dir, cell.id)
        if store.RESULT in names:
            self.done.add(cell.id)
        elif store.FAILURE in names:
            self.hopeless.add(cell.id)
        return cell.id not in self.done | self.hopeless

    def _claim(self, cell: Cell) -> Claim | None:
        folder = store.cell_folder(self.work_dir, cell.id)
        try:
            got = claim(folder, self.owner, self.lease)
        except (FileExistsError, NotADirectoryError, PermissionError) as error:
            self.hopeless.add(cell.id)
            self.report(f'{cell.title}: its folder {folder} cannot be used: {error}')
            return None
        except OSError as error:
            raise store.unwritable(error) from error
        if got and not self._is_open(cell):
            # Another worker finished it between the look and the claim.
            got.release()
            return None
        return got

    def _run(self, held: Sequence[tuple[Cell, Claim]]) -> None:
        unfinished = {cell.id: got for cell, got in held}
        try:
            with heartbeat(lambda: list(unfinished.values()), self.lease):
                last = time.monotonic()
                for cell, outcome in self._outcomes([cell for cell, _ in held], imported(self.work)):
                    now = time.monotonic()
                    self._keep(cell, unfinished[cell.id], outcome, now - last)
                    del unfinished[cell.id]
                    last = now
        except Superseded:
            self.report(f'{self.owner.worker}: another worker has taken over a cell of this one; going on with others')
        finally:
            for got in unfinished.values():
                got.release()

    def _outcomes(self, cells: Sequence[Cell], work: Work) -> Iterator[tuple[Cell, Outcome | Exception]]:
        """What the work function gives, once for each cell; an exception for those for which it gives nothing."""
        left = {cell.id: cell for cell in cells}
        failure: Exception = RuntimeError(f'{self.work} gave nothing for this cell')
        try:
            for task, outcome in work([self._task(cell) for cell in cells]):
                if left.pop(task.cell.id, None):
                    yield task.cell, outcome
        except Exception as error:
            failure = error
        for cell in left.values():
            yield cell, failure

    def _task(self, cell: Cell) -> Task:
        folder = store.cell_folder(self.work_dir, cell.id) / store.WORK
        folder.mkdir(exist_ok=True)
        initialisation = Path(cell.checkpoint) if cell.checkpoint else None
        if cell.needs:
            initialisation = store.left_by(self.work_dir, cell.needs, cell.takes)
        return Task(cell, folder, initialisation, self.keep_checkpoints)

    def _keep(self, cell: Cell, got: Claim, outcome: Outcome | Exception, wall: float) -> None:
        if concerns_all(outcome):
            # No fault of the cell, which is free again when the disk has room.
            raise store.unwritable(outcome) from outcome
        if isinstance(outcome, Exception):
            self._fail(cell, got, outcome)
            return
        try:
            is_taken = store.publish(cell, got, outcome, wall)
        except OSError as error:
            raise store.unwritable(error) from error
        except Exception as error:
            self._fail(cell, got, error)
            return
        self.done.add(cell.id)
        if not is_taken:
            self.report(f'{cell.title}: finished by another worker meanwhile')
        elif not self.keep_checkpoints:
            store.tidy_work_folder(cell, got.folder / store.WORK)

    def _fail(self, cell: Cell, got: Claim, error: Exception) -> None:
        store.record_failure(cell, got, error)
        self.hopeless.add(cell.id)
        first_line = (str(error).strip() or type(error).__name__).splitlines()[0]
        self.report(f'{cell.title}: failed: {first_line} (see {got.folder / store.FAILURE})')


def in_turn(cells: Mapping[str, Cell]) -> dict[str, Cell]:
    """Cells in the order in which a worker takes them.

    What takes minutes comes before what takes hours: first what needs no pre-training, then the probes of each
    pre-training behind it, ahead of the next pre-training; all fine-tunings come last.
    """
    pretrainings = [cell_id for cell_id, cell in cells.items() if cell.kind == PRETRAINING]
    positions = {cell_id: position for position, cell_id in enumerate(pretrainings)}

    def root(cell: Cell) -> str:
        return root(cells[cell.needs]) if cell.needs else cell.id

    def turn(cell: Cell) -> tuple[bool, int]:
        return cell.kind == FINETUNING, 0 if cell.kind == FINETUNING else positions.get(root(cell), -1)

    return dict(sorted(cells.items(), key=lambda item: turn(item[1])))


def imported(work: str) -> Work:
    """The work function that a grid names as ``'module:function'``.

    Raises:
        UserError: It cannot be imported.
    """
    module, _, function = work.partition(':')
    try:
        return getattr(importlib.import_module(module), function)
    except (ImportError, AttributeError) as error:
        raise UserError(
            "The grid's work function cannot be imported.", looked_for=work, found=f'{type(error).__name__}: {error}'
        ) from error


@contextmanager
def stops_on_signals() -> Iterator[None]:
    """Raise :class:`Stopped` in the block on SIGTERM and SIGINT, so that it gives its claims up."""
    process = os.getpid()

    def stop(signal_number: int, frame: object) -> None:
        if os.getpid() == process:
            raise Stopped(signal_number)
        # A forked worker of a data loader inherits the handler; the claims are not its own.
        signal.signal(signal_number, signal.SIG_DFL)
        os.kill(os.getpid(), signal_number)

    before = {number: signal.signal(number, stop) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def end_with_parent() -> None:
    """End this process like SIGTERM when standard input closes, which the parent's end does however it comes."""

    def wait() -> None:
        # Not sys.stdin, whose lock this thread would hold when the interpreter ends.
        while os.read(0, 1024):
            pass
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=wait, name='parent', daemon=True).start()


def parse_args(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line of a worker process."""
    parser = argparse.ArgumentParser(prog='python -m sdp_plugin.grid.worker', description=__doc__)
    parser.add_argument('work_dir', type=Path, help='work directory of a grid that tools/run_grid.py has planned')
    parser.add_argument('--name', default='', help='what others see (default: host and process number)')
    parser.add_argument('--shard', default='0/1', help='part i/n of the grid')
    parser.add_argument('--lease', type=float, default=LEASE, help='seconds until a claim of a silent worker lapses')
    parser.add_argument('--end-with-parent', action='store_true', help='end when standard input closes')
    return parser.parse_args(arguments)


@exits_on_user_error
def main() -> int:
    """Run a worker."""
    args = parse_args()
    check_lease(args.lease)
    worker = Worker(args.work_dir, Shard.parse(args.shard), args.lease, args.name)
    try:
        with stops_on_signals():
            if args.end_with_parent:
                end_with_parent()
            worker.run()
    except Stopped as stopped:
        return stopped.exit_status
    return 0


if __name__ == '__main__':
    sys.exit(main())
