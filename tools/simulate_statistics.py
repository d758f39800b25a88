#!/usr/bin/env python3
"""Simulate what the report's statistics promise: coverage of the intervals, size and power of the equivalence test.

The tables of docs/statistics.md come from here. Each share stands with its Monte-Carlo standard error. How far it is
comes on standard error, every ten seconds.

examples:
  python tools/simulate_statistics.py --repetitions 500
  python tools/simulate_statistics.py --tables equivalence --out work_dirs/equivalence.md
"""

from __future__ import annotations

import argparse
import sys
from functools import partial

from sdp_plugin.bars import over
from sdp_plugin.command_line import ToolParser, file_to_write
from sdp_plugin.errors import UserError, exits_on_user_error
from sdp_plugin.files import write_text_atomically
from sdp_plugin.statistics.simulation.tables import TABLES


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--tables', nargs='+', choices=TABLES, default=list(TABLES), help='default: all')
    parser.add_argument(
        '--repetitions',
        type=int,
        default=20000,
        help='experiments a row; a tenth of it where one takes long (default: %(default)s, some minutes)',
    )
    parser.add_argument('--seed', type=int, default=0, help='default: %(default)s')
    parser.add_argument('--out', type=file_to_write, help='also write the tables to this Markdown file')
    return parser.parse_args()


@exits_on_user_error
def main() -> None:
    args = parse_args()
    if args.repetitions < 10:
        raise UserError('That says nothing.', looked_for='at least 10 repetitions', found=args.repetitions)
    parts = []
    for name in args.tables:
        table, share = TABLES[name]
        repetitions = round(args.repetitions * share)
        print(f'{name}: {repetitions:,} repetitions a row', file=sys.stderr, flush=True)
        track = partial(over, title=name, total=repetitions)
        part = f'{table(repetitions, args.seed, track).to_markdown()}\n{repetitions:,} repetitions a row.\n'
        parts.append(part)
        print(part, flush=True)
    if args.out:
        write_text_atomically(args.out, '\n'.join(parts))


if __name__ == '__main__':
    sys.exit(main())
