"""Trainings side by side in one process, so that small batches fill a large chip."""

from __future__ import annotations

import contextlib
import gc
import logging
import traceback
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import torch
from mmengine.device import get_device
from mmengine.logging import print_log

from sdp_plugin.engine.in_memory.turns import Turns

T = TypeVar('T')

MOST_AT_ONCE = 32
"""As many streams as PyTorch has: two trainings on one would share the workspaces that their graphs hold."""


def run_side_by_side(jobs: Sequence[Callable[[], T]], at_once: int = 1) -> Iterator[tuple[int, T | Exception]]:
    """Run trainings of one kind at once, in turns, each in a thread and on a CUDA stream of its own.

    A job trains a config by :func:`sdp_plugin.apis.train.train` or in another way; the in-memory loops of
    :mod:`sdp_plugin.engine.in_memory.loop` give the turn to the next one after a few batches. Every job has its own
    state of the random generators, so that its result is that of the job run alone. One that fails takes no other down.

    A job that runs out of device memory in company is started again later, among half as many; it has to be able to
    start anew. The log says so.

    Args:
        jobs (Sequence[Callable[[], T]]): The trainings.
        at_once (int): How many to run at once, at most 32. A CPU that is busy with one training gains nothing from a
            second. No GPU has been tried yet, so more than one has to be asked for. Defaults to 1.

    Yields:
        tuple[int, T | Exception]: The position of each job as it ends, and what it returned or raised.
    """
    device = torch.device(get_device())
    at_once = min(at_once, MOST_AT_ONCE)
    waiting = list(range(len(jobs)))
    while waiting:
        group, waiting = waiting[:at_once], waiting[at_once:]
        without_memory = []
        for position, result in _run([jobs[index] for index in group], device):
            if isinstance(result, torch.cuda.OutOfMemoryError) and len(group) > 1:
                without_memory.append(group[position])
                gc.collect()
                # A recording that failed can leave an allocator behind that refuses.
                with contextlib.suppress(RuntimeError):
                    torch.cuda.empty_cache()
                continue
            yield group[position], result
        if without_memory:
            at_once = max(1, len(group) // 2)
            waiting = without_memory + waiting
            print_log(
                f'{len(without_memory)} of {len(group)} trainings side by side ran out of memory on the device. '
                f'They start again, {at_once} at once.',
                logger='current',
                level=logging.WARNING,
            )


def _run(jobs: Sequence[Callable[[], T]], device: torch.device) -> Iterator[tuple[int, T | Exception]]:
    if len(jobs) == 1:
        yield 0, _alone(jobs[0])
        return
    # Not left to the garbage collector: what ends the jobs restores the states of the random generators, and would wait
    # for ever where PyTorch, holding the lock of one, makes the tensor that sets the collector off.
    with contextlib.closing(Turns(jobs, device).run()) as results:
        for position, result in results:
            if isinstance(result, BaseException) and not isinstance(result, Exception):
                raise result
            if isinstance(result, Exception):
                _let_go_of_tensors(result)
            yield position, result


def _let_go_of_tensors(error: BaseException) -> None:
    """Clear the variables of the functions that an exception has left; where it was raised can still be shown."""
    waiting, seen = [error], set()
    while waiting:
        raised = waiting.pop()
        if raised is None or id(raised) in seen:
            continue
        seen.add(id(raised))
        traceback.clear_frames(raised.__traceback__)
        waiting += [raised.__cause__, raised.__context__]


def _alone(job: Callable[[], T]) -> T | Exception:
    try:
        return job()
    except Exception as error:
        _let_go_of_tensors(error)
        return error
