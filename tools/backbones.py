#!/usr/bin/env python3
r"""Print the table of the backbones that have configs: what they cost, and how well they convert.

Everything in it is computed: both models of each backbone are built from their configs, and the conversion's verdict
is the key map's. It takes about half a minute.

examples:
  python tools/backbones.py
  python tools/backbones.py --update README.md
"""

from __future__ import annotations

import argparse
import sys

from sdp_plugin.command_line import ToolParser
from sdp_plugin.conversion.backbone_table import BACKBONES, check_can_update, measure, to_markdown, update
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.shipped import CONFIGS


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument(
        '--update', metavar='FILE', help='put the table between the two markers in FILE instead of printing it'
    )
    return parser.parse_args()


@exits_on_user_error
def main() -> None:
    args = parse_args()
    if args.update:
        check_can_update(args.update)
    table = to_markdown(measure(backbone, CONFIGS) for backbone in BACKBONES)
    if not args.update:
        print(table, end='')
        return
    update(args.update, table)
    print(f'updated: {args.update}')


if __name__ == '__main__':
    sys.exit(main())
