#!/usr/bin/env python3
r"""How long frozen probes take: the features of all patches of a PCam folder, then a thousand probes of them.

examples:
  python tools/benchmarks/probes.py --pcam data/pcam --out probes.json
  OMP_NUM_THREADS=1 python tools/benchmarks/probes.py --pcam data/pcam    features on one core
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from measuring import core_seconds, machine, seconds, table, write_report

from sdp_plugin.command_line import ToolParser, file_to_write
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.probes.cells import run_probes
from sdp_plugin.probes.classifiers import CLASSIFIERS
from sdp_plugin.probes.features import compute_features
from sdp_plugin.settings import load_config
from sdp_plugin.shipped import CONFIGS


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--pcam', required=True, help='folder of the HDF5 files')
    parser.add_argument('--config', default='finetune/resnet18_1xb32-100e_pcam.py', help='network and input size')
    parser.add_argument('--examples-per-class', type=int, default=100, metavar='N')
    parser.add_argument('--draws', type=int, default=1000, metavar='N', help='of each classifier')
    parser.add_argument('--precision', default='float32', choices=['auto', 'float32', 'bfloat16'])
    parser.add_argument('--out', type=file_to_write, help='write the numbers as JSON')
    return parser.parse_args()


@exits_on_user_error
def main() -> None:
    args = parse_args()
    options = dict(data_root=args.pcam, examples_per_class=args.examples_per_class, precision=args.precision)
    cfg = load_config(CONFIGS / args.config, options)
    about = machine() | dict(
        threads=torch.get_num_threads(), arguments={name: str(value) for name, value in vars(args).items()}
    )
    with tempfile.TemporaryDirectory() as folder:
        rows = [('features', *measured(lambda: compute_features(cfg, None, folder)))]
        path = Path(folder, 'features.npy')
        shape = np.load(path, mmap_mode='r').shape
        draws = [(repeat, None, repeat) for repeat in range(args.draws)]
        for classifier in CLASSIFIERS:
            rows.append((classifier, *measured(lambda name=classifier: run_probes(cfg, path, name, draws))))
    print(f'{shape[0]:,} images, {shape[1]} features, {args.draws:,} draws of {args.examples_per_class} a class')
    print(table(['what', 'seconds', 'seconds of a core'], [(name, f'{a:.1f}', f'{b:.1f}') for name, a, b in rows]))
    write_report(args.out, about | dict(shape=shape, seconds={name: values for name, *values in rows}))


def measured(work) -> tuple[float, float]:
    """Seconds by the wall, and those that a core was busy."""
    wall: list[float] = []
    busy = core_seconds(lambda: wall.append(seconds(work)))
    return wall[0], busy


if __name__ == '__main__':
    sys.exit(main())
