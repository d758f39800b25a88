#!/usr/bin/env python3
r"""The benchmarks of speed one after the other, and one table of what they measured beside their peers.

Every benchmark writes its numbers as JSON into --out. With --only, those of the others are taken from there; --only
without a name makes the table anew. The table names the machine and the commands; --readme puts it into a Markdown
file, between the two comments "benchmarks: begin" and "benchmarks: end". Let nothing else run meanwhile: it takes some
twenty minutes on two cores.

example:
  python tools/benchmarks/run_all.py --pcam data/pcam --voc data/VOCdevkit/VOC2012 --scribbles scribbles \
      --out work_dirs/benchmarks --readme docs/benchmarks.md
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from measuring import spread, table

from sdp_plugin.command_line import ToolParser, check_folders, folder_to_write
from sdp_plugin.errors import UserError, exits_on_user_error
from sdp_plugin.files import write_text_atomically
from sdp_plugin.records import read_json_file, read_text

BEGIN, END = '<!-- benchmarks: begin -->', '<!-- benchmarks: end -->'
Row = tuple[str, str, str, str]


@dataclass(frozen=True)
class Benchmark:
    """A script of this folder.

    Args:
        data (str): Its arguments for the data, with the names of ours in braces.
        in_full (str): Its arguments for a measurement.
        quick (str): Its arguments to see whether it runs.
        rows (Callable): What it measured, as rows of the table: what, ours, the peer's, and how many times that is.
    """

    data: str
    in_full: str
    quick: str
    rows: Callable[[Mapping], Iterator[Row]]


def _rows_of_finetuning(report: Mapping) -> Iterator[Row]:
    size, batch = report['settings']['resolution'], report['settings']['batch_size']
    stock = report['sides']['stock MMPretrain']
    for name, side in report['sides'].items():
        if side is stock:
            continue
        yield (
            f'fine-tuning ResNet-34, {size} px, batches of {batch}, images/s: {name}',
            _of_peak(side),
            _of_peak(stock),
            spread(side['of_stock'], 2),
        )


def _of_peak(side: Mapping) -> str:
    return f'{spread(side["images_a_second"], 1)}, {side["share_of_peak"]:.0%} of the peak'


def _rows_of_next_cell(report: Mapping) -> Iterator[Row]:
    for name, start in report['starts'].items():
        yield (
            f"fine-tuning, files as large as PCam's, seconds to the first iteration: {name}",
            spread(start['wall'], 2),
            '',
            '',
        )


def _rows_of_augmentation(report: Mapping) -> Iterator[Row]:
    stock, ours = report['sides']['stock'], report['sides']['ours, OpenCV']
    yield (
        'augmentation alone, 96 px, images/s of one core: the same pixels',
        spread(ours['images_a_second']),
        spread(stock['images_a_second']),
        spread(ours['of_stock'], 2),
    )


def _rows_of_pcam(report: Mapping) -> Iterator[Row]:
    for row in report['layouts']:
        yield (
            f'random batches of PCam, images/s: {row["layout"]}; prepared within '
            f'{row["preparation_to_plain_read"]["median"]:.2f} times one plain read',
            spread(row['our_images_a_second']),
            spread(row['torchvision_images_a_second']),
            spread(row['ratio']),
        )


def _rows_of_steps(report: Mapping) -> Iterator[Row]:
    crop, batch = report['settings']['crop_size'], report['settings']['batch_size']
    stock = report['sides']['stock MMSegmentation']
    for name, side in report['sides'].items():
        if side is not stock:
            yield (
                f'pre-training DeepLabV2-ResNet-34, {crop} px, batches of {batch}, images/s: {name}',
                spread(side['images_a_second'], 2),
                spread(stock['images_a_second'], 2),
                spread(side['of_stock'], 2),
            )


def _rows_of_pretraining(report: Mapping) -> Iterator[Row]:
    stages = {'loading': '', 'loading_and_preprocessor': ', the data preprocessor on the CPU included'}
    for row in report['labels']:
        for stage, more in stages.items():
            yield (
                f'input of pre-training, 321 px, images/s of one core: {row["labels"]}{more}',
                spread(row[stage]['our_images_a_second']),
                spread(row[stage]['stock_images_a_second']),
                spread(row[stage]['ratio'], 2),
            )


BENCHMARKS = {
    'finetuning': Benchmark(
        '--data-root {pcam}',
        '--compile --rounds 15',
        '--rounds 1 --iterations 2 --batch-size 4 --resolution 32',
        _rows_of_finetuning,
    ),
    'next_cell': Benchmark('', '', '--cells 1', _rows_of_next_cell),
    'augmentation': Benchmark('--data-root {pcam}', '', '--rounds 1 --images 8 --batch-size 4', _rows_of_augmentation),
    'pcam_reading': Benchmark(
        '--data-root {pcam}', '', '--rounds 1 --patches 16 --layouts contiguous auto-chunks', _rows_of_pcam
    ),
    'pretraining': Benchmark(
        '{voc} --scribbles {scribbles}',
        '--iterations 4 --warm-up 1',
        '--rounds 1 --iterations 1 --warm-up 1 --images 4 --batch-size 2 --crop-size 33 --num-workers 0',
        _rows_of_steps,
    ),
    'pretraining_input': Benchmark(
        '{voc} --scribbles {scribbles}', '', '--rounds 1 --batches 1 --images 4', _rows_of_pretraining
    ),
}


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--pcam', type=Path, required=True, help='folder of PCam')
    parser.add_argument('--voc', type=Path, required=True, help='VOC2012, with SegmentationClassAug')
    parser.add_argument('--scribbles', type=Path, required=True, help='folder of ScribbleSup XMLs')
    parser.add_argument(
        '--out', type=folder_to_write, required=True, metavar='FOLDER', help='for the JSON files and the table'
    )
    parser.add_argument('--only', nargs='*', choices=BENCHMARKS, default=list(BENCHMARKS), metavar='NAME')
    parser.add_argument('--quick', action='store_true', help='see whether all run: too short to conclude from')
    parser.add_argument('--readme', type=Path, help='also put the table into this file')
    return parser.parse_args()


def run(name: str, args: argparse.Namespace) -> None:
    """Run one benchmark, whose output goes where ours goes."""
    benchmark = BENCHMARKS[name]
    data = [argument.format(**vars(args)) for argument in benchmark.data.split()]
    script = Path(__file__).with_name(f'{name}.py')
    how = (benchmark.quick if args.quick else benchmark.in_full).split()
    command = [sys.executable, str(script), *data, *how, '--out', str(args.out / f'{name}.json')]
    print(f'\n{name}', flush=True)
    if subprocess.run(command, check=False).returncode:
        raise UserError('A benchmark failed.', looked_for=name, found=' '.join(command), remedy='see its message above')


def report_of(name: str, folder: Path) -> dict:
    """The numbers that a benchmark wrote.

    Raises:
        UserError: There are none.
    """
    path = folder / f'{name}.json'
    if not path.is_file():
        raise UserError('A benchmark has not run.', looked_for=path, remedy=f'add {name} to --only')
    return read_json_file(path)


def text_of(reports: Mapping[str, Mapping]) -> str:
    """The table and what has to be known about it, as Markdown."""
    finetuning = reports['finetuning']
    machine = machine_of(reports)
    device = 'no GPU' if finetuning['device'].startswith('CPU') else finetuning['device']
    versions = ', '.join(f'{name} {version}' for name, version in machine['versions'].items())
    peaks = ', '.join(f'{kind} {speed:,.0f}' for kind, speed in finetuning['peak']['float32'].items())
    memory = ', '.join(f'{name} {amount:.1f} GB' for name, amount in finetuning['memory'].items())
    rows = [(*row, f'`{name}.py`') for name, report in reports.items() for row in BENCHMARKS[name].rows(report)]
    hours = [f'{name} {side["hours_of_table_1"]:,.0f} h' for name, side in finetuning['sides'].items()]
    lines = [
        f'Measured on {machine["date"]}: {machine["processor"]}, {machine["cores"]} cores, {device}; '
        f'{machine["system"]}, Python {machine["python"]}, {versions}. Load before: {machine["load_before"]:.1f}.',
        f'Arithmetic peak in float32, 10⁹ operations a second: {peaks}. Most memory while fine-tuning: {memory}.',
        'Projected time of the 240 fine-tunings of Table 1, evaluation included, if a pixel of CRC takes the time '
        f'of one of PCam: {", ".join(hours)}.',
        '',
        table(('medians (least-greatest)', 'ours', "the peer's", 'times', 'in tools/benchmarks'), rows),
        '',
        '    python tools/benchmarks/run_all.py --pcam data/pcam --voc data/VOCdevkit/VOC2012 --scribbles scribbles \\',
        '        --out work_dirs/benchmarks --readme docs/benchmarks.md',
    ]
    return '\n'.join(lines)


def machine_of(reports: Mapping[str, Mapping]) -> dict:
    """The machine that all reports are of, with all versions, the days, and the load before the first benchmark.

    Raises:
        UserError: They are of different machines or versions.
    """
    machines = [report['machine'] for report in reports.values()]
    for name in ('processor', 'cores', 'system', 'python'):
        found = sorted({str(machine[name]) for machine in machines})
        if len(found) > 1:
            raise UserError('The reports are of different machines.', looked_for=f'one {name}', found=', '.join(found))
    days = sorted({machine['date'] for machine in machines})
    return machines[0] | dict(date=' to '.join(dict.fromkeys([days[0], days[-1]])))


def around_the_table(path: Path) -> tuple[str, str]:
    """What stands before and after the table in a file, the two comments included.

    Raises:
        UserError: The file or the comments are not there.
    """
    text = read_text(path) if path.is_file() else ''
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise UserError('There is no place for the table.', looked_for=f'{BEGIN} and {END} in {path}')
    return before + begin, end + after


def check(args: argparse.Namespace) -> None:
    """Find mistakes before anything is measured.

    Raises:
        UserError: A folder, a report or the place for the table is not there.
    """
    check_folders(args.pcam, args.voc, args.scribbles)
    for name in set(BENCHMARKS) - set(args.only):
        report_of(name, args.out)
    if args.readme:
        around_the_table(args.readme)


@exits_on_user_error
def main() -> None:
    args = parse_args()
    check(args)
    args.out.mkdir(parents=True, exist_ok=True)
    for name in args.only:
        run(name, args)
    text = text_of({name: report_of(name, args.out) for name in BENCHMARKS})
    write_text_atomically(args.out / 'table.md', text + '\n')
    print(f'\n{text}\n\nTable: {args.out / "table.md"}')
    if args.readme:
        before, after = around_the_table(args.readme)
        write_text_atomically(args.readme, f'{before}\n{text}\n{after}')


if __name__ == '__main__':
    sys.exit(main())
