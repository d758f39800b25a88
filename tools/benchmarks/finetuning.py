#!/usr/bin/env python3
"""Images a second of fine-tuning: our in-memory loop beside MMPretrain's runner, loop and data loader.

Both sides train the shipped config of PCam: the same network from the same seed, the same patches, the same
augmentations, batches and optimiser, data and augmentation included. They train two epochs each in turn, in one
process; the second of them counts. The machine's arithmetic peak is measured in the same run, by matrix products and by
a convolution of the network's commonest shape.

On a GPU, --together N also trains N cells side by side. Where there is none, the CPU is measured, and the report says
so. Let nothing else run meanwhile; the report holds the load it began with.

example:
  python tools/benchmarks/finetuning.py --data-root data/pcam --out finetuning.json
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import io
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import torch
from measuring import alternate, machine, ratios, seconds, spread, summary, table, write_report
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.hooks import Hook
from mmengine.runner import Runner
from torch.utils.flop_counter import FlopCounterMode

from sdp_plugin.catalogue.data_checks import check_run
from sdp_plugin.command_line import ToolParser, file_to_write
from sdp_plugin.demo_data.tiles import write_pcam
from sdp_plugin.engine.in_memory.graph import WARM_UP
from sdp_plugin.engine.in_memory.turns import Turns
from sdp_plugin.engine.isolation import forgotten, shut_down_workers
from sdp_plugin.engine.precision import has_bfloat16
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.hardware import cores
from sdp_plugin.settings import load_config

CONFIG = Path(__file__).parents[2] / 'configs/finetune/resnet34_1xb32-100e_pcam.py'
STOCK, OURS, OURS_COMPILED, OURS_BFLOAT16 = (
    'stock MMPretrain',
    'ours, float32',
    'ours, float32, compiled',
    'ours, bfloat16',
)

# The paper's Table 1: 4 initialisations x 10 repeats; classes x examples a class x epochs; images of the test set;
# pixels beside those of a patch of 96. A test image costs a forward pass, about a third of a training step.
TABLE_1 = (
    dict(trainings=40, images=2 * (1000 + 2000 + 3000) * 100, tested=3 * 32_768, pixels=1.0),
    dict(trainings=40, images=8 * (12 + 25 + 50) * 200, tested=3 * 500, pixels=(150 / 96) ** 2),
)


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--data-root', type=Path, help='folder of PCam; without it patches are generated')
    parser.add_argument('--resolution', type=int, default=96, metavar='PIXELS', help='(default: %(default)s)')
    parser.add_argument('--batch-size', type=int, default=32, metavar='N', help='(default: %(default)s)')
    parser.add_argument('--iterations', type=int, default=8, metavar='N', help='of an epoch (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=5, metavar='N', help='measurements a side (default: %(default)s)')
    parser.add_argument('--num-workers', type=int, default=2, metavar='N', help="stock's (default: the config's, 2)")
    parser.add_argument('--compile', action='store_true', help='also measure a compiled backbone')
    parser.add_argument('--together', type=int, default=0, metavar='N', help='also N cells side by side, on a GPU')
    parser.add_argument('--bfloat16', action='store_true', help='measure bfloat16 where the device emulates it, too')
    parser.add_argument('--out', type=file_to_write, help='also write the numbers to this JSON file')
    args = parser.parse_args()
    if args.together and args.iterations <= WARM_UP:
        parser.error(f'--together needs more than {WARM_UP} --iterations: the step is recorded after so many')
    return args


class _EpochTimesHook(Hook):
    """Measure each epoch, to the end of what the device does."""

    def __init__(self) -> None:
        self.times: list[float] = []

    def before_train_epoch(self, runner: Runner) -> None:
        _synchronise()
        self._started = time.perf_counter()

    def after_train_epoch(self, runner: Runner) -> None:
        _synchronise()
        self.times.append(time.perf_counter() - self._started)


class _MemoryHook(Hook):
    """Keep the most memory that was taken on the device, which mmengine's logger, of a lower priority, sets back."""

    largest = 0.0

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        # In the first epoch, which is not timed.
        if torch.cuda.is_available() and runner.epoch == 0:
            _MemoryHook.largest = max(_MemoryHook.largest, torch.cuda.max_memory_allocated() / 1e9)


