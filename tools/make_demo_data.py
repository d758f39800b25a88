"""Write small data in the layouts of VOC 2012, ScribbleSup, PCam and Kather 2016, to try the method on.

The natural pictures are drawn; the patches of PCam and the colorectal tiles are real ones that travel with the package.
"""

from __future__ import annotations

import argparse
from dataclasses import fields

from sdp_plugin.command_line import ToolParser, at_least, folder_to_write
from sdp_plugin.demo_data.miniature import MiniatureSizes, write_miniature
from sdp_plugin.errors import exits_on_user_error

HELP = {
    'voc_train': 'drawn scenes for training, with masks and scribbles',
    'voc_val': 'drawn scenes for validation',
    'voc_width': 'their width in pixels',
    'voc_height': 'their height in pixels',
    'pcam_train': 'PCam patches for training, half of them with tumour',
    'pcam_valid': 'PCam patches for validation',
    'pcam_test': 'PCam patches for the test',
    'crc_per_class': 'colorectal tiles of each of the eight classes, at most 12',
}


def parse_args() -> argparse.Namespace:
    parser = ToolParser(
        __doc__,
        epilog='A part that is there already, with the same seed and sizes, is kept. Folders that this tool did not '
        'write are never touched. Accuracies on this data say nothing about real data. '
        'Example: python tools/make_demo_data.py data/small --voc-train 20',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('out', type=folder_to_write, metavar='OUT', help='folder to write to; made if missing')
    parser.add_argument('--seed', type=at_least(0), default=0, help='decides every scene and stroke')
    for field in fields(MiniatureSizes):
        option = '--' + field.name.replace('_', '-')
        parser.add_argument(option, type=int, default=field.default, metavar='N', help=HELP[field.name])
    return parser.parse_args()


@exits_on_user_error
def main() -> None:
    options = vars(parse_args())
    out, seed = options.pop('out'), options.pop('seed')
    write_miniature(out, MiniatureSizes(**options), seed)


if __name__ == '__main__':
    raise SystemExit(main())
