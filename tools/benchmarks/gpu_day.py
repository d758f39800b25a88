#!/usr/bin/env python3
r"""Stages for the minutes of a GPU: is it right, is it fast, is it true. Each prints a table last and writes JSON.

A stage is a list of steps, each with a file of its own in OUT/STAGE. What is done is not done again, and a step that
was cut short starts anew (a grid goes on): give the same command until the table has no gap. --minutes ends a stage
before the machine does.

  right   tests with the mark gpu; recorded, side by side and bfloat16 against the plain step       4 minutes
  fast    fine-tuning alone, with 4 and with 16 side by side; whole steps of pre-training; profile  5 minutes
  true    a grid on real data, its report, and its trunks in half precision                         as much as there is

examples:
  bash tools/benchmarks/gpu_day.sh pack
  bash tools/benchmarks/gpu_day.sh right --out $OUT
  bash tools/benchmarks/gpu_day.sh fast --out $OUT --pcam data/pcam --voc data/VOCdevkit/VOC2012 --scribbles scribbles
  bash tools/benchmarks/gpu_day.sh true --out $OUT --grid configs/grids/evidence.py --minutes 9
  bash tools/benchmarks/gpu_day.sh unpack $OUT/true/trunks
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path

from measuring import spread, table

from sdp_plugin.command_line import ToolParser, check_folders, folder_to_write
from sdp_plugin.errors import UserError, exits_on_user_error
from sdp_plugin.files import atomic_path, write_text_atomically
from sdp_plugin.records import read_json_file
from sdp_plugin.shipped import config_path

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
WHEELS = ROOT / 'work_dirs' / 'gpu_wheels'
PIECE = 15 * 2**20
"""Bytes of a piece of a trunk, where files of 16 MiB come back."""

THERE = frozenset(
    (
        *('torch', 'torchvision', 'numpy', 'scipy', 'scikit-learn', 'pandas', 'timm', 'h5py'),
        *('opencv-python', 'matplotlib', 'pillow'),
    )
)
"""What the GPU's machine has; also what those need is not packed."""

GOALS = {
    'fine-tuning, images/s in total': (20_000, 40_000),
    'pre-training, images/s': (450, 800),
    'Table 1, minutes': (90, 45),
}
"""What is wanted, and what is aimed at."""

Row = tuple[str, str]


@dataclass(frozen=True)
class Step:
    """A part of a stage.

    Args:
        command (Sequence[str]): What to run; ``{out}`` is where its JSON goes.
        rows (Callable): What its JSON says, as rows of the table.
    """

    command: Sequence[str]
    rows: Callable[[Mapping], Iterator[Row]]


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('stage', choices=['pack', 'right', 'fast', 'true', 'unpack'])
    parser.add_argument('folder', nargs='?', type=Path, help='of unpack: where the pieces lie')
    parser.add_argument('--out', type=folder_to_write, default=ROOT / 'work_dirs' / 'gpu_day', metavar='FOLDER')
    parser.add_argument('--pcam', type=Path, help='folder of PCam; generated patches without it')
    parser.add_argument('--voc', type=Path, help='VOC2012, with SegmentationClassAug; no pre-training without it')
    parser.add_argument('--scribbles', type=Path, help='folder of ScribbleSup XMLs; full masks without it')
    parser.add_argument('--grid', default='configs/grids/evidence.py', help='of true (default: %(default)s)')
    parser.add_argument('--minutes', type=float, default=9.5, help='at most, a call (default: %(default)s)')
    parser.add_argument('--quick', action='store_true', help='see whether all runs: too short to conclude from')
    return parser.parse_args()


def _rows_of_tests(report: Mapping) -> Iterator[Row]:
    yield 'tests with the mark gpu', ', '.join(f'{count} {what}' for what, count in report['tests'].items())


