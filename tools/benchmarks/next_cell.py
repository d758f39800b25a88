#!/usr/bin/env python3
"""Seconds from the end of one fine-tuning of a grid to the first iteration of the next in the same process.

Each cell is started as the grid starts it: another seed draws another subset, which is listed, read and put into
memory; the network is built, initialised and prepared. It is stopped before its first iteration. The first cell, which
also imports what trains, is not counted. Each cell is started once before, so that the operating system has its patches
in memory, and then forgotten.

Without --data-root the patches are files as large as those of PCam (262,144 patches) that hold nothing: listing,
drawing and reading cost what they cost there.

example:
  python tools/benchmarks/next_cell.py --data-root data/pcam --out next_cell.json
"""

from __future__ import annotations

import argparse
import contextlib
import cProfile
import gc
import io
import pstats
import sys
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
import torch
from measuring import machine, spread, summary, table, write_report
from mmengine.hooks import Hook

from sdp_plugin.apis.train import build_runner, run_training
from sdp_plugin.catalogue import subsets
from sdp_plugin.command_line import ToolParser, file_to_write
from sdp_plugin.engine.in_memory import images as in_memory
from sdp_plugin.engine.isolation import forgotten
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.grid.records import FINETUNING, Cell, Task
from sdp_plugin.grid.train_cells import config_of

CONFIG = 'finetune/resnet34_1xb32-100e_pcam.py'
PATCHES_OF_PCAM = {'train': 262_144, 'test': 32_768}


class _Reached(BaseException):
    """The first iteration would begin now. No ``Exception``, which would be a fault of the config."""


class _FirstIterationHook(Hook):
    priority = 'LOWEST'

    def before_train_iter(self, runner, batch_idx, data_batch=None) -> None:
        raise _Reached


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--data-root', type=Path, help='folder of PCam; without it, empty files of its size')
    parser.add_argument('--cells', type=int, default=7, metavar='N', help='cells to start (default: %(default)s)')
    parser.add_argument('--examples-per-class', type=int, default=1000, metavar='N', help='(default: %(default)s)')
    parser.add_argument('--initialisation', help='a converted checkpoint; without it the start is random')
    parser.add_argument('--profile', action='store_true', help='also print where the last cell spends its time')
    parser.add_argument('--out', type=file_to_write, help='also write the numbers to this JSON file')
    return parser.parse_args()


def write_empty_pcam(folder: Path) -> None:
    """Files of PCam's layout and size without data, which take no space on the disk."""
    for split, count in PATCHES_OF_PCAM.items():
        prefix = folder / f'camelyonpatch_level_2_split_{split}'
        with h5py.File(f'{prefix}_x.h5', 'w') as file:
            properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
            properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
            properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
            space = h5py.h5s.create_simple((count, 96, 96, 3))
            h5py.h5d.create(file.id, b'x', h5py.h5t.NATIVE_UINT8, space, properties)
        with h5py.File(f'{prefix}_y.h5', 'w') as file:
            file['y'] = (np.arange(count) % 2).astype(np.uint8).reshape(-1, 1, 1, 1)


def forget_subsets() -> None:
    """Let go of what an earlier training with the same seed left behind."""
    in_memory.clear_cache()
    subsets.clear_cache()


def start_cell(task: Task) -> dict[str, float]:
    """Clear up after the last cell as the grid does, start one, and stop it where its first iteration would begin.

    Returns:
        dict[str, float]: The seconds that passed, and those that processors worked for this process.
    """
    clocks = {'wall': time.perf_counter, 'processor': time.process_time}
    started = {name: clock() for name, clock in clocks.items()}
    gc.collect()
    cfg = config_of(task)
    with forgotten(cfg.experiment_name), contextlib.redirect_stdout(io.StringIO()):
        runner = build_runner(cfg)
        runner.register_hook(_FirstIterationHook())
        with contextlib.suppress(_Reached):
            run_training(runner)
        return {name: clock() - started[name] for name, clock in clocks.items()}


def task_of(seed: int, args: argparse.Namespace, data_root: Path, folder: Path) -> Task:
    options = dict(data_root=str(data_root), examples_per_class=args.examples_per_class, seed=seed)
    cell = Cell(id=f'{seed:012x}', kind=FINETUNING, title=f'seed {seed}', config=CONFIG, options=options)
    return Task(cell, folder / str(seed), Path(args.initialisation) if args.initialisation else None)


@exits_on_user_error
def main() -> None:
    args = parse_args()
    report = dict(machine=machine(), threads=torch.get_num_threads(), examples_per_class=args.examples_per_class)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        if args.data_root is None:
            write_empty_pcam(folder)
        tasks = [task_of(seed, args, args.data_root or folder, folder / 'cells') for seed in range(args.cells + 1)]
        starts = {'the first cell, imports included': [start_cell(tasks[0])]}
        # What is imported is there to stay; the grid spares the collector the walk through it, too.
        gc.freeze()
        for task in tasks[1:]:
            start_cell(task)
        forget_subsets()
        starts['the next cell, another seed, its patches in the page cache'] = [start_cell(task) for task in tasks[1:]]
        starts['the next cell, its patches in this process already'] = [start_cell(task) for task in tasks[1:]]
        if args.profile:
            profile = cProfile.Profile()
            another = task_of(args.cells + 1, args, args.data_root or folder, folder / 'cells')
            profile.runcall(start_cell, another)
            pstats.Stats(profile).sort_stats('cumtime').print_stats(50)
    report['settings'] = {name: str(value) for name, value in vars(args).items()}
    report['starts'] = {
        name: {clock: summary([times[clock] for times in each]) for clock in ('wall', 'processor')}
        for name, each in starts.items()
    }
    rows = [[name, spread(each['wall'], 2), spread(each['processor'], 2)] for name, each in report['starts'].items()]
    print(table(['start of', 'seconds: median (least-greatest)', 'of processor time'], rows))
    write_report(args.out, report)


if __name__ == '__main__':
    sys.exit(main())
