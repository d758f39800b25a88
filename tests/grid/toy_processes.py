"""Worker processes that start in milliseconds, as they are forked from a server that has imported everything."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable
from pathlib import Path

from toy_grid import Toy

from sdp_plugin.grid.worker import Shard, Stopped, Worker, stops_on_signals

LONG = 90.0
"""Seconds after which a process that should have ended fails its test."""


def make_context() -> multiprocessing.context.BaseContext:
    context = multiprocessing.get_context('forkserver')
    context.set_forkserver_preload(['toy_processes', 'toy_work'])
    return context


def work(work_dir: Path, log: Path, sleep: float, lease: float, shard: str, name: str, ready) -> None:
    os.environ.update(TOY_LOG=str(log), TOY_SLEEP=str(sleep))
    worker = Worker(work_dir, Shard.parse(shard), lease, name)
    try:
        with stops_on_signals():
            ready.set()
            worker.run()
    except Stopped as stopped:
        raise SystemExit(stopped.exit_status) from stopped


def make_starter(context) -> Callable[..., multiprocessing.Process]:
    def start(toy: Toy, sleep: float = 0.002, lease: float = 60.0, shard: str = '0/1', name: str = ''):
        """A worker that is about to look for its first cell."""
        ready = context.Event()
        process = context.Process(target=work, args=(toy.work_dir, toy.log, sleep, lease, shard, name, ready))
        process.start()
        assert ready.wait(LONG)
        return process

    return start
