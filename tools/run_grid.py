#!/usr/bin/env python3
r"""Run a grid of trainings: pre-trainings, then fine-tunings from each of them, paired by subset, fold and seed.

examples:
  python tools/run_grid.py configs/grids/table1.py --dry-run         what would be trained, what is done, what is left
  python tools/run_grid.py configs/grids/table1.py                   all of it in this process
  python tools/run_grid.py configs/grids/table1.py --workers 4       four processes, dealt out to the GPUs
  python tools/run_grid.py configs/grids/table1.py --per-gpu 3       three processes to each GPU
  python tools/run_grid.py configs/grids/table1.py --shard 2/8       the third of eight jobs of an array
  python tools/run_grid.py configs/grids/table1.py --engine ray --gpus-per-worker 0.25
  python tools/run_grid.py configs/grids/table1.py --cfg-options datasets.PCam.options.data_root=/data/pcam \
      'datasets.CRC.examples_per_class=[12,25]' finetune_options.num_workers=8

Stop it or kill it whenever you like: the same command goes on. Several may work in one work directory at once, on one
machine or on a folder that machines share. Its results are in WORK_DIR/cells; tools/report.py makes a report of them,
from unfinished grids too. Exit status: 0 all is done, 1 a cell failed or is left, 2 a mistake to correct first.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sdp_plugin.command_line import ToolParser, at_least, folder_to_write, not_negative
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.grid.description import describe
from sdp_plugin.grid.launch import RunOptions, run_grid
from sdp_plugin.grid.launchers.on_ray import RayOptions
from sdp_plugin.grid.leases import LEASE, check_lease
from sdp_plugin.grid.plan import plan_grid
from sdp_plugin.grid.store import read_cells
from sdp_plugin.grid.worker import Shard
from sdp_plugin.settings import OptionsAction

# Arguments and the options of Ray that they are.
OF_RAY = {'ray_address': 'address', 'gpus_per_worker': 'gpus', 'cpus_per_worker': 'cpus'}


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('grid', help='grid config, such as one of configs/grids')
    parser.add_argument(
        '--work-dir', type=folder_to_write, help='folder for all results (default: work_dirs/grids/NAME)'
    )
    parser.add_argument('--dry-run', action='store_true', help='print the plan, what is done and what is left')
    parser.add_argument('--verbose', action='store_true', help='with --dry-run: every cell in a line')
    parser.add_argument('--retry-failed', action='store_true', help='run cells again that failed')
    parser.add_argument(
        '--replace-plan', action='store_true', help='go on although cells that are done are in this plan no longer'
    )
    parser.add_argument('--workers', type=at_least(1), metavar='N', help='N processes; with --engine ray N workers')
    parser.add_argument('--per-gpu', type=at_least(1), metavar='K', help='K processes to each GPU')
    parser.add_argument('--shard', default='0/1', metavar='I/N', help='part I of N, from 0')
    parser.add_argument('--engine', choices=['local', 'ray'], default='local', help='this machine, or a Ray cluster')
    parser.add_argument(
        '--ray-address', metavar='ADDRESS', help='the cluster (default: one that runs here, or a new one)'
    )
    parser.add_argument('--gpus-per-worker', type=not_negative, metavar='G', help='with Ray; 0.25 is allowed')
    parser.add_argument('--cpus-per-worker', type=not_negative, metavar='C', help='with Ray (default: 1)')
    parser.add_argument(
        '--lease', type=float, default=LEASE, metavar='S', help='a worker silent for S seconds loses its cells'
    )
    parser.add_argument('--interval', type=not_negative, metavar='S', help='seconds between two looks at the progress')
    parser.add_argument(
        '--cfg-options', nargs='+', action=OptionsAction, metavar='KEY=VALUE', help='override values of the grid config'
    )
    args = parser.parse_args()
    given = [f'--{name.replace("_", "-")}' for name in OF_RAY if getattr(args, name) is not None]
    if given and args.engine != 'ray':
        parser.error(f'{", ".join(given)} goes with --engine ray')
    return args


@exits_on_user_error
def main() -> int:
    args = parse_args()
    shard = Shard.parse(args.shard)
    check_lease(args.lease)
    plan = plan_grid(args.grid, args.cfg_options)
    work_dir = args.work_dir or Path('work_dirs', 'grids', plan.name)
    if args.dry_run:
        print(describe(read_cells(work_dir, plan, args.lease), args.verbose))
        return 0
    of_ray = {key: value for name, key in OF_RAY.items() if (value := getattr(args, name)) is not None}
    options = RunOptions(
        workers=args.workers,
        per_gpu=args.per_gpu,
        shard=shard,
        ray=RayOptions(workers=args.workers, **of_ray) if args.engine == 'ray' else None,
        lease=args.lease,
        interval=args.interval,
        retries_failed=args.retry_failed,
        replaces_plan=args.replace_plan,
    )
    return run_grid(plan, work_dir, options)


if __name__ == '__main__':
    sys.exit(main())
