#!/usr/bin/env python3
"""Test a checkpoint on the test set of its config, and print the metrics.

example:
  python tools/test.py configs/finetune/resnet34_1xb32-100e_pcam.py work_dirs/resnet34_1xb32-100e_pcam/epoch_100.pth
"""

from __future__ import annotations

import argparse
import json
import sys

from mmengine.dist import is_main_process

from sdp_plugin.apis.arguments import add_run_arguments, config_from
from sdp_plugin.apis.train import test
from sdp_plugin.command_line import ToolParser, file_to_write
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.files import write_json_atomically


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('config', help='the config that the checkpoint was trained with')
    parser.add_argument('checkpoint', help='a checkpoint of tools/train.py')
    parser.add_argument('--out', type=file_to_write, help='also write the metrics to this JSON file')
    add_run_arguments(parser)
    return parser.parse_args()


@exits_on_user_error
def main() -> None:
    args = parse_args()
    metrics = test(config_from(args), args.checkpoint)
    if not is_main_process():
        return
    print(json.dumps(metrics, indent=2))
    if args.out:
        write_json_atomically(args.out, metrics)


if __name__ == '__main__':
    sys.exit(main())
