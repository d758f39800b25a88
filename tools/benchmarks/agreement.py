#!/usr/bin/env python3
"""Whether the fast ways of fine-tuning compute what the plain one does: recorded, in bfloat16, side by side.

Trains one cell, a ResNet-18 on the real patches of PCam that travel with the package, in each way from the same seed,
and compares with the plain way (float32, each step as it is, alone): the mean loss of every epoch and the scores of
the test. Rounding differs between kernels and grows over a training, so the plain way is also trained with its weights
disturbed by one part in a million: what differs by no more than that is equal. Where there is no GPU nothing is
recorded, and the table says so.

example:
  python tools/benchmarks/agreement.py --out agreement.json
"""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from measuring import machine, table, write_report
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.runner import Runner

from sdp_plugin.command_line import ToolParser, file_to_write
from sdp_plugin.demo_data.tiles import write_pcam
from sdp_plugin.engine.in_memory.graph import CapturedStep
from sdp_plugin.engine.in_memory.side_by_side import run_side_by_side
from sdp_plugin.engine.isolation import forgotten
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.shipped import get_config

PLAIN, DISTURBED = 'plain', 'plain, weights disturbed by 1e-6'
LOOSER = {'bfloat16': 10.0}
"""How many times the disturbance a way may differ; others may as much as it, or a thousandth."""


@dataclass
class Trained:
    """What is compared: mean losses by epoch, probabilities of the test, and whether the step was recorded."""

    losses: torch.Tensor
    scores: torch.Tensor
    recorded: bool


@dataclass(frozen=True)
class Way:
    """How to train.

    Args:
        settings (dict): Of the config.
        at_once (int): Trainings side by side, of which the first is compared.
        disturbance (float): Of all weights before the training, relative.
    """

    settings: dict = field(default_factory=dict)
    at_once: int = 1
    disturbance: float = 0.0


def ways(together: int) -> dict[str, Way]:
    """By name, in the order of the table."""
    as_it_is, recorded = {'train_cfg.cuda_graphs': False}, {'train_cfg.cuda_graphs': True}
    return {
        PLAIN: Way(as_it_is),
        DISTURBED: Way(as_it_is, disturbance=1e-6),
        'recorded': Way(recorded),
        f'{together} side by side': Way(as_it_is, together),
        f'recorded, {together} side by side': Way(recorded, together),
        'bfloat16': Way(as_it_is | {'precision': 'bfloat16'}),
        'bfloat16, recorded': Way(recorded | {'precision': 'bfloat16'}),
    }


class _DisturbHook(Hook):
    def __init__(self, relative: float) -> None:
        self.relative = relative

    def before_train(self, runner: Runner) -> None:
        generator = torch.Generator().manual_seed(0)
        for parameter in runner.model.parameters():
            noise = torch.randn(parameter.shape, generator=generator).to(parameter)
            parameter.data.mul_(1 + self.relative * noise)


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--epochs', type=int, default=5, metavar='N', help='(default: %(default)s)')
    parser.add_argument('--images', type=int, default=160, metavar='N', help='to train on (default: %(default)s)')
    parser.add_argument('--resolution', type=int, default=96, metavar='PX', help='(default: %(default)s)')
    parser.add_argument('--together', type=int, default=4, metavar='N', help='side by side (default: %(default)s)')
    parser.add_argument('--out', type=file_to_write, help='also write the numbers to this JSON file')
    return parser.parse_args()


