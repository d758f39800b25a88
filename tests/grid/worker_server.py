"""Starts workers in milliseconds: imports what trains, and forks a worker for each work directory that it reads."""

from __future__ import annotations

import os
import signal
import sys
import traceback
from importlib import import_module
from pathlib import Path

from sdp_plugin.grid.worker import Worker

for module in (
    'mmpretrain.datasets',
    'mmpretrain.models',
    'mmseg.datasets',
    'mmseg.models',
    'sdp_plugin.grid.train_cells',
):
    import_module(module)


def work(work_dir: Path) -> int:
    try:
        Worker(work_dir).run()
    except BaseException:
        traceback.print_exc()
        return 1
    return 0


def main() -> None:
    # The workers' parent collects none of them, and only one of them may hold its end of the pipe.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    print('ready', flush=True)
    for line in sys.stdin:
        process = os.fork()
        if not process:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            sys.stdout = sys.stderr
            os._exit(work(Path(line.strip())))
        print(process, flush=True)


if __name__ == '__main__':
    main()
