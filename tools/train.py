#!/usr/bin/env python3
r"""Train a config, then test its last weights once.

examples:
  python tools/train.py configs/pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py
  python tools/train.py configs/finetune/resnet34_1xb32-100e_pcam.py \
      --cfg-options examples_per_class=2000 seed=3 initialisation=work_dirs/scribbles.pth
  torchrun --nproc_per_node 2 tools/train.py CONFIG --launcher pytorch

The plain values at the top of a config (data_root, examples_per_class, fold, seed, initialisation, batch_size,
max_iters, max_epochs, lr, num_workers, ...) are all that most runs need to override; any other value is reached by its
dotted path, as in optim_wrapper.optimizer.weight_decay=0. Interrupt a run whenever you like: --resume goes on.
"""

from __future__ import annotations

import argparse
import sys

from sdp_plugin.apis.arguments import add_run_arguments, config_from
from sdp_plugin.apis.train import train
from sdp_plugin.command_line import ToolParser
from sdp_plugin.errors import exits_on_user_error


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('config', help='config file, such as one of configs/pretrain or configs/finetune')
    parser.add_argument('--resume', action='store_true', help="go on from the work directory's newest checkpoint")
    add_run_arguments(parser)
    return parser.parse_args()


@exits_on_user_error
def main() -> None:
    args = parse_args()
    train(config_from(args), resume=args.resume)


if __name__ == '__main__':
    sys.exit(main())
