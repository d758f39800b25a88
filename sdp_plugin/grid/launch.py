"""Running a planned grid with one of the engines, to an exit status."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from sdp_plugin.errors import UserError
from sdp_plugin.grid import store
from sdp_plugin.grid.description import describe
from sdp_plugin.grid.launchers.in_process import run_in_process
from sdp_plugin.grid.launchers.on_ray import RayOptions, run_on_ray
from sdp_plugin.grid.launchers.processes import run_processes, visible_gpus
from sdp_plugin.grid.leases import LEASE, check_lease
from sdp_plugin.grid.plan import command_of
from sdp_plugin.grid.progress import Progress, left
from sdp_plugin.grid.records import Plan
from sdp_plugin.grid.worker import Shard, Stopped, Worker, stops_on_signals


@dataclass(frozen=True)
class RunOptions:
    """How a grid is run.

    Args:
        workers (int | None): Number of processes; None is one worker in this process.
        per_gpu (int | None): Number of processes to each GPU; it decides where ``workers`` does not.
        shard (Shard): The part of the grid to run.
        ray (RayOptions | None): The Ray cluster to run on; None is this machine.
        lease (float): Seconds after which a worker that shows no sign of life loses its cells.
        interval (float | None): Seconds between two looks at the progress; None leaves it to the output.
        retries_failed (bool): Whether cells that failed are run again.
        replaces_plan (bool): Whether the plan takes the place of another, some cells of which are done and not in it.
    """

    workers: int | None = None
    per_gpu: int | None = None
    shard: Shard = field(default_factory=Shard)
    ray: RayOptions | None = None
    lease: float = LEASE
    interval: float | None = None
    retries_failed: bool = False
    replaces_plan: bool = False


def run_grid(plan: Plan, work_dir: Path, options: RunOptions) -> int:
    """Run what is left of a grid.

    Args:
        plan (Plan): The plan.
        work_dir (Path): Where its results are kept; what is done there is not done again.
        options (RunOptions): How.

    Returns:
        int: 0 if all that can be run is done; 1 if a cell failed, or is left as its worker died; 130 or 143 if the
        process was stopped.

    Raises:
        UserError: Data are missing, the folder holds another grid or cannot be written, or an option does not fit.
    """
    if plan.absent:
        raise UserError(
            'Data of the grid are missing.',
            looked_for=', '.join(plan.absent),
            remedy='--cfg-options datasets.NAME.options.data_root=... or pretrain_options.data_root=... says where',
        )
    check_lease(options.lease)
    workers = _number_of_workers(options)
    if not options.replaces_plan:
        _check_plan_before(plan, work_dir, options.lease)
    _prepare(plan, work_dir, options.retries_failed)
    progress = Progress(work_dir, plan, options.lease, options.interval)
    progress.tell(describe(progress.look()))
    progress.tell(f'Each training has its log in {work_dir}/cells/ID/work\n')
    try:
        with stops_on_signals():
            if options.ray:
                run_on_ray(progress, options.ray, options.shard, options.lease)
            elif workers is None:
                run_in_process(Worker(work_dir, options.shard, options.lease), progress)
            else:
                run_processes(progress, workers, options.shard, options.lease)
    except Stopped as stopped:
        progress.keep()
        progress.tell(f'{stopped}. The same command goes on; tools/report.py {work_dir} reports what is done.')
        return stopped.exit_status
    except BaseException:
        progress.keep()
        raise
    return _end(progress, options.shard)


def _number_of_workers(options: RunOptions) -> int | None:
    for name, number in (('--workers', options.workers), ('--per-gpu', options.per_gpu)):
        if number is not None and number < 1:
            raise UserError(f'{name} is a number from 1.', found=number)
    if options.workers or not options.per_gpu:
        return options.workers
    gpus = visible_gpus()
    if not gpus:
        raise UserError('--per-gpu needs a GPU.', found='none', remedy='--workers N says how many processes')
    return options.per_gpu * len(gpus)


def _check_plan_before(plan: Plan, work_dir: Path, lease: float) -> None:
    """Two plans of one name must not take turns on one folder, each making what the other did stale."""
    if not (work_dir / store.PLAN).is_file():
        return
    before = store.read_grid(work_dir, lease)
    dropped = [cell_id for cell_id in (*before.results, *before.running) if cell_id not in plan.trainings]
    if before.plan.name == plan.name and dropped:
        raise UserError(
            f'The work directory holds another plan of the grid {plan.name!r}: {len(dropped)} of its cells are done or '
            'running, and not in this one, as an option, the data or a version is another.',
            looked_for=f'the plan of {command_of(before.plan, work_dir)}' if before.plan.config else None,
            found=f'for example {before.plan.trainings[dropped[0]].title}',
            remedy='another --work-dir keeps the two apart; --replace-plan goes on here, where what is done stays, '
            'and the report calls it stale',
        )


def _prepare(plan: Plan, work_dir: Path, retries_failed: bool) -> None:
    try:
        store.write_plan(work_dir, plan)
        if retries_failed:
            store.forget_failures(work_dir, plan.trainings)
    except OSError as error:
        raise store.unwritable(error) from error


def _end(progress: Progress, shard: Shard) -> int:
    record = progress.show()
    progress.keep()
    mine = shard.of(record.plan)
    failed = [failure for cell_id, failure in record.failures.items() if cell_id in mine]
    unfinished = [cell for cell in left(record) if cell.id in mine]
    for failure in failed:
        progress.tell(f'failed: {failure.cell.title}: {failure.error.splitlines()[0]}')
    if failed:
        progress.tell('--retry-failed runs them again')
    if unfinished:
        progress.tell(f'{len(unfinished)} cells are left, as their workers died; the same command goes on')
    progress.tell(f'Results: {progress.work_dir}. Report: python tools/report.py {progress.work_dir}')
    return 1 if failed or unfinished else 0
