#!/usr/bin/env python3
"""Random batches of PCam: our reader beside torchvision.datasets.PCAM, for every layout that HDF5 has.

The same patches are written once in each layout. Both sides then read random batches of the same size as uint8 arrays,
in turn. The preparation that some layouts need is measured beside one plain read of the whole array with h5py. All
files are in the page cache, so that what is measured is the reading and not the disk.

example:
  python tools/benchmarks/pcam_reading.py --data-root data/pcam --out pcam_reading.json
  python tools/benchmarks/pcam_reading.py --patches 20000       (generated patches)
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
from measuring import alternate, machine, ratios, seconds, spread, summary, table, write_report
from torchvision.datasets import PCAM

from sdp_plugin.command_line import ToolParser, file_to_write, folder_to_write
from sdp_plugin.datasets.hdf5_reading import open_images, read_images
from sdp_plugin.errors import UserError, exits_on_user_error

SHAPE = (96, 96, 3)
FILE = 'camelyonpatch_level_2_split_test_{part}.h5'
LAYOUTS: dict[str, dict] = {
    'contiguous': dict(),
    'chunks of 1': dict(chunks=(1, *SHAPE)),
    'chunks of 32': dict(chunks=(32, *SHAPE)),
    'auto-chunks': dict(chunks=True),
    'gzip, chunks of 1': dict(chunks=(1, *SHAPE), compression='gzip'),
    'gzip, chunks of 32': dict(chunks=(32, *SHAPE), compression='gzip'),
    'gzip, auto-chunks': dict(chunks=True, compression='gzip'),
}
# The time of a side's measurement should be about the same: our batches are many, theirs few.
OUR_BATCHES, THEIR_BATCHES = 100, 4


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--data-root', type=Path, help='folder of PCam; its training patches are used')
    parser.add_argument('--patches', type=int, default=6000, metavar='N', help='patches a file (default: %(default)s)')
    parser.add_argument('--batch-size', type=int, default=32, metavar='N', help='(default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=5, metavar='N', help='measurements a side (default: %(default)s)')
    parser.add_argument('--layouts', nargs='+', choices=LAYOUTS, default=list(LAYOUTS), metavar='LAYOUT')
    parser.add_argument(
        '--folder', type=folder_to_write, help='where the files are written and removed (default: the temporary folder)'
    )
    parser.add_argument('--out', type=file_to_write, help='also write the numbers to this JSON file')
    return parser.parse_args()


def patches_to_write(data_root: Path | None, number: int) -> np.ndarray:
    """Real training patches, or generated ones that compress about as well: noise over smooth blotches."""
    if data_root is None:
        rng = np.random.default_rng(0)
        coarse = rng.integers(60, 220, (number, 12, 12, 3), dtype=np.uint8)
        return coarse.repeat(8, axis=1).repeat(8, axis=2) + rng.integers(0, 32, (number, *SHAPE), dtype=np.uint8)
    path = data_root / 'camelyonpatch_level_2_split_train_x.h5'
    there = len(open_images(path))
    if there < number:
        raise UserError('There are fewer patches than asked for.', looked_for=f'--patches {number}', found=there)
    return read_images(path, np.arange(number))


def write_as_torchvision_expects(root: Path, patches: np.ndarray, layout: dict) -> Path:
    """Write patches and labels as the test split; torchvision looks in a folder ``pcam``."""
    folder = root / 'pcam'
    folder.mkdir(parents=True)
    with h5py.File(folder / FILE.format(part='x'), 'w') as file:
        file.create_dataset('x', data=patches, **layout)
    with h5py.File(folder / FILE.format(part='y'), 'w') as file:
        file['y'] = np.zeros((len(patches), 1, 1, 1), np.uint8)
    return folder / FILE.format(part='x')


def read_plainly(path: Path) -> np.ndarray:
    """One read of everything by h5py."""
    with h5py.File(path) as file:
        return file['x'][:]


def prepare(path: Path) -> None:
    """Our preparation from opening on."""
    open_images(path).prepare()


def torchvision_batch(dataset: PCAM, indices: np.ndarray) -> np.ndarray:
    """A batch as a DataLoader makes it, up to the stacking."""
    return np.stack([np.asarray(dataset[int(index)][0]) for index in indices])


def images_a_second(read: Callable[[np.ndarray], np.ndarray], num: int, batches: int, size: int) -> float:
    """Speed over batches at random positions."""
    batches_of_indices = np.random.default_rng().integers(0, num, (batches, size))
    return batches * size / seconds(lambda: [read(indices) for indices in batches_of_indices])


def measure(root: Path, patches: np.ndarray, layout: str, batch_size: int, rounds: int) -> dict:
    """Measure one layout."""
    path = write_as_torchvision_expects(root, patches, LAYOUTS[layout])
    times = alternate(
        {'plain': lambda: seconds(lambda: read_plainly(path)), 'ours': lambda: seconds(lambda: prepare(path))}, rounds
    )
    theirs, ours = PCAM(str(root), split='test'), open_images(path)
    ours.prepare()
    check = np.arange(0, len(patches), max(1, len(patches) // 50))
    if not np.array_equal(ours.read(check), torchvision_batch(theirs, check)):
        raise AssertionError('both sides must read the same')
    sides = {
        'torchvision': lambda: images_a_second(
            lambda indices: torchvision_batch(theirs, indices), len(patches), THEIR_BATCHES, batch_size
        ),
        'ours': lambda: images_a_second(ours.read, len(patches), OUR_BATCHES, batch_size),
    }
    speeds = alternate(sides, rounds)
    return dict(
        layout=layout,
        how=ours.describe().replace(str(path), path.name),
        plain_read_seconds=summary(times['plain']),
        preparation_seconds=summary(times['ours']),
        preparation_to_plain_read=ratios(times['ours'], times['plain']),
        torchvision_images_a_second=summary(speeds['torchvision']),
        our_images_a_second=summary(speeds['ours']),
        ratio=ratios(speeds['ours'], speeds['torchvision']),
    )


@exits_on_user_error
def main() -> None:
    args = parse_args()
    patches = patches_to_write(args.data_root, args.patches)
    report = dict(
        machine=machine(),
        patches=len(patches),
        real=args.data_root is not None,
        batch_size=args.batch_size,
        layouts=[],
    )
    for layout in args.layouts:
        with tempfile.TemporaryDirectory(dir=args.folder) as folder:
            report['layouts'].append(measure(Path(folder), patches, layout, args.batch_size, args.rounds))
        print(f'measured: {layout}', file=sys.stderr)
    print(f'{report["machine"]["processor"]}, {report["machine"]["cores"]} cores; {len(patches):,} patches, '
          f'batches of {args.batch_size}; medians (least-greatest) of {args.rounds}')  # fmt: skip
    header = ('layout', 'torchvision, images/s', 'ours, images/s', 'ratio', 'preparation, s', 'plain read, s')
    rows = [
        (
            row['layout'],
            spread(row['torchvision_images_a_second']),
            spread(row['our_images_a_second']),
            spread(row['ratio']),
            spread(row['preparation_seconds'], 2),
            spread(row['plain_read_seconds'], 2),
        )
        for row in report['layouts']
    ]
    print(table(header, rows))
    write_report(args.out, report)


if __name__ == '__main__':
    sys.exit(main())
