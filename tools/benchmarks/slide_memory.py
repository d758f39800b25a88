#!/usr/bin/env python3
"""Peak memory of a whole run on a slide of any size: generated, classified, written, in this process.

The slide is a tiled TIFF of one level, the worst case: its overview has to be made from all of its pixels. The
network is one that reads a colour, so that what is measured is all but the network. The process ends in an error where
its peak is above --limit.

example:
  python tools/benchmarks/slide_memory.py --width 100000 --height 80000 --limit 2000
"""

from __future__ import annotations

import argparse
import re
import resource
import sys
import tempfile
import time
import zlib
from itertools import repeat
from pathlib import Path

import numpy as np
import tifffile
from measuring import machine, write_report

from sdp_plugin.command_line import ToolParser, file_to_write, folder_to_write
from sdp_plugin.errors import UserError, exits_on_user_error
from sdp_plugin.slides.classes import slide_classes
from sdp_plugin.slides.model import SlideModel
from sdp_plugin.slides.run import SlideOptions, predict_slides

TILE = 512
CLASSES = ('normal', 'tumour')


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('--width', type=int, default=100_000, help='of the slide (default: %(default)s)')
    parser.add_argument('--height', type=int, default=80_000, help='of the slide (default: %(default)s)')
    parser.add_argument('--mpp', type=float, default=0.25, help='of the slide (default: %(default)s)')
    parser.add_argument('--stride', type=int, help="between tiles, in a tile's pixels (default: a tile's side)")
    parser.add_argument('--limit', type=float, default=2000, help='MB that are allowed (default: %(default)s)')
    parser.add_argument(
        '--folder', type=folder_to_write, help='where the files are written and removed (default: the temporary folder)'
    )
    parser.add_argument('--out', type=file_to_write, help='also write the numbers to this JSON file')
    return parser.parse_args()


def write_slide(path: Path, width: int, height: int, mpp: float) -> None:
    """Pink tiles with structure, all of them the same, encoded once."""
    y, x = np.mgrid[:TILE, :TILE]
    waves = (np.sin(x * np.pi / 16)[..., None] + np.sin(y * np.pi / 8)[..., None]) * (12, 25, 10)
    encoded = zlib.compress((np.array((205, 120, 180)) + waves).astype(np.uint8).tobytes())
    tifffile.imwrite(
        path,
        repeat(encoded, -(-width // TILE) * -(-height // TILE)),
        shape=(height, width, 3),
        dtype=np.uint8,
        tile=(TILE, TILE),
        photometric='rgb',
        compression='zlib',
        bigtiff=True,
        resolution=(1e4 / mpp, 1e4 / mpp),
        resolutionunit='CENTIMETER',
        metadata=None,
    )


def read_colour(tiles: np.ndarray) -> np.ndarray:
    """The mean of red and of green as logits."""
    return tiles.mean(axis=(1, 2), dtype=np.float32)[:, :2] / 50


def peak_megabytes() -> float:
    """The most memory that this program has held."""
    # Linux counts into `ru_maxrss` what the process held that started this one, which may be a large one.
    status = Path('/proc/self/status')
    if status.is_file():
        return int(re.search(r'VmHWM:\s*(\d+) kB', status.read_text())[1]) * 1024 / 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1000


@exits_on_user_error
def main() -> None:
    args = parse_args()
    with tempfile.TemporaryDirectory(dir=args.folder) as folder:
        path = Path(folder) / 'slide.tif'
        write_slide(path, args.width, args.height, args.mpp)
        before = peak_megabytes()
        begin = time.monotonic()
        model = SlideModel(read_colour, (96, 96), 0.972, 'colour')
        [outcome] = predict_slides(
            [path], model, slide_classes(CLASSES), Path(folder) / 'out', SlideOptions(stride=args.stride)
        )
        seconds, peak = time.monotonic() - begin, peak_megabytes()
    tiles = outcome.summary['tiles']
    print(f'{args.width} x {args.height} pixels, {tiles} tiles, {seconds:.0f} s: peak {peak:.0f} MB '
          f'({before:.0f} MB of them before the first pixel)')  # fmt: skip
    report = dict(machine=machine(), width=args.width, height=args.height, tiles=tiles,
                  seconds=seconds, peak_megabytes=peak, megabytes_before=before)  # fmt: skip
    write_report(args.out, report)
    if peak > args.limit:
        raise UserError('More memory than allowed.', looked_for=f'{args.limit:.0f} MB', found=f'{peak:.0f} MB')


if __name__ == '__main__':
    sys.exit(main())
