"""Many trainings in one process, none of which leaves anything behind.

mmengine keeps the logger, message hub, visualiser and default scope of every training of a process for good, with
their open files.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmengine.utils import ManagerMixin
from mmengine.visualization import Visualizer


@contextmanager
def forgotten(experiment: str) -> Iterator[None]:
    """Afterwards, let mmengine forget an experiment and close its files.

    Args:
        experiment (str): The ``experiment_name`` of a config, of which there is one in the process.
    """
    try:
        yield
    finally:
        for manager in _managers():
            for name in [name for name in manager._instance_dict if name.startswith(experiment)]:
                _close(manager._instance_dict.pop(name))


def shut_down_workers(runner: Runner) -> None:
    """End the processes that load a runner's images, which would otherwise live until Python collects the runner."""
    for loop in (runner._train_loop, runner._val_loop, runner._test_loop):
        # The loop by iterations has an iterator of its own, others leave it to the data loader.
        for holder in (getattr(loop, 'dataloader', None), getattr(loop, 'dataloader_iterator', None)):
            iterator = getattr(holder, '_iterator', None)
            if hasattr(iterator, '_shutdown_workers'):
                iterator._shutdown_workers()
                holder._iterator = None


def current_instances() -> list[tuple[type[ManagerMixin], str]]:
    """The logger, message hub, visualiser and scope that ``logger='current'`` and the like mean now."""
    return [(manager, next(reversed(manager._instance_dict))) for manager in _managers() if manager._instance_dict]


def make_current(instances: Sequence[tuple[type[ManagerMixin], str]]) -> None:
    """Let them be meant again, of those that still exist: mmengine means whichever was made last."""
    for manager, name in instances:
        if name in manager._instance_dict:
            manager._instance_dict[name] = manager._instance_dict.pop(name)


def _managers() -> list[type[ManagerMixin]]:
    found = [ManagerMixin]
    for manager in found:
        found += manager.__subclasses__()
    return found


def _close(instance: ManagerMixin) -> None:
    if isinstance(instance, Visualizer):
        instance.close()
    if isinstance(instance, MMLogger):
        for handler in instance.handlers:
            handler.close()
