#!/usr/bin/env python3
r"""Look at what a config trains on: images, their strokes, masks or classes, and what the network sees of them.

Each sample is a row: the image as loaded, its labels over it, and random draws of the whole pipeline. Without
--start or --ids the samples are evenly spread over the data set. Samples that cannot be loaded are shown with the
reason and listed at the end, and the exit status is 1.

examples:
  python tools/browse_dataset.py configs/pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py
  python tools/browse_dataset.py configs/finetune/resnet34_1xb32-200e_crc.py --count 24 --augmented 5 --show
  python tools/browse_dataset.py configs/finetune/resnet34_1xb32-100e_pcam.py --split test --ids test/7 test/12
  python tools/browse_dataset.py my_config.py --augmented 0 --count 12 --per-page 12 --per-line 3 --dpi 100 --small
  # scribbles beside full masks, as the paper's figure 3 shows them:
  python tools/browse_dataset.py configs/pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py \
      --augmented 0 --masks data/VOCdevkit/VOC2012/SegmentationClassAug
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sdp_plugin.apis.browse import SPLITS, browse, choose, open_dataset
from sdp_plugin.command_line import ToolParser, at_least, folder_to_write
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.settings import OptionsAction, load_config
from sdp_plugin.visualization.panels import check_can_show, save_panels, save_small_panels, show_panels


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('config', help='config file, such as one of configs/pretrain or configs/finetune')
    target = parser.add_mutually_exclusive_group()
    target.add_argument(
        '--out',
        type=folder_to_write,
        default='work_dirs/browse',
        metavar='FOLDER',
        help='write PNGs there (default: %(default)s)',
    )
    target.add_argument('--show', action='store_true', help='open windows instead, one after the other')
    parser.add_argument('--split', choices=SPLITS, default='train', help='default: %(default)s')
    parser.add_argument('--count', type=at_least(1), default=8, help='samples (default: %(default)s)')
    parser.add_argument('--start', type=at_least(0), metavar='POSITION', help='show consecutive samples from here on')
    parser.add_argument('--ids', nargs='+', default=(), metavar='ID', help='show these images or tiles')
    parser.add_argument(
        '--augmented', type=at_least(0), default=2, metavar='K', help='random draws of the pipeline (default: 2)'
    )
    parser.add_argument('--seed', type=at_least(0, 2**32 - 1), default=0, help='of the draws (default: 0)')
    parser.add_argument('--masks', metavar='FOLDER', help='show the full masks <id>.png beside the scribbles')
    parser.add_argument('--per-page', type=at_least(1), default=8, help='samples a picture (default: 8)')
    parser.add_argument('--per-line', type=at_least(1), default=1, help='samples beside each other (default: 1)')
    parser.add_argument('--small', action='store_true', help='write PNGs of fewer shades, a fourth of the size')
    parser.add_argument('--dpi', type=at_least(30), default=120, help='a panel is 2.2 inches wide (default: 120)')
    parser.add_argument(
        '--cfg-options', nargs='+', action=OptionsAction, metavar='KEY=VALUE', help='override values of the config'
    )
    return parser.parse_args()


@exits_on_user_error
def main() -> int:
    args = parse_args()
    if args.show:
        check_can_show()
    dataset = open_dataset(load_config(args.config, args.cfg_options), args.split)
    positions = choose(dataset, args.count, args.start, args.ids)
    style = dict(
        class_names=dataset.metainfo.get('classes'),
        colours=dataset.metainfo.get('palette'),
        per_line=args.per_line,
        dpi=args.dpi,
    )
    save = save_small_panels if args.small else save_panels
    problems = []
    for page, first in enumerate(range(0, len(positions), args.per_page), start=1):
        chosen = positions[first : first + args.per_page]
        rows = list(browse(dataset, chosen, args.augmented, args.masks, args.seed))
        problems += [row for row in rows if row.problem]
        if args.show:
            show_panels(rows, **style)
            continue
        path = Path(args.out, f'{Path(args.config).stem}_{args.split}_{page:02}.png')
        save(rows, path, **style)
        print(f'written: {path}')
    if problems:
        print(f'{len(problems)} of {len(positions)} samples cannot be loaded:', file=sys.stderr)
        for row in problems:
            print(f'{row.title}: {row.problem}', file=sys.stderr)
    return 1 if problems else 0


if __name__ == '__main__':
    sys.exit(main())