def config_of(args: argparse.Namespace, data_root: Path, folder: Path, way: Way, seed: int) -> Config:
    """A cell, of which only the first of those side by side has seed 0."""
    options = dict(
        data_root=str(data_root),
        examples_per_class=args.images // 2,
        input_size=args.resolution,
        max_epochs=args.epochs,
        num_workers=0,
        seed=seed,
        precision='float32',
    )
    with_graphs = way.settings.get('train_cfg.cuda_graphs', True)
    settings = {key: value for key, value in way.settings.items() if key != 'train_cfg.cuda_graphs'}
    cfg = get_config('finetune/resnet18_1xb32-100e_pcam.py', options | settings)
    cfg.train_cfg.cuda_graphs = with_graphs
    cfg.work_dir, cfg.experiment_name = str(folder), folder.name
    cfg.default_hooks.checkpoint = None
    cfg.env_cfg.cudnn_benchmark = False
    cfg.test_evaluator = [dict(type='sdp_plugin.AUROC')]
    return cfg


def trained(cfg: Config, disturbance: float) -> Trained:
    """Train and test a cell."""
    with forgotten(cfg.experiment_name):
        runner = Runner.from_cfg(cfg)
        runner.register_hook(_DisturbHook(disturbance))
        recorded = []
        runner.register_hook(_RecordedHook(recorded), 'LOWEST')
        runner.train()
        runner.test()
        losses = torch.tensor(runner.message_hub.get_scalar('train/loss').data[0])
        return Trained(losses, runner.test_loop.log_scores.exp(), any(recorded))


class _RecordedHook(Hook):
    """Note after each epoch whether the step is recorded by now."""

    def __init__(self, seen: list[bool]) -> None:
        self.seen = seen

    def after_train_epoch(self, runner: Runner) -> None:
        step = runner.train_loop._step
        self.seen.append(isinstance(step, CapturedStep) and step.is_recorded)


def run(args: argparse.Namespace, name: str, way: Way, data_root: Path, folder: Path) -> Trained:
    """Train a cell in one way, in company if that is the way."""
    jobs: list[Callable[[], Trained]] = [
        partial(
            trained, config_of(args, data_root, folder / f'{name}-{seed}'.replace(' ', '-'), way, seed), way.disturbance
        )
        for seed in range(way.at_once)
    ]
    CapturedStep._failed = False
    with contextlib.redirect_stdout(io.StringIO()):
        results = dict(run_side_by_side(jobs, way.at_once))
    if isinstance(results[0], Exception):
        raise results[0]
    return results[0]


@exits_on_user_error
def main() -> int:
    args = parse_args()
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        (folder / 'pcam').mkdir()
        write_pcam(folder / 'pcam', dict(train=args.images, valid=2, test=64))
        found = {name: run(args, name, way, folder / 'pcam', folder) for name, way in ways(args.together).items()}
    plain = found[PLAIN]
    off = {
        name: dict(
            recorded=each.recorded,
            loss=float((each.losses - plain.losses).abs().max() / plain.losses.abs().max()),
            score=float((each.scores - plain.scores).abs().max()),
            same_class=float((each.scores.argmax(1) == plain.scores.argmax(1)).float().mean()),
        )
        for name, each in found.items()
    }
    allowed = max(off[DISTURBED]['loss'], 1e-3)
    for name, values in off.items():
        factor = next((factor for word, factor in LOOSER.items() if word in name), 1.0)
        values['agrees'] = bool(values['loss'] <= factor * allowed)
    report = dict(machine=machine(), device=_device(), ways=off)
    print(f'{report["device"]}; {args.epochs} epochs of {args.images} patches; differences from the plain way')
    rows = [
        (
            name,
            'yes' if values['recorded'] else 'no',
            f'{values["loss"]:.2%}',
            f'{values["score"]:.4f}',
            f'{values["same_class"]:.0%}',
            'yes' if values['agrees'] else 'NO',
        )
        for name, values in off.items()
    ]
    print(table(('', 'recorded', 'loss of an epoch', 'score of a patch', 'same class', 'agrees'), rows))
    write_report(args.out, report)
    return 0 if all(values['agrees'] for values in off.values()) else 1


def _device() -> str:
    return torch.cuda.get_device_name() if get_device() == 'cuda' else 'CPU: nothing is recorded'


if __name__ == '__main__':
    sys.exit(main())