def _rows_of_agreement(report: Mapping) -> Iterator[Row]:
    for name, way in report['ways'].items():
        verdict = 'agrees' if way['agrees'] else 'DIFFERS'
        recorded = ', recorded' if way['recorded'] else ''
        yield name, f'{verdict}: {way["loss"]:.2%} in the loss, {way["same_class"]:.0%} of classes the same{recorded}'


def _rows_of_finetuning(report: Mapping) -> Iterator[Row]:
    for name, side in report['sides'].items():
        rate, minutes = side['images_a_second'], side['hours_of_table_1'] * 60
        yield f'fine-tuning, images/s in total: {name}', f'{spread(rate)}, {side["share_of_peak"]:.0%} of the peak'
        yield f'Table 1, minutes: {name}', f'{minutes:,.0f}'
    for kind, peaks in report['peak'].items():
        yield f'peak in {kind}, 10⁹ operations a second', ', '.join(f'{what} {v:,.0f}' for what, v in peaks.items())


def _rows_of_pretraining(report: Mapping) -> Iterator[Row]:
    for name, side in report['sides'].items():
        yield (
            f'pre-training, images/s: {name}',
            f'{spread(side["images_a_second"])}, {spread(side["of_stock"], 2)} times',
        )


def _rows_of_profile(report: Mapping) -> Iterator[Row]:
    for name, share in list(report['shares'].items())[:8]:
        yield f'profile: {name}', f'{share:.1%} of {report["seconds"]:.2f} s'


def _rows_of_grid(report: Mapping) -> Iterator[Row]:
    yield 'grid', f'exit status {report["status"]} after {report["seconds"]:,.0f} s (1: go on with the same command)'


def _rows_of_trunks(report: Mapping) -> Iterator[Row]:
    yield 'trunks in half precision', f'{len(report["trunks"])} in {report["pieces"]} pieces'


def steps_of(args: argparse.Namespace) -> dict[str, Step]:
    """The steps of a stage by name."""
    me = [sys.executable, '-W', 'ignore']
    quick = args.quick

    def script(name: str, *arguments: object) -> list[str]:
        return [*me, str(HERE / f'{name}.py'), *map(str, arguments), '--out', '{out}']

    if args.stage == 'right':
        agreement = ['--epochs', 2, '--images', 16, '--resolution', 32, '--together', 2] if quick else ['--together', 4]
        return {
            'tests': Step([*me, str(HERE / 'gpu_day.py'), 'tests', '{out}'], _rows_of_tests),
            'agreement': Step(script('agreement', *agreement), _rows_of_agreement),
        }
    if args.stage == 'fast':
        data = ['--data-root', args.pcam] if args.pcam else []
        short = ['--rounds', 1, '--iterations', 2, '--batch-size', 4, '--resolution', 32] if quick else ['--rounds', 3]
        steps = {
            f'finetuning_{count}': Step(
                script('finetuning', *data, *short, *(['--together', count] if count > 1 else [])), _rows_of_finetuning
            )
            for count in ((1,) if quick else (1, 4, 16))
        }
        if args.voc:
            labels = ['--scribbles', args.scribbles] if args.scribbles else []
            short = '--images 4 --crop-size 33 --batch-size 2 --iterations 1 --warm-up 1 --rounds 1 --num-workers 0'
            how = short.split() if quick else ['--num-workers', '12', '--iterations', '60', '--warm-up', '20']
            steps['pretraining'] = Step(script('pretraining', args.voc, *labels, *how), _rows_of_pretraining)
        steps['profile'] = Step(script('profile_epoch', *(['--quick'] if quick else [])), _rows_of_profile)
        return steps
    grid = [*me, str(HERE / 'gpu_day.py'), 'grid', '{out}', args.grid, str(args.out / 'true' / 'grid')]
    trunks = [*me, str(HERE / 'gpu_day.py'), 'trunks', '{out}', str(args.out / 'true' / 'grid')]
    return {'grid': Step(grid, _rows_of_grid), 'trunks': Step(trunks, _rows_of_trunks)}


