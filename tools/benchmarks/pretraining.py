#!/usr/bin/env python3
"""Images a second of pre-training DeepLabV2-ResNet-34: our config beside MMSegmentation's own parts.

Whole steps of both sides: reading and augmenting in data loaders with as many workers, forward, loss, backward, update,
hooks and log. The same images, scribbles (or masks), crop, batch, network, loss and optimiser. Stock has
MMSegmentation's data set, transforms, data preprocessor, ResNet, cross-entropy and MMEngine's optimiser wrapper and
hooks; its scribbles are index PNGs, drawn beforehand, and its head is DeepLabV2's four convolutions in
``BaseDecodeHead``, as MMSegmentation has none. That both sides compute as many operations a step is checked. They train
in turn, in one process each time from new; the first iterations of each are not timed.

Let nothing else run meanwhile; the report holds the load it began with.

example:
  python tools/benchmarks/pretraining.py data/VOCdevkit/VOC2012 --scribbles scribbles --out pretraining.json
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import os
import sys
import tempfile
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path

import torch
from measuring import alternate, machine, ratios, spread, summary, table, write_report
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.registry import DefaultScope
from mmengine.runner import Runner
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from pretraining_input import draw_scribbles, image_ids, our_config, stock_dataset
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from sdp_plugin.command_line import ToolParser, file_to_write
from sdp_plugin.engine.isolation import forgotten, shut_down_workers
from sdp_plugin.engine.precision import has_bfloat16
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.hardware import cores

STOCK, OURS, OURS_BFLOAT16 = 'stock MMSegmentation', 'ours, float32', 'ours, bfloat16'


@MODELS.register_module(force=True)
class StockDeepLabV2Head(BaseDecodeHead):
    """DeepLabV2's scores, with the loss of MMSegmentation's base class."""

    def __init__(self, dilations: Sequence[int], num_classes: int, **kwargs) -> None:
        init = dict(type='Normal', layer='Conv2d', std=0.01)
        super().__init__(channels=num_classes, num_classes=num_classes, dropout_ratio=0, init_cfg=init, **kwargs)
        self.conv_seg = None
        self.branches = nn.ModuleList(
            nn.Conv2d(self.in_channels, num_classes, 3, padding=dilation, dilation=dilation) for dilation in dilations
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        features = self._transform_inputs(inputs)
        return sum(branch(features) for branch in self.branches)


class TimesHook(Hook):
    """Note when the iteration that timing begins at has ended, and the last one."""

    priority = 'LOWEST'

    def __init__(self, first: int) -> None:
        self.first = first
        self.times: list[float] = []
        self.core_times: list[float] = []
        self.largest = 0.0

    def after_train_iter(self, runner: Runner, *args: object, **kwargs: object) -> None:
        if runner.iter + 1 in (self.first, runner.max_iters):
            if torch.cuda.is_available():
                torch.cuda.synchronize()
                self.largest = torch.cuda.max_memory_allocated() / 1e9
            self.times.append(time.perf_counter())
            self.core_times.append(time.process_time())


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('voc', type=Path, help='VOC2012, with JPEGImages and SegmentationClassAug')
    parser.add_argument('--scribbles', type=Path, help='folder of ScribbleSup XMLs; without it, full masks')
    parser.add_argument('--images', type=int, default=200, metavar='N', help='images to read (default: %(default)s)')
    parser.add_argument('--crop-size', type=int, default=321, metavar='PX', help='(default: %(default)s)')
    parser.add_argument('--batch-size', type=int, default=10, metavar='N', help='(default: %(default)s)')
    parser.add_argument('--iterations', type=int, default=20, metavar='N', help='timed, a round (default: 20)')
    parser.add_argument('--warm-up', type=int, default=5, metavar='N', help='before them (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=3, metavar='N', help='measurements a side (default: %(default)s)')
    parser.add_argument('--num-workers', type=int, default=min(4, cores()), metavar='N', help='(default: %(default)s)')
    parser.add_argument('--bfloat16', action='store_true', help='also where the device has no instructions for it')
    parser.add_argument('--out', type=file_to_write, help='also write the numbers to this JSON file')
    return parser.parse_args()


def ours(args: argparse.Namespace, ids: Path, folder: Path, precision: str) -> Config:
    """The shipped config, cut to the length of a measurement."""
    cfg = our_config(args.voc.absolute(), ids, 'scribbles' if args.scribbles else 'masks', args.scribbles)
    crop = (args.crop_size, args.crop_size)
    pipeline = cfg.train_dataloader.dataset.pipeline
    next(step for step in pipeline if step['type'] == 'sdp_plugin.RandomRescaledCrop').crop_size = crop
    cfg.model.data_preprocessor.size = crop
    cfg.train_dataloader.update(
        batch_size=args.batch_size, num_workers=args.num_workers, persistent_workers=args.num_workers > 0
    )
    cfg.train_cfg.max_iters = args.warm_up + args.iterations
    cfg.optim_wrapper.precision = precision
    cfg.default_hooks.checkpoint = None
    cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    cfg.work_dir, cfg.experiment_name = str(folder), folder.name
    return cfg


def stock(args: argparse.Namespace, ids: Path, labels: Path, folder: Path) -> Config:
    """The same training of MMSegmentation's and MMEngine's parts."""
    cfg = ours(args, ids, folder, 'float32')
    crop = (args.crop_size, args.crop_size)
    cfg.train_dataloader.dataset = stock_dataset(args.voc.absolute(), ids, labels, crop)
    cfg.train_dataloader.sampler = dict(type='InfiniteSampler', shuffle=True)
    cfg.train_dataloader.pop('collate_fn')
    cfg.model.data_preprocessor.type = 'SegDataPreProcessor'
    cfg.model.backbone = dict(
        type='ResNet',
        depth=34,
        strides=(1, 2, 1, 1),
        dilations=(1, 1, 2, 4),
        norm_cfg=dict(type='BN', requires_grad=True),
        norm_eval=False,
        zero_init_residual=False,
    )
    head = cfg.model.decode_head
    cfg.model.decode_head = dict(
        type='StockDeepLabV2Head',
        in_channels=head.in_channels,
        in_index=head.in_index,
        num_classes=head.num_classes,
        dilations=head.dilations,
        align_corners=head.align_corners,
        loss_decode=dict(type='CrossEntropyLoss', avg_non_ignore=True),
    )
    wrapper = {key: value for key, value in cfg.optim_wrapper.items() if key != 'precision'}
    cfg.optim_wrapper = dict(wrapper, type='OptimWrapper')
    for name in ('prepare_model', 'seed_iterations'):
        cfg.default_hooks.pop(name, None)
    cfg.default_hooks.runtime_info = dict(type='RuntimeInfoHook')
    return cfg


def operations_of_a_step(cfg: Config, crop: int) -> float:
    """Operations of forward and backward for an image, in 10^9, as PyTorch counts them."""
    with DefaultScope.overwrite_default_scope('mmseg'):
        model = MODELS.build(cfg.model)
    with FlopCounterMode(display=False) as counter:
        model.decode_head(model.backbone(torch.zeros(2, 3, crop, crop))).sum().backward()
    return counter.get_total_flops() / 2 / 1e9


def images_a_second(cfg: Config, warm_up: int, memory: dict[str, float], spent: dict[str, list], name: str) -> float:
    """Train, and time all but the first iterations, by the wall and by the processor."""
    hook = TimesHook(warm_up)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    with forgotten(cfg.experiment_name), contextlib.redirect_stdout(io.StringIO()):
        runner = Runner.from_cfg(cfg)
        runner.register_hook(hook)
        runner.train()
        shut_down_workers(runner)
    memory[name] = max(memory.get(name, 0.0), hook.largest)
    begun, ended = hook.times
    images = (runner.max_iters - warm_up) * cfg.train_dataloader.batch_size
    spent[name].append((hook.core_times[1] - hook.core_times[0]) / images)
    del runner
    gc.collect()
    return images / (ended - begun)


@exits_on_user_error
def main() -> None:
    args = parse_args()
    device = torch.device(get_device())
    ids = image_ids(args.voc, args.scribbles, args.images)
    report = dict(machine=machine(), threads=torch.get_num_threads(), device=_name_of(device))
    report['settings'] = {name: str(value) for name, value in vars(args).items()}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        list_file, labels = folder / 'ids.txt', args.voc.absolute() / 'SegmentationClassAug'
        list_file.write_text('\n'.join(ids) + '\n')
        if args.scribbles:
            labels = folder / 'labels'
            labels.mkdir()
            draw_scribbles(args.scribbles, ids, labels)
        sides = {STOCK: stock(args, list_file, labels, folder / 'stock')}
        sides[OURS] = ours(args, list_file, folder / 'ours', 'float32')
        if args.bfloat16 or has_bfloat16(device):
            sides[OURS_BFLOAT16] = ours(args, list_file, folder / 'ours-bfloat16', 'bfloat16')
        operations = {name: operations_of_a_step(sides[name], args.crop_size) for name in (STOCK, OURS)}
        if abs(operations[OURS] / operations[STOCK] - 1) > 1e-3:
            raise AssertionError(f'the sides compute different networks: {operations}')
        memory: dict[str, float] = {}
        spent: dict[str, list[float]] = {name: [] for name in sides}
        measured = alternate(
            {name: partial(images_a_second, cfg, args.warm_up, memory, spent, name) for name, cfg in sides.items()},
            args.rounds,
        )
    report['operations_an_image'] = operations
    report['load_after'] = os.getloadavg()[0]
    report['sides'] = {
        name: dict(
            images_a_second=summary(rates),
            of_stock=ratios(rates, measured[STOCK]),
            core_seconds_an_image=summary(spent[name]),
            core_of_stock=ratios(spent[STOCK], spent[name]),
            operations_a_second=summary(rates)['median'] * operations[STOCK],
            memory_on_device=memory[name],
        )
        for name, rates in measured.items()
    }
    print(
        f'{report["device"]}, {report["threads"]} threads, {args.num_workers} workers; '
        f'load before: {report["machine"]["load_before"]:.1f}, after: {report["load_after"]:.1f}'
    )
    rows = [
        (
            name,
            spread(side['images_a_second'], 2),
            spread(side['of_stock'], 2),
            spread(side['core_seconds_an_image'], 2),
            spread(side['core_of_stock'], 2),
            f'{side["operations_a_second"]:,.0f}',
            f'{side["memory_on_device"]:.1f}' if side['memory_on_device'] else '',
        )
        for name, side in report['sides'].items()
    ]
    by_wall, by_core = ('images a second', 'times stock'), ('core seconds an image', 'times stock')
    print(table(('', *by_wall, *by_core, '10⁹ operations a second', 'GB on the device'), rows))
    print(
        "Core seconds are of the main process: with --num-workers 0 they hold all, and hardly the machine's other work."
    )
    write_report(args.out, report)


def _name_of(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == 'cuda' else f'CPU, {cores()} cores'


if __name__ == '__main__':
    sys.exit(main())
