#!/usr/bin/env python3
"""Does the in-memory loop reach the accuracy of MMEngine's own loop? Paired by seed, tested for equivalence.

Reads the work directory of the grid loops_grid.py beside this file. The two loops draw other augmentations from the
same distribution, so single runs differ; what is tested is whether their means lie within the margin.

example:
  python tools/run_grid.py tools/benchmarks/loops_grid.py --workers 2 --cfg-options datasets.PCam.options.data_root=PCAM
  python tools/benchmarks/loops_accuracy.py work_dirs/grids/loops
"""

from __future__ import annotations

import argparse
import sys

from sdp_plugin.command_line import ToolParser
from sdp_plugin.errors import UserError, exits_on_user_error
from sdp_plugin.grid.store import read_grid
from sdp_plugin.statistics import claims, compare_paired

METRIC = 'accuracy/top1'
LOOPS = ('in memory', 'reference')


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('work_dir', help='work directory of the grid')
    parser.add_argument('--margin', type=float, default=2.0, help='points that would not matter (default: 2)')
    return parser.parse_args()


def accuracies_of(work_dir: str, loop: str) -> dict[int, float]:
    """By seed."""
    record = read_grid(work_dir)
    return {
        cell.seed: record.results[cell.id].metrics[METRIC]
        for cell in record.cells
        if cell.variant == loop and cell.id in record.results
    }


@exits_on_user_error
def main() -> None:
    args = parse_args()
    ours, theirs = (accuracies_of(args.work_dir, loop) for loop in LOOPS)
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        raise UserError('No seed has been trained by both loops.', looked_for=args.work_dir)
    comparison = compare_paired([ours[seed] for seed in seeds], [theirs[seed] for seed in seeds], margin=args.margin)
    print('seed  in memory  reference')
    for seed in seeds:
        print(f'{seed:4}  {ours[seed]:9.2f}  {theirs[seed]:9.2f}')
    for loop, values in zip(LOOPS, (ours, theirs), strict=True):
        print(f'{loop}: mean {sum(values[seed] for seed in seeds) / len(seeds):.2f} %')
    print(f'The in-memory loop is {claims([comparison])[0].text}')
    if comparison.test:
        interval = comparison.test.equivalence_interval
        print(f'90 % interval of the difference: {interval.low:+.2f} to {interval.high:+.2f} points')


if __name__ == '__main__':
    sys.exit(main())