def _synchronise() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def config_for(args: argparse.Namespace, data_root: Path, folder: Path, **settings: object) -> Config:
    """The config of PCam for a measurement, with the settings given."""
    examples = args.iterations * args.batch_size // 2
    options = dict(
        data_root=str(data_root),
        input_size=args.resolution,
        batch_size=args.batch_size,
        num_workers=args.num_workers,
        examples_per_class=examples,
        max_epochs=2,
    )
    cfg = load_config(CONFIG, options | settings)
    cfg.work_dir = str(folder)
    cfg.experiment_name = folder.name
    cfg.default_hooks.checkpoint = None
    return cfg


def stock(cfg: Config) -> Config:
    """The config as MMPretrain has it: no loop, hook or flag of ours but the data set and its loading."""
    cfg.train_cfg = dict(type='EpochBasedTrainLoop', max_epochs=cfg.train_cfg.max_epochs)
    cfg.test_cfg = dict(type='TestLoop')
    cfg.default_hooks.pop('initialisation')
    return cfg


def images_a_second(cfg: Config, images: int) -> float:
    """Train two epochs; the speed of the second."""
    hook = _EpochTimesHook()
    with forgotten(cfg.experiment_name), contextlib.redirect_stdout(io.StringIO()):
        runner = Runner.from_cfg(cfg)
        runner.register_hook(hook, 'LOWEST')
        runner.register_hook(_MemoryHook(), 'NORMAL')
        runner.train()
        shut_down_workers(runner)
    del runner
    gc.collect()
    return images / hook.times[1]


def peak(precision: torch.dtype, device: torch.device) -> dict[str, float]:
    """Operations a second (a multiplication and an addition are two), the best of five, in 10^9.

    Convolutions in float32 are in TF32 on NVIDIA's devices since Ampere, as PyTorch has it; the network's are, too.
    """
    # Large, and many calls for each wait, on a GPU, where these of a CPU would measure launches.
    side, count, calls = (8192, 4096, 20) if device.type == 'cuda' else (2048, 32, 1)
    left, right = (torch.randn(side, side, device=device, dtype=precision) for _ in range(2))
    images = torch.randn(count, 128, 12, 12, device=device, dtype=precision)
    images = images.contiguous(memory_format=torch.channels_last)
    kernel = torch.randn(128, 128, 3, 3, device=device, dtype=precision).contiguous(memory_format=torch.channels_last)

    def best(work: Callable[[], object], operations: float) -> float:
        def repeated() -> None:
            for _ in range(calls):
                work()
            _synchronise()

        def measured() -> float:
            return seconds(repeated)

        measured()
        return operations * calls / min(measured() for _ in range(5)) / 1e9

    return {
        'matrix product': best(lambda: left @ right, 2 * side**3),
        'convolution': best(
            lambda: torch.nn.functional.conv2d(images, kernel, padding=1), 2 * count * 128 * 128 * 9 * 12 * 12
        ),
    }


def operations_of_a_step(cfg: Config) -> float:
    """Operations of a training step for an image, in 10^9, as PyTorch counts them."""
    from mmpretrain.registry import MODELS

    model = MODELS.build(cfg.model | dict(data_preprocessor=cfg.data_preprocessor))
    size = cfg.input_size
    with FlopCounterMode(display=False) as counter:
        model.head(model.extract_feat(torch.zeros(2, 3, size, size))).sum().backward()
    return counter.get_total_flops() / 2 / 1e9


def hours_of_table_1(images_a_second: float, resolution: int) -> float:
    """Of its 240 fine-tunings, evaluation included, at this many images of 96 pixels a second in all."""
    images = sum(part['trainings'] * (part['images'] + part['tested'] / 3) * part['pixels'] for part in TABLE_1)
    return images / (images_a_second * (resolution / 96) ** 2) / 3600


def measure_sides(args: argparse.Namespace, data_root: Path, folder: Path, device: torch.device) -> dict[str, list]:
    """Images a second of each side, by round."""
    ways = {OURS: dict(precision='float32')}
    if args.compile:
        ways[OURS_COMPILED] = {'precision': 'float32', 'train_cfg.compile': True}
    if args.bfloat16 or has_bfloat16(device):
        ways[OURS_BFLOAT16] = dict(precision='bfloat16')
    sides = {STOCK: stock(config_for(args, data_root, folder / 'stock'))}
    for index, (name, settings) in enumerate(ways.items()):
        sides[name] = config_for(args, data_root, folder / f'ours-{index}', **settings)
    images = args.iterations * args.batch_size // 2 * 2
    measures = {name: partial(images_a_second, cfg, images) for name, cfg in sides.items()}
    return alternate(measures, args.rounds)


