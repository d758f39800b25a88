#!/usr/bin/env python3
"""Does loading scribbles cost less than decoding the JPEG of the same image?

Times, for each image that has scribbles: decoding the JPEG (as LoadImageFromFile does), reading the ScribbleSup XML,
and drawing it in each mode. Medians over the images of the least of several repetitions; one thread.

example:
  python tools/benchmarks/load_scribbles.py data/pascal_2012 data/VOC2012/JPEGImages
"""

from __future__ import annotations

import sys
import timeit
from collections.abc import Callable
from pathlib import Path
from statistics import median

import cv2
import numpy as np

from sdp_plugin.command_line import ToolParser
from sdp_plugin.errors import UserError, exits_on_user_error
from sdp_plugin.scribbles.batch import find_files
from sdp_plugin.scribbles.formats.scribblesup import read_scribblesup
from sdp_plugin.scribbles.rasterise import DRAWING_MODES, rasterise


def _milliseconds(work: Callable[[], object], repeat: int) -> float:
    return 1e3 * min(timeit.repeat(work, number=1, repeat=repeat))


def _decode(path: Path) -> np.ndarray:
    return cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)


def _measure(xml: Path, jpeg: Path, repeat: int) -> dict[str, float]:
    scribbles = read_scribblesup(xml)
    times = {'decode JPEG': _milliseconds(lambda: _decode(jpeg), repeat)}
    times['read XML'] = _milliseconds(lambda: read_scribblesup(xml), repeat)
    for mode in DRAWING_MODES:
        drawing = _milliseconds(lambda mode=mode: rasterise(scribbles, 3, mode), repeat)
        times[f'read and draw ({mode})'] = times['read XML'] + drawing
    return times


@exits_on_user_error
def main() -> int:
    parser = ToolParser(__doc__)
    parser.add_argument('scribbles', type=Path, help='folder of ScribbleSup XML')
    parser.add_argument('images', type=Path, help='folder of JPEGs with the same names')
    parser.add_argument('--repeat', type=int, default=30)
    parser.add_argument('--limit', type=int, default=200, help='images (default: 200)')
    args = parser.parse_args()
    cv2.setNumThreads(1)
    pairs = [(xml, args.images / f'{xml.stem}.jpg') for xml in find_files(args.scribbles, '.xml')]
    pairs = [(xml, jpeg) for xml, jpeg in pairs if jpeg.is_file()][: args.limit]
    if not pairs:
        raise UserError(f'{args.images} holds no JPEG with the name of a scribble file', looked_for=args.scribbles)
    times = [_measure(xml, jpeg, args.repeat) for xml, jpeg in pairs]
    medians = {name: median(time[name] for time in times) for name in times[0]}
    print(f'medians over {len(pairs)} images, ms')
    for name, time in medians.items():
        print(f'  {name:<26}{time:7.3f}')
    slower = [name for name, time in medians.items() if time >= medians['decode JPEG'] and name != 'decode JPEG']
    print(f'slower than the JPEG: {", ".join(slower) or "nothing"}')
    return int(bool(slower))


if __name__ == '__main__':
    sys.exit(main())
