#!/usr/bin/env python3
"""Draw what the segmentors of a grid make of test images, beside their full masks, for the grid's report.

The pictures lie in WORK_DIR/samples; tools/report.py shows what is there.

example:
  python tools/draw_segmentations.py work_dirs/grids/table1 && python tools/report.py work_dirs/grids/table1
"""

from __future__ import annotations

import argparse
import sys

from sdp_plugin.command_line import ToolParser, at_least
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.grid.segmentations import draw_segmentations


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('work_dir', help='work directory of a grid with finished pre-trainings')
    parser.add_argument('--images', type=at_least(1), default=6, metavar='N', help='number of images (default: 6)')
    return parser.parse_args()


@exits_on_user_error
def main() -> None:
    args = parse_args()
    for path in draw_segmentations(args.work_dir, args.images):
        print(path)


if __name__ == '__main__':
    sys.exit(main())
