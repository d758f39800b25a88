"""Workers on the machines of a Ray cluster, with a folder that all of them see.

Ray finds room for the workers, gives each its part of a GPU and starts it again elsewhere if its machine dies. Which
worker runs which cell is agreed through the work directory, as with every other engine.
"""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdp_plugin.errors import UserError
from sdp_plugin.grid.progress import Progress
from sdp_plugin.grid.worker import Shard, Stopped, Worker

POLL, GRACE = 0.5, 30.0
RESTARTS = 5
"""How often Ray starts a worker again that died, so that a cell that kills its worker does so a few times only."""


@dataclass(frozen=True)
class RayOptions:
    """What a worker takes of the cluster.

    Args:
        address (str | None): Of the cluster; None takes one that runs here, or starts one on this machine.
        gpus (float): GPUs a worker; 0.25 is four workers to a GPU. Defaults to 0.0.
        cpus (float): Cores a worker. Defaults to 1.0.
        workers (int | None): How many; None is as many as the cluster has room for.
    """

    address: str | None = None
    gpus: float = 0.0
    cpus: float = 1.0
    workers: int | None = None


def run_on_ray(progress: Progress, options: RayOptions, shard: Shard, lease: float) -> None:
    """Run workers on a Ray cluster until all have ended.

    Args:
        progress (Progress): Shows how far the grid is.
        options (RayOptions): The cluster.
        shard (Shard): The part of the grid that they do.
        lease (float): Seconds after which a worker that shows no sign of life loses its cells.

    Raises:
        UserError: Ray is not installed, the cluster does not answer or has no room for a worker, or a worker met one.
    """
    try:
        import ray
    except ImportError as error:
        raise UserError('--engine ray needs Ray.', found=str(error), remedy='pip install ray') from error
    if not ray.is_initialized():
        _connect(ray, options.address)
    count = options.workers or workers_that_fit(ray.cluster_resources(), options)
    progress.tell(f'{count} workers on {len(ray.nodes())} machine(s) of the Ray cluster')
    start = ray.remote(num_cpus=options.cpus, num_gpus=options.gpus, max_retries=RESTARTS)(_work)
    running = [start.remote(str(progress.work_dir.resolve()), os.getcwd(), str(shard), lease) for _ in range(count)]
    try:
        while running:
            ended, running = ray.wait(running, timeout=POLL)
            for worker in ended:
                _report_end(ray, worker, progress, others=len(running))
            progress.update()
    except Stopped:
        for worker in running:
            ray.cancel(worker)
        ray.wait(running, num_returns=len(running), timeout=GRACE)
        raise


def _connect(ray: Any, address: str | None) -> None:
    # What the driver can import, workers on other machines shall find in the same places.
    path = os.environ.get('PYTHONPATH')
    runtime = {'env_vars': {'PYTHONPATH': path}} if path else None
    try:
        ray.init(address=address, runtime_env=runtime, log_to_driver=False, logging_level='warning')
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise UserError('The Ray cluster does not answer.', looked_for=address, found=error) from error


def workers_that_fit(resources: Mapping[str, float], options: RayOptions) -> int:
    """How many workers the resources of a cluster hold.

    Raises:
        UserError: Not one.
    """
    wanted = {'CPU': options.cpus, 'GPU': options.gpus}
    room = [resources.get(name, 0.0) / amount for name, amount in wanted.items() if amount > 0]
    count = math.floor(min(room, default=1.0) + 1e-9)
    if not count:
        raise UserError(
            'The Ray cluster has no room for a worker.',
            looked_for=', '.join(f'{amount:g} {name}' for name, amount in wanted.items()),
            found=', '.join(f'{resources.get(name, 0.0):g} {name}' for name in wanted),
            remedy='lower --gpus-per-worker or --cpus-per-worker, or start more nodes',
        )
    return count


def _work(work_dir: str, folder: str, shard: str, lease: float) -> None:
    """A worker, on whatever machine it is. Relative paths in the configs mean what they mean at the driver."""
    if Path(folder).is_dir():
        os.chdir(folder)
    Worker(Path(work_dir), Shard.parse(shard), lease).run()


def _report_end(ray: Any, worker: Any, progress: Progress, others: int) -> None:
    try:
        ray.get(worker)
    except ray.exceptions.RayTaskError as error:
        cause = error.cause if isinstance(error.cause, UserError) else error
        progress.tell(f'a worker ended with an error; {others} others go on\n{cause}')
    except ray.exceptions.RayError as error:
        progress.tell(f'a worker died {RESTARTS + 1} times or its cluster is gone; {others} others go on\n{error}')
