#!/usr/bin/env python3
r"""Turn the trunk of a trained segmentor or classifier into an initialisation.

The checkpoint's own config says what it holds. Every tensor is accounted for, and the converted trunk is run beside
the original, stage by stage, before anything is written.

examples:
  python tools/convert_weights.py work_dirs/scribbles/iter_40000.pth work_dirs/scribbles.pth
  python tools/convert_weights.py work_dirs/scribbles/iter_40000.pth work_dirs/scribbles.pth --dry-run
  python tools/train.py configs/finetune/resnet34_1xb32-100e_pcam.py \
      --cfg-options initialisation=work_dirs/scribbles.pth
"""

from __future__ import annotations

import argparse
import sys

from sdp_plugin.command_line import ToolParser, file_to_write
from sdp_plugin.conversion.account import summary, table, verification
from sdp_plugin.conversion.carry_over import carry_over, check_can_write, write
from sdp_plugin.errors import exits_on_user_error


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument(
        'checkpoint',
        help="checkpoint of a segmentor or classifier; or a ResNet of torchvision, timm or MMPretrain's zoo, without "
        'a config',
    )
    parser.add_argument(
        'out', type=file_to_write, help='file to write (.pth or .safetensors); an existing one is never overwritten'
    )
    parser.add_argument('--config', help='config that the checkpoint was trained with (default: the one inside it)')
    parser.add_argument(
        '--architecture',
        metavar='NAME',
        help='what a checkpoint without a config holds, as torchvision or timm names it (resnet50); default: what the '
        'file or a config.json beside it says. Without any, the verdict is conditional',
    )
    parser.add_argument(
        '--target',
        metavar='CONFIG',
        help='config of the model that the weights are for (default: a classifier with the same backbone at its usual '
        'strides); a segmentation config carries a classifier back into a segmentor',
    )
    parser.add_argument('--dry-run', action='store_true', help='print what happens to each tensor and write nothing')
    parser.add_argument('--no-verify', dest='verify', action='store_false', help='skip the comparison of features')
    parser.add_argument('--trust', action='store_true', help='let the checkpoint run code; only for files you trust')
    return parser.parse_args()


@exits_on_user_error
def main() -> None:
    args = parse_args()
    check_can_write(args.out)
    carried = carry_over(
        args.checkpoint,
        config=args.config,
        target_config=args.target,
        trusted=args.trust,
        verified=args.verify,
        architecture=args.architecture,
    )
    if args.dry_run:
        print(table(carried))
    print(summary(carried))
    if carried.verification:
        print(verification(carried.verification))
    if args.dry_run:
        return
    write(carried, args.out)
    print(f'written: {args.out}')


if __name__ == '__main__':
    sys.exit(main())