def measure_together(args: argparse.Namespace, data_root: Path, folder: Path, device: torch.device) -> float:
    """Images a second in all of ``--together`` cells, whose epochs overlap; timed from the first end of
    an epoch to the last. What the others then still do of their first epochs is not counted.
    """
    precision = 'bfloat16' if has_bfloat16(device) else 'float32'
    configs = [
        config_for(args, data_root, folder / f'cell{seed}', seed=seed, max_epochs=args.rounds + 1, precision=precision)
        for seed in range(args.together)
    ]
    hooks = [_EndsHook() for _ in configs]

    def train(cfg: Config, hook: Hook) -> None:
        runner = Runner.from_cfg(cfg)
        runner.register_hook(hook, 'LOWEST')
        runner.register_hook(_MemoryHook(), 'NORMAL')
        runner.train()

    jobs = [partial(train, cfg, hook) for cfg, hook in zip(configs, hooks, strict=True)]
    with contextlib.redirect_stdout(io.StringIO()):
        for _, result in Turns(jobs, device).run():
            if isinstance(result, BaseException):
                raise result
    images = args.together * args.rounds * (args.iterations * args.batch_size // 2 * 2)
    return images / (max(hook.ends[-1] for hook in hooks) - min(hook.ends[0] for hook in hooks))


class _EndsHook(Hook):
    """Note when each epoch ends."""

    def __init__(self) -> None:
        self.ends: list[float] = []

    def after_train_epoch(self, runner: Runner) -> None:
        # Of this training's stream alone: the others go on.
        torch.cuda.current_stream().synchronize()
        self.ends.append(time.perf_counter())


def memory(device: torch.device) -> dict[str, float]:
    """The most memory that was taken, in 10^9 bytes."""
    taken = {
        'this process': resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9,
        'the largest child process': resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024 / 1e9,
    }
    if device.type == 'cuda':
        taken['on the device'] = _MemoryHook.largest
    return taken


@exits_on_user_error
def main() -> None:
    args = parse_args()
    device = torch.device(get_device())
    report = dict(machine=machine(), threads=torch.get_num_threads(), device=_name_of(device))
    report['settings'] = {name: str(value) for name, value in vars(args).items()}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        data_root = args.data_root or folder
        if args.data_root is None:
            write_pcam(folder, dict(train=args.iterations * args.batch_size, valid=2, test=2))
        cfg = config_for(args, data_root, folder)
        check_run(cfg)
        report['peak'] = {'float32': peak(torch.float32, device)}
        if has_bfloat16(device):
            report['peak']['bfloat16'] = peak(torch.bfloat16, device)
        if device.type == 'cuda':
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats()
        operations = report['operations_a_step'] = operations_of_a_step(cfg)
        measured = measure_sides(args, data_root, folder, device)
        if args.together and device.type == 'cuda':
            name = f'ours, {"bfloat16" if has_bfloat16(device) else "float32"}, {args.together} side by side'
            measured[name] = [measure_together(args, data_root, folder, device)]
    report['memory'] = memory(device)
    report['sides'] = {}
    rows = []
    for name, rates in measured.items():
        best = max(
            report['peak'].get('bfloat16' if 'bfloat16' in name else 'float32', report['peak']['float32']).values()
        )
        of_stock = ratios(rates, measured[STOCK][: len(rates)])
        share = summary(rates)['median'] * operations / best
        hours = hours_of_table_1(summary(rates)['median'], args.resolution)
        report['sides'][name] = dict(
            images_a_second=summary(rates), of_stock=of_stock, share_of_peak=share, hours_of_table_1=hours
        )
        rows.append([name, spread(summary(rates), 1), spread(of_stock, 2), f'{share:.0%}', f'{hours:,.1f}'])
    print(f'{report["device"]}, {report["threads"]} threads; load before: {report["machine"]["load_before"]:.1f}')
    print(table(['', 'images a second', 'times stock', 'of the peak', 'hours of Table 1'], rows))
    print('most memory: ' + ', '.join(f'{name} {amount:.2f} GB' for name, amount in report['memory'].items()))
    if OURS_BFLOAT16 not in measured:
        print('bfloat16 was not measured: this device has no instructions for it.')
    if device.type != 'cuda':
        print('There is no GPU: the CPU was measured.')
    write_report(args.out, report)


def _name_of(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == 'cuda' else f'CPU, {cores()} cores'


if __name__ == '__main__':
    sys.exit(main())
