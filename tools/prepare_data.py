#!/usr/bin/env python3
r"""Bring public data into the layout that the configs expect, and check it.

examples:
  python tools/prepare_data.py clicks --root data --offline ~/Downloads
  python tools/prepare_data.py clicks --root data --offline ~/Downloads --clicks-side 500   (images were re-scaled)
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sdp_plugin.catalogue.voc import read_id_list
from sdp_plugin.command_line import ToolParser
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.prepare.clicks import write_click_scribbles


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('dataset', choices=['clicks'])
    parser.add_argument('--root', type=Path, default=Path('data'), help='folder of all data sets (default: data)')
    parser.add_argument('--offline', type=Path, required=True, metavar='DIR', help='folder of the published files')
    parser.add_argument(
        '--clicks-side',
        type=int,
        metavar='PIXELS',
        help='longest side of the images that were clicked on, where the images here were re-scaled: 500',
    )
    return parser.parse_args()


@exits_on_user_error
def main() -> int:
    args = parse_args()
    voc = args.root / 'VOCdevkit' / 'VOC2012'
    folder = args.root / 'clicks' / 'pascal_2012'
    written = write_click_scribbles(
        [args.offline / 'voc_whats_the_point_bg_from_scribbles.json', args.offline / 'voc_whats_the_point.json'],
        read_id_list(voc / 'ImageSets' / 'Segmentation' / 'train_aug.txt'),
        voc / 'JPEGImages',
        folder,
        args.clicks_side,
    )
    print(
        f'{folder}: {written.images:,} images with {written.clicks:,} clicks, {written.background:,} of them on the '
        f'background; {written.without} images without any'
    )
    return 0


if __name__ == '__main__':
    sys.exit(main())
