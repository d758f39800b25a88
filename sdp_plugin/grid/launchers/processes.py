"""Several workers on this machine, one or more to a GPU."""

from __future__ import annotations

import math
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from sdp_plugin.grid.progress import Progress
from sdp_plugin.grid.worker import Shard, Stopped
from sdp_plugin.hardware import cores

POLL = 0.2
GRACE = 30.0
"""Seconds that workers have to give up their claims when the grid is stopped, or to see that all is done."""


@dataclass
class _Running:
    name: str
    process: subprocess.Popen
    log: Path


def run_processes(progress: Progress, count: int, shard: Shard, lease: float) -> None:
    """Run workers as processes until all have ended.

    A worker that dies is reported; the others take its cells over. When this process is stopped, so are they, and when
    it is killed, they end as well. When one has found all done, so will the others; one that is stopped (SIGSTOP) and
    cannot is ended.

    Args:
        progress (Progress): Shows how far the grid is.
        count (int): How many workers.
        shard (Shard): The part of the grid that they do.
        lease (float): Seconds after which a worker that shows no sign of life loses its cells.
    """
    gpus = visible_gpus()
    running = [_start(progress.work_dir, number, count, gpus, shard, lease) for number in range(count)]
    deadline = math.inf
    try:
        while running and time.monotonic() < deadline:
            time.sleep(POLL)
            for worker in [worker for worker in running if worker.process.poll() is not None]:
                running.remove(worker)
                _report_end(worker, progress, others=len(running))
                if worker.process.returncode == 0:
                    deadline = min(deadline, time.monotonic() + GRACE)
            progress.update()
        for worker in running:
            progress.tell(f'{worker.name} does not answer and is ended; all is done without it (see {worker.log})')
    except Stopped as stopped:
        _stop(running, stopped)
        raise
    finally:
        for worker in running:
            worker.process.kill()


def _start(work_dir: Path, number: int, count: int, gpus: Sequence[str], shard: Shard, lease: float) -> _Running:
    name = f'worker-{number}' if shard.count == 1 else f'worker-{shard.index}-{number}'
    log = work_dir / 'logs' / f'{name}.txt'
    log.parent.mkdir(parents=True, exist_ok=True)
    environment = os.environ | environment_of(number, count, gpus)
    command = [sys.executable, '-m', 'sdp_plugin.grid.worker', str(work_dir), '--name', name, '--shard', str(shard)]
    with open(log, 'a', encoding='utf-8') as output:
        process = subprocess.Popen(
            [*command, '--lease', str(lease), '--end-with-parent'],
            stdin=subprocess.PIPE,  # It closes when this process ends, however it ends.
            stdout=output,
            stderr=subprocess.STDOUT,
            env=environment,
            start_new_session=True,  # Ctrl-C reaches this process alone, which passes it on once.
        )
    return _Running(name, process, log)


def environment_of(number: int, count: int, gpus: Sequence[str]) -> dict[str, str]:
    """What a worker's environment has besides this one's: its GPU, and its share of the cores.

    Args:
        number (int): Number of the worker, from 0.
        count (int): How many workers there are.
        gpus (Sequence[str]): The GPUs, as ``CUDA_VISIBLE_DEVICES`` names them.

    Returns:
        dict[str, str]: Environment variables.
    """
    environment = {'CUDA_VISIBLE_DEVICES': gpus[number % len(gpus)]} if gpus else {}
    if 'OMP_NUM_THREADS' not in os.environ:
        environment['OMP_NUM_THREADS'] = str(max(cores() // count, 1))
    return environment


def visible_gpus() -> list[str]:
    """The GPUs that this process may use, as ``CUDA_VISIBLE_DEVICES`` names them, found without importing torch."""
    named = os.environ.get('CUDA_VISIBLE_DEVICES')
    if named is not None:
        return [gpu.strip() for gpu in named.split(',') if gpu.strip() and gpu.strip() != '-1']
    if shutil.which('nvidia-smi') is None:
        return []
    listed = subprocess.run(['nvidia-smi', '-L'], capture_output=True, text=True, check=False)
    lines = [line for line in listed.stdout.splitlines() if line.startswith('GPU ')]
    return [str(number) for number in range(len(lines))] if listed.returncode == 0 else []


def _report_end(worker: _Running, progress: Progress, others: int) -> None:
    status = worker.process.returncode
    if status == 0:
        return
    how = f'was killed by {signal.Signals(-status).name}' if status < 0 else f'ended with exit status {status}'
    what_now = 'the others take its cells over' if others else 'start the same command again to go on'
    error = _last_error(worker.log)
    progress.tell(f'{worker.name} {how}; {what_now} (see {worker.log}){error}')


def _last_error(log: Path) -> str:
    text = log.read_text(encoding='utf-8', errors='replace')
    _, found, message = text.rpartition('error: ')
    if not found and not text:
        return '\nNothing is written there: see whether the disk is full'
    return f'\n{found}{message.rstrip()}' if found and len(message) < 2000 else ''


def _stop(running: Sequence[_Running], stopped: Stopped) -> None:
    for worker in running:
        worker.process.send_signal(stopped.signal)
    deadline = time.monotonic() + GRACE
    for worker in running:
        try:
            worker.process.wait(max(deadline - time.monotonic(), 0.1))
        except subprocess.TimeoutExpired:
            worker.process.kill()
