"""Taking turns: several trainings in threads of one process, of which one runs at a time.

PyTorch, MMEngine and their global state never see two trainings at once, and what each has queued on its CUDA stream
runs beside what the others have.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import torch

from sdp_plugin.engine.isolation import current_instances, make_current

_mine = threading.local()


class StoppedError(BaseException):
    """What ends the training of a thread whose turn will not come again. No ``except Exception`` may swallow it."""


def in_company() -> bool:
    """Whether other trainings take turns with the one that asks."""
    return getattr(_mine, 'turns', None) is not None


def next_turn() -> None:
    """Let the other trainings of this process go on, if there are any, and return when it is this one's turn."""
    turns: Turns | None = getattr(_mine, 'turns', None)
    if turns is not None:
        turns.pass_on()


def let_others_go_on_until_done(device: torch.device) -> None:
    """Pass the turn on until the device has done what is queued here, so that reading from it keeps nobody waiting."""
    if device.type != 'cuda' or not in_company():
        return
    done = torch.cuda.Event()
    done.record(torch.cuda.current_stream(device))
    while not done.query() and _mine.turns.has_others():
        next_turn()


class Turns:
    """Run jobs in turns, in the order in which they are given, and tell which one has ended and how.

    Each job has its own state of the random generators of Python, NumPy and PyTorch, so that it draws what it would
    draw alone, and its own current logger of MMEngine. On CUDA each has its own stream.

    Args:
        jobs (Sequence[Callable[[], Any]]): The jobs; they call :func:`next_turn` where others may go on.
        device (torch.device): Where they compute.
    """

    def __init__(self, jobs: Sequence[Callable[[], Any]], device: torch.device) -> None:
        self.device = device
        self._baton = threading.RLock()
        # One each, so that a turn wakes the thread whose turn it is and no other.
        self._caller = threading.Condition(self._baton)
        self._job = [threading.Condition(self._baton) for _ in jobs]
        self._waiting = list(range(len(jobs)))  # whose turn it is comes first
        self._ended: list[tuple[int, Any]] = []
        self._held = True  # by the caller, who looks at what has ended
        self._stopped = False
        # All at once: made one by one, others could come between, and PyTorch has 32 before it begins anew.
        self._streams = [_new_stream(device) for _ in jobs]
        self._random_states = [_random_state(device)] * len(jobs)
        self._threads = [
            threading.Thread(target=self._run, args=(index, job), name=f'training {index}', daemon=True)
            for index, job in enumerate(jobs)
        ]

    def run(self) -> Iterator[tuple[int, Any]]:
        """Run the jobs.

        While the caller looks at what was yielded, no job runs. A caller that does not come back ends all jobs.

        Yields:
            tuple[int, Any]: The position of a job that has ended, and what it returned or the exception that it raised.
        """
        caller, of_caller = _random_state(self.device), current_instances()
        tries_algorithms = torch.backends.cudnn.benchmark
        with self._baton:
            for thread in self._threads:
                thread.start()
            try:
                for _ in self._threads:
                    self._held = False
                    self._wake_next()
                    self._caller.wait_for(lambda: self._ended)
                    make_current(of_caller)
                    yield self._ended.pop(0)
            finally:
                self._stopped = True
                for job in self._job:
                    job.notify()
                self._caller.wait_for(lambda: not self._waiting)
                _restore(caller, self.device)
                torch.backends.cudnn.benchmark = tries_algorithms

    def has_others(self) -> bool:
        """Whether more than one job is still running."""
        return len(self._waiting) > 1

    def pass_on(self) -> None:
        """Called by a job: hand the turn to the next one and wait for it to come round."""
        index = _mine.index
        self._random_states[index], mine = _random_state(self.device), current_instances()
        with self._baton:
            self._waiting.append(self._waiting.pop(0))
            self._wake_next()
            self._await_turn(index)
        _restore(self._random_states[index], self.device)
        make_current(mine)

    def _run(self, index: int, job: Callable[[], Any]) -> None:
        _mine.turns, _mine.index = self, index
        result: Any = None
        try:
            with self._baton:
                self._await_turn(index)
            _restore(self._random_states[index], self.device)
            with torch.cuda.stream(self._streams[index]):
                result = job()
        except BaseException as error:
            result = error
        finally:
            with self._baton:
                self._waiting.remove(index)
                self._ended.append((index, result))
                self._held = True
                self._caller.notify()

    def _wake_next(self) -> None:
        if self._waiting:
            self._job[self._waiting[0]].notify()

    def _await_turn(self, index: int) -> None:
        self._job[index].wait_for(lambda: self._stopped or (not self._held and self._waiting[0] == index))
        if self._stopped:
            raise StoppedError


def _new_stream(device: torch.device) -> torch.cuda.Stream | None:
    if device.type != 'cuda':
        return None
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    return stream


def _random_state(device: torch.device) -> tuple[Any, ...]:
    on_device = torch.cuda.get_rng_state(device) if device.type == 'cuda' else None
    return random.getstate(), np.random.get_state(), torch.get_rng_state(), on_device


def _restore(state: tuple[Any, ...], device: torch.device) -> None:
    of_python, of_numpy, of_torch, on_device = state
    random.setstate(of_python)
    np.random.set_state(of_numpy)
    torch.set_rng_state(of_torch)
    if on_device is not None:
        torch.cuda.set_rng_state(on_device, device)
