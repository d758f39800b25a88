"""Toy grids: quick trainings without torch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from toy_grid import PYTHONPATH, Toy
from toy_processes import LONG, make_context, make_starter


@pytest.fixture
def toy(tmp_path, monkeypatch) -> Toy:
    """A toy grid of 29 trainings in a folder of its own."""
    toy = Toy(tmp_path / 'toy').write()
    monkeypatch.setenv('TOY_LOG', str(toy.log))
    monkeypatch.setenv('TOY_SLEEP', '0')
    return toy


@pytest.fixture(scope='session')
def undisturbed(tmp_path_factory) -> dict[str, object]:
    """What the toy grid's cells hold when one worker has done them without a break."""
    toy = Toy(tmp_path_factory.mktemp('undisturbed') / 'toy').write()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv('TOY_LOG', str(toy.log))
        patch.setenv('TOY_SLEEP', '0')
        toy.run()
    return toy.contents()


@pytest.fixture(scope='session')
def _starter() -> Callable:
    with pytest.MonkeyPatch.context() as patch:
        # The server that workers are forked from inherits it.
        patch.setenv('PYTHONPATH', PYTHONPATH)
        yield make_starter(make_context())


@pytest.fixture
def start_worker(_starter) -> Callable:
    """``start_worker(toy, sleep=, lease=, shard=, name=)`` gives a process that has begun to work on a planned grid."""
    processes = []

    def start(*args, **kwargs):
        processes.append(_starter(*args, **kwargs))
        return processes[-1]

    yield start
    for process in processes:
        process.kill()
        process.join(LONG)
