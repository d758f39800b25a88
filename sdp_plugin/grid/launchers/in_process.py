"""The default: one worker in this process, so that start-up is paid once for all cells."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from sdp_plugin.grid.progress import Progress
from sdp_plugin.grid.worker import Worker

POLL = 0.2


def run_in_process(worker: Worker, progress: Progress) -> None:
    """Run a worker here, with the progress of the grid beside it.

    Args:
        worker (Worker): The worker.
        progress (Progress): Shows how far the grid is.
    """
    worker.report = progress.tell
    with _shown_beside(progress):
        worker.run()


@contextmanager
def _shown_beside(progress: Progress) -> Iterator[None]:
    stop = threading.Event()

    def show() -> None:
        while not stop.wait(POLL):
            progress.update()

    thread = threading.Thread(target=show, name='progress', daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
