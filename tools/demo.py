#!/usr/bin/env python3
"""Run the whole method on small generated data: three pre-trainings, the conversion, and fine-tuning from four starts.

It shows that everything works together and what it looks like. The accuracies say nothing about real data.
"""

from __future__ import annotations

import argparse
import sys
from dataclasses import fields
from pathlib import Path

from sdp_plugin.engine.demo import Demo, DemoSizes
from sdp_plugin.errors import exits_on_user_error

CONFIGS = Path(__file__).resolve().parents[1] / 'configs'


def parse_args() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__,
        epilog='example: python tools/demo.py work_dirs/longer_demo --repeats 3',
        formatter_class=argparse.ArgumentDefaultsHelpFormatter,
    )
    parser.add_argument('out', nargs='?', default='work_dirs/demo', help='folder for data, trainings and results')
    for field in fields(DemoSizes):
        parser.add_argument(f'--{field.name.replace("_", "-")}', type=int, default=field.default, metavar='N')
    return parser.parse_args()


@exits_on_user_error
def main() -> None:
    options = vars(parse_args())
    Demo(options.pop('out'), CONFIGS, DemoSizes(**options)).run()


if __name__ == '__main__':
    sys.exit(main())
