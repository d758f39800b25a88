#!/usr/bin/env python3
"""Report what a grid of trainings gave: a page for the browser, tables for a paper, and all numbers.

Reads the work directory of tools/run_grid.py, whether the grid is complete, still running or broken off, and writes
WORK_DIR/report/index.html (needs no network and no other file), table.md, table.tex (booktabs), results.csv (a row a
training) and results.json (everything on the page).

examples:
  python tools/report.py work_dirs/grids/table1
  python tools/report.py work_dirs/grids/table1 --metric single-label/balanced-accuracy --out balanced/

Exit status: 0 the report is of all that is done, 1 files or values were left out of it, 2 a mistake to correct first.
"""

from __future__ import annotations

import argparse
import sys

from sdp_plugin.command_line import ToolParser, folder_to_write
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.report import write_report


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('work_dir', help='work directory of a grid')
    parser.add_argument('--out', type=folder_to_write, help='folder to write to (default: WORK_DIR/report)')
    parser.add_argument(
        '--metric',
        action='append',
        default=[],
        help='metric to report, as the results name it; may be given several times, and the first is compared '
        '(default: the metric of the grid, and balanced accuracy and AUROC beside it)',
    )
    return parser.parse_args()


@exits_on_user_error
def main() -> int:
    args = parse_args()
    report, page = write_report(args.work_dir, args.out, args.metric)
    standing = report.standing
    print(f'{report.name}: {standing.done} of {standing.total} trainings done', end='')
    counts = {
        'running': standing.running,
        'failed': standing.failed,
        'not runnable': standing.unrunnable,
        'missing': standing.missing,
        'stale': standing.stale,
        'unreadable': standing.unreadable,
    }
    numbers = {name: len(found) for name, found in counts.items()} | {'left out': standing.left_out}
    print(''.join(f', {number} {name}' for name, number in numbers.items() if number))
    problems = [*report.problems, *(trouble.reason for trouble in standing.unreadable)]
    for problem in problems:
        print(f'left out: {problem}', file=sys.stderr)
    print(f'written: {page}')
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
