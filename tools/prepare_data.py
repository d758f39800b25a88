#!/usr/bin/env python3
r"""Fetch, verify and unpack the public data sets into the layout that the configs expect, and check them.

It may be killed at any moment and goes on when it is called again; what is in place and verified is left alone, what is
missing or damaged is mended. Without internet, bring the published files by other means and name their folder.

examples:
  python tools/prepare_data.py all --root data
  python tools/prepare_data.py pcam crc --root data --yes --layout contiguous
  python tools/prepare_data.py voc --root data --offline /media/usb      (files that you brought)
  python tools/prepare_data.py voc --root data --mirror https://mirror.example.org/data
  python tools/prepare_data.py check --root data                        (reads every byte)
  python tools/prepare_data.py check pcam --root data --quick --json
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict
from pathlib import Path

from sdp_plugin.bars import Board
from sdp_plugin.command_line import ToolParser, folder_or_none
from sdp_plugin.errors import UserError, exits_on_user_error
from sdp_plugin.prepare.check import as_text, check
from sdp_plugin.prepare.data_set import ABSENT, DAMAGED, INCOMPLETE, DataSet
from sdp_plugin.prepare.pcam_recipe import LAYOUTS, rewrite
from sdp_plugin.prepare.preparation import Sources, prepare
from sdp_plugin.prepare.table import ALL, DATA_SETS


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument(
        'what',
        nargs='+',
        choices=['check', 'all', *DATA_SETS],
        metavar='NAME',
        help=f'{", ".join(DATA_SETS)}; all: {", ".join(ALL)}; check, alone or before names: say how they stand',
    )
    parser.add_argument(
        '--root', type=folder_or_none, default=Path('data'), help='folder of all data sets (default: data)'
    )
    parser.add_argument('--yes', action='store_true', help='you agree to the terms of the data sets: do not ask')
    parser.add_argument('--offline', type=Path, metavar='DIR', help='take the published files from this folder')
    parser.add_argument('--mirror', metavar='URL', help='try URL/<file name> before the published addresses')
    parser.add_argument('--jobs', type=int, default=3, help='files fetched at once (default: 3)')
    parser.add_argument('--keep', action='store_true', help='keep what was downloaded after it has been unpacked')
    parser.add_argument('--replace', action='store_true', help='replace files that were brought into place by hand')
    parser.add_argument('--layout', choices=LAYOUTS, help='rewrite the patches of PCam; contiguous reads fastest')
    parser.add_argument(
        '--clicks-side',
        type=int,
        metavar='PIXELS',
        help='longest side of the images that were clicked on, where the images under --root were re-scaled: 500',
    )
    parser.add_argument('--quick', action='store_true', help='check: names and sizes only')
    parser.add_argument('--json', action='store_true', help='check: print JSON')
    return parser.parse_args()


def _data_sets(args: argparse.Namespace, names: list[str]) -> list[DataSet]:
    names = list(dict.fromkeys(name for given in names for name in (ALL if given == 'all' else (given,))))
    options = {'clicks': {'longest_side': args.clicks_side}}
    return [DATA_SETS[name](**options.get(name, {})) for name in names]


def _check(args: argparse.Namespace, board: Board) -> int:
    names = [name for name in args.what if name != 'check']
    data_sets = _data_sets(args, names or list(DATA_SETS))
    verdicts = {data_set.name: check(data_set, args.root, not args.quick, board) for data_set in data_sets}
    content = {name: asdict(verdict) for name, verdict in verdicts.items()}
    print(json.dumps(content, indent=2) if args.json else as_text(verdicts))
    states = {verdict.state for verdict in verdicts.values()}
    # What nobody asked for may be absent, but not all of it: the folder may be another.
    return int(bool(states & {DAMAGED, INCOMPLETE, *([ABSENT] if names else [])} or states == {ABSENT}))


def _prepare(args: argparse.Namespace, board: Board) -> int:
    if args.offline and not args.offline.is_dir():
        raise UserError('The folder of --offline does not exist.', looked_for=args.offline.absolute())
    if args.jobs < 1:
        raise UserError('--jobs is the number of files fetched at once.', looked_for='1 or more', found=args.jobs)
    sources = Sources(args.offline, args.mirror, args.jobs, args.replace, args.keep, args.yes)
    problems = []
    for data_set in _data_sets(args, args.what):
        try:
            prepare(data_set, args.root, sources, board)
            if args.layout and data_set.name == 'pcam':
                rewrite(data_set, args.root, args.layout, board)
                prepare(data_set, args.root, sources, board)
        except UserError as error:
            problems.append(f'{data_set.name}: {error}')
    if problems:
        raise UserError('\n'.join(problems))
    return 0


@exits_on_user_error
def main() -> int:
    args = parse_args()
    with Board(in_bytes=True) as board:
        return (_check if 'check' in args.what else _prepare)(args, board)


if __name__ == '__main__':
    sys.exit(main())