def run_stage(args: argparse.Namespace) -> int:
    """Run the steps that have no result yet, and print the table of all that have.

    Returns:
        int: 0 if all steps have a result, 1 if one failed or time was up.
    """
    ends = time.monotonic() + 60 * args.minutes
    folder = args.out / args.stage
    folder.mkdir(parents=True, exist_ok=True)
    rows: list[Row] = []
    gaps = 0
    for name, step in steps_of(args).items():
        out = folder / f'{name}.json'
        problem = '' if out.is_file() else _run(name, step, out, ends - time.monotonic())
        if problem:
            gaps += 1
            rows.append((name, problem))
        else:
            rows += step.rows(read_json_file(out))
    goals = [(f'goal: {what}', f'{wanted:,}, aim {aim:,}') for what, (wanted, aim) in GOALS.items()]
    text = table((args.stage, ''), rows + (goals if args.stage == 'fast' else []))
    write_text_atomically(folder / 'table.md', text + '\n')
    print(f'\n{text}')
    return 1 if gaps else 0


def _run(name: str, step: Step, out: Path, seconds_left: float) -> str:
    """Run a step; words for why it has no result, if it has none."""
    if seconds_left < 1:
        return 'not run: time is up, give the same command again'
    print(f'{name}: at most {seconds_left / 60:.1f} minutes', flush=True)
    command = [part.replace('{out}', str(out)) for part in step.command]
    try:
        status = subprocess.run(command, check=False, timeout=seconds_left).returncode
    except subprocess.TimeoutExpired:
        return 'not done: time is up, give the same command again'
    return '' if out.is_file() else f'failed with exit status {status}, see above'


def run_tests(out: Path) -> None:
    """The tests with the mark ``gpu``: how many ended how."""
    command = [sys.executable, '-m', 'pytest', '-m', 'gpu', '-q', '-p', 'no:cacheprovider', '-rs', 'tests/engine']
    done = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)
    print(done.stdout[-4000:])
    found = re.findall(r'(\d+) (passed|failed|skipped|error)', done.stdout.strip().splitlines()[-1])
    write_text_atomically(out, json.dumps(dict(status=done.returncode, tests={what: int(n) for n, what in found})))


def run_grid(out: Path, grid: str, work_dir: Path) -> None:
    """A grid as far as it gets; it goes on with the next call, so that only a whole one has a result."""
    begun = time.perf_counter()
    status = subprocess.run(
        [sys.executable, str(ROOT / 'tools' / 'run_grid.py'), grid, '--work-dir', str(work_dir)], check=False
    ).returncode
    if status not in (0, 1):
        raise UserError('The grid did not run.', found=f'exit status {status}', remedy='see its message above')
    subprocess.run([sys.executable, str(ROOT / 'tools' / 'report.py'), str(work_dir)], check=False)
    if status == 0:
        write_text_atomically(out, json.dumps(dict(status=status, seconds=time.perf_counter() - begun)))


def pack_trunks(out: Path, work_dir: Path) -> None:
    """Every converted trunk of a grid in half precision, in pieces beside ``out``."""
    import torch

    from sdp_plugin.checkpoints.reading import load_checkpoint

    pieces, trunks = 0, []
    for path in sorted(work_dir.glob('cells/*/**/initialisation.pth')):
        checkpoint = load_checkpoint(path)
        checkpoint['state_dict'] = {
            name: tensor.half() if tensor.is_floating_point() else tensor
            for name, tensor in checkpoint['state_dict'].items()
        }
        name = path.relative_to(work_dir / 'cells').parts[0]
        whole = out.parent / 'trunks' / f'{name}.pth'
        with atomic_path(whole) as temporary:
            torch.save(checkpoint, temporary)
        data = whole.read_bytes()
        whole.unlink()
        for number, start in enumerate(range(0, len(data), PIECE)):
            with atomic_path(whole.with_suffix(f'.{number:03}')) as temporary:
                temporary.write_bytes(data[start : start + PIECE])
            pieces += 1
        trunks.append(name)
    if not trunks:
        raise UserError('The grid has no trunk yet.', looked_for=work_dir / 'cells' / '*' / 'initialisation.pth')
    write_text_atomically(out, json.dumps(dict(trunks=trunks, pieces=pieces)))


