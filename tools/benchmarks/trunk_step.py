#!/usr/bin/env python3
r"""What the à-trous trunk costs: steps of DeepLabV2-ResNet-34 beside those on MMSegmentation's trunk, in turns.

Forward pass, loss, backward pass and optimiser, on one random batch with labels as sparse as scribbles are; reading is
no part of it (see pretraining.py). Times are of the processor, which other work hardly changes; on a GPU of the wall.

example:
  python tools/benchmarks/trunk_step.py --crop-size 129 --batch-size 4 --rounds 8 --out step.json
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from measuring import alternate, core_seconds, machine, ratios, seconds, spread, summary, table, write_report
from mmengine.device import get_device
from mmengine.optim import build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample

from sdp_plugin.command_line import ToolParser, file_to_write
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.settings import load_config

CONFIG = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321{}.py'
CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
LABELLED, IGNORED = 0.03, 255
SIDES = {'ours': '', "MMSegmentation's": '_mmseg-trunk'}


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--crop-size', type=int, default=321)
    parser.add_argument('--batch-size', type=int, default=10)
    parser.add_argument('--rounds', type=int, default=8)
    parser.add_argument('--precision', default='float32', choices=('float32', 'bfloat16', 'auto'))
    parser.add_argument('--out', type=file_to_write, metavar='FILE', help='write the numbers as JSON')
    return parser.parse_args()


def step_of(variant: str, args: argparse.Namespace) -> Callable[[], None]:
    """What takes one step of a side, after a first one that is not measured."""
    cfg = load_config(CONFIGS / CONFIG.format(variant), {'precision': args.precision})
    device = torch.device(get_device())
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        torch.manual_seed(0)
        model = MODELS.build(cfg.model).to(device, memory_format=torch.channels_last)
        optimiser = build_optim_wrapper(model, cfg.optim_wrapper)
    model.train()
    images, samples = batch(args, device)

    def step() -> None:
        with optimiser.optim_context(model):
            loss, _ = model.parse_losses(model(images, samples, mode='loss'))
        optimiser.update_params(loss)
        if device.type == 'cuda':
            torch.cuda.synchronize()

    step()
    return step


def batch(args: argparse.Namespace, device: torch.device) -> tuple[torch.Tensor, list[SegDataSample]]:
    """Random images and labels, the same for all sides."""
    generator = torch.Generator().manual_seed(0)
    shape = (args.batch_size, args.crop_size, args.crop_size)
    images = torch.randn(shape[0], 3, *shape[1:], generator=generator)
    labels = torch.randint(0, 21, shape, generator=generator)
    labels[torch.rand(shape, generator=generator) > LABELLED] = IGNORED
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label[None])).to(device) for label in labels]
    return images.to(device, memory_format=torch.channels_last), samples


@exits_on_user_error
def main() -> None:
    args = parse_args()
    steps = {name: step_of(side, args) for name, side in SIDES.items()}
    clock = seconds if torch.cuda.is_available() else core_seconds
    measured = alternate({name: lambda step=step: clock(step) for name, step in steps.items()}, args.rounds)
    sides = {
        name: {'seconds': summary(times), 'of_ours': ratios(times, measured['ours'])}
        for name, times in measured.items()
    }
    rows = [(name, spread(side['seconds'], 3), spread(side['of_ours'], 3)) for name, side in sides.items()]
    print(table(('median (least-greatest)', 'seconds a step', 'times ours'), rows))
    write_report(args.out, dict(machine=machine(), settings=vars(args), sides=sides))


if __name__ == '__main__':
    sys.exit(main())
