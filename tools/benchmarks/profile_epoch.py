#!/usr/bin/env python3
"""Where the time of an epoch of fine-tuning goes: the operations that take most of it, on a GPU or a CPU.

Trains the shipped ResNet-34 config of PCam on generated patches; the second epoch is profiled.

example:
  python tools/benchmarks/profile_epoch.py --out profile.json
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
import time
from pathlib import Path

import torch
from measuring import machine, table, write_report
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.profiler import ProfilerActivity, profile

from sdp_plugin.command_line import ToolParser, file_to_write
from sdp_plugin.demo_data.tiles import write_pcam
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.shipped import get_config

SHOWN = 20


class ProfileHook(Hook):
    """Profile the second epoch."""

    def __init__(self) -> None:
        kinds = [ProfilerActivity.CPU] + ([ProfilerActivity.CUDA] if torch.cuda.is_available() else [])
        self.profile = profile(activities=kinds)
        self.seconds = 0.0

    def before_train_epoch(self, runner: Runner) -> None:
        if runner.epoch == 1:
            self.profile.__enter__()
            self.begun = time.perf_counter()

    def after_train_epoch(self, runner: Runner) -> None:
        if runner.epoch == 1:
            if torch.cuda.is_available():
                torch.cuda.synchronize()
            self.seconds = time.perf_counter() - self.begun
            self.profile.__exit__(None, None, None)


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--images', type=int, default=240, metavar='N', help='an epoch (default: %(default)s)')
    parser.add_argument('--quick', action='store_true', help='see whether it runs')
    parser.add_argument('--out', type=file_to_write, help='also write the numbers to this JSON file')
    return parser.parse_args()


@exits_on_user_error
def main() -> None:
    args = parse_args()
    images, size = (8, 32) if args.quick else (args.images, 96)
    hook = ProfileHook()
    with tempfile.TemporaryDirectory() as temporary, contextlib.redirect_stdout(io.StringIO()):
        folder = Path(temporary)
        (folder / 'pcam').mkdir()
        write_pcam(folder / 'pcam', dict(train=images, valid=2, test=2))
        options = dict(data_root=str(folder / 'pcam'), examples_per_class=images // 2, input_size=size, max_epochs=2)
        cfg = get_config('finetune/resnet34_1xb32-100e_pcam.py', options | dict(num_workers=0))
        cfg.work_dir = str(folder / 'run')
        cfg.default_hooks.checkpoint = None
        runner = Runner.from_cfg(cfg)
        runner.register_hook(hook)
        runner.train()
    on_device = torch.cuda.is_available()
    own = {
        event.key: event.self_device_time_total if on_device else event.self_cpu_time_total
        for event in hook.profile.key_averages()
    }
    total = sum(own.values())
    shares = {name: spent / total for name, spent in sorted(own.items(), key=lambda item: -item[1])[:SHOWN]}
    report = dict(machine=machine(), seconds=hook.seconds, shares=shares)
    report['device'] = torch.cuda.get_device_name() if on_device else 'CPU'
    print(f'{report["device"]}: an epoch of {images} images took {hook.seconds:.2f} s under the profiler')
    print(table(('operation', 'share'), [(name[:80], f'{share:.1%}') for name, share in shares.items()]))
    write_report(args.out, report)


if __name__ == '__main__':
    sys.exit(main())