def unpack(folder: Path | None) -> int:
    """Put pieces together again: ``NAME.000``, ``NAME.001`` to ``NAME.pth``."""
    pieces = sorted(path for path in (folder or Path()).glob('*.[0-9][0-9][0-9]'))
    if folder is None or not pieces:
        raise UserError('There are no pieces.', looked_for=f'{folder or "FOLDER"}/NAME.000 and so on')
    for name in dict.fromkeys(path.stem for path in pieces):
        with atomic_path(folder / f'{name}.pth') as temporary:
            temporary.write_bytes(b''.join(path.read_bytes() for path in pieces if path.stem == name))
        print(folder / f'{name}.pth')
    return 0


def packages() -> list[str]:
    """What the plugin and its tests need and the GPU's machine lacks, as ``name==version``.

    Raises:
        UserError: If a pinned package is not installed, as in an environment with upstream's OpenMMLab.
    """
    pinned = [_plain(line.split('==')[0]) for line in (ROOT / 'requirements' / 'openmmlab.txt').open() if '==' in line]
    waiting, needed = [*pinned, 'pytest'], {}
    while waiting:
        name = _plain(waiting.pop())
        if name in needed or name in THERE or name.startswith(('nvidia', 'cuda')):
            continue
        try:
            needed[name] = version(name)
        except PackageNotFoundError as error:
            if name in pinned:
                raise UserError(
                    'What is packed is what is installed, and here a part of it is not.',
                    looked_for=f'{name}, which requirements/openmmlab.txt pins',
                    remedy='pack from the environment that tools/setup.sh makes',
                ) from error
            continue  # of another system or Python
        wanted = [line for line in requires(name) or () if 'extra ==' not in line]
        waiting += [re.split(r'[ ;<>=!~\[(]', line, maxsplit=1)[0] for line in wanted]
    return [f'{name}=={found}' for name, found in sorted(needed.items())]


def _plain(name: str) -> str:
    return re.sub(r'[-_.]+', '-', name.strip()).lower()


def pack() -> int:
    """Fetch wheels for Python 3.12 of all that the GPU's machine lacks."""
    listed = packages()
    WHEELS.mkdir(parents=True, exist_ok=True)
    print(f'{len(listed)} packages into {WHEELS}')
    command = [sys.executable, '-m', 'pip', 'download', '--quiet', '--no-deps', '--dest', str(WHEELS)]
    options = ['--python-version', '3.12', '--only-binary', ':all:', '--platform', 'manylinux2014_x86_64']
    options += ['--platform', 'manylinux_2_28_x86_64', '--implementation', 'cp']
    if subprocess.run([*command, *options, *listed], check=False).returncode:
        raise UserError('Wheels could not be fetched.', looked_for=', '.join(listed), remedy='see the message above')
    size = sum(path.stat().st_size for path in WHEELS.glob('*.whl'))
    print(f'{size / 2**20:.0f} MiB; they go along with the repository')
    return 0


# Steps that are run as a process of their own, so that time can be up for them.
OWN = {
    'tests': lambda out: run_tests(Path(out)),
    'grid': lambda out, grid, work_dir: run_grid(Path(out), grid, Path(work_dir)),
    'trunks': lambda out, work_dir: pack_trunks(Path(out), Path(work_dir)),
}


@exits_on_user_error
def main() -> int:
    if len(sys.argv) > 2 and sys.argv[1] in OWN:
        return OWN[sys.argv[1]](*sys.argv[2:]) or 0
    args = parse_args()
    check_folders(args.pcam, args.voc, args.scribbles)
    config_path(args.grid)
    os.chdir(ROOT)
    return {'pack': pack, 'unpack': partial(unpack, args.folder)}.get(args.stage, partial(run_stage, args))()


if __name__ == '__main__':
    sys.exit(main())
