#!/usr/bin/env python3
"""Count the training crops that show no label, and so teach nothing, for three ways to crop.

Each image is scaled by 0.5 to 1.5 as in training and cropped: anywhere, with MMSegmentation's
RandomCrop(cat_max_ratio=0.75), and with RandomLabelledCrop as our configs do. Images need not be there: only labels
are cropped.

example:
  python tools/benchmarks/label_free_crops.py data/VOCdevkit/VOC2012 data/scribblesup/pascal_2012 --out crops.json
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.datasets.transforms import RandomCrop

from sdp_plugin.bars import over
from sdp_plugin.command_line import ToolParser, file_to_write
from sdp_plugin.datasets.transforms.geometry import RandomLabelledCrop, RandomRescale
from sdp_plugin.errors import UserError, exits_on_user_error
from sdp_plugin.files import write_text_atomically
from sdp_plugin.scribbles.formats.index_png import read_index_png
from sdp_plugin.scribbles.formats.scribblesup import VOC_TAGS, read_scribblesup
from sdp_plugin.scribbles.rasterise import rasterise

IGNORE = 255
CROPS: dict[str, Callable[[int], BaseTransform]] = {
    'anywhere': lambda size: RandomLabelledCrop(size, min_labelled=0),
    'RandomCrop(cat_max_ratio=0.75)': lambda size: RandomCrop((size, size), cat_max_ratio=0.75),
    'RandomLabelledCrop': lambda size: RandomLabelledCrop(size),
}


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('voc', type=Path, help='VOC2012, with SegmentationClassAug')
    parser.add_argument('scribbles', type=Path, help='folder of ScribbleSup XMLs; each needs a mask of the same name')
    parser.add_argument('--crop-size', type=int, default=321, metavar='PIXELS', help='(default: %(default)s)')
    parser.add_argument('--crops', type=int, default=20, metavar='N', help='crops an image (default: %(default)s)')
    parser.add_argument('--seed', type=int, default=0, help='(default: %(default)s)')
    parser.add_argument('--out', type=file_to_write, help='also write the numbers to this JSON file')
    return parser.parse_args()


def read_labels(masks: Path, scribbles: Path) -> dict[str, list[np.ndarray]]:
    """The label maps of all images that have scribbles, by kind of label.

    Raises:
        UserError: If there are no scribbles, or a mask is missing.
    """
    files = sorted(scribbles.glob('*.xml'))
    if not files:
        raise UserError('There are no scribbles.', looked_for=f'{scribbles}/*.xml')
    return {
        'scribbles': [rasterise(read_scribblesup(path, VOC_TAGS)) for path in files],
        'full masks': [read_index_png(masks / f'{path.stem}.png') for path in files],
    }


def share_without_label(labels: list[np.ndarray], crop: BaseTransform, crops: int) -> tuple[float, float]:
    """The share of crops in which no pixel is labelled, and the median share of labelled pixels in the others."""
    shares = [float((window != IGNORE).mean()) for window in windows(labels, crop, crops)]
    labelled = [share for share in shares if share > 0]
    return 1 - len(labelled) / len(shares), float(np.median(labelled))


def windows(labels: list[np.ndarray], crop: BaseTransform, crops: int) -> Iterator[np.ndarray]:
    """Rescale and crop each label map so many times, as in training."""
    rescale = RandomRescale()
    for label in labels:
        for _ in range(crops):
            blank = np.zeros((*label.shape, 3), np.uint8)
            record = dict(img=blank, img_shape=label.shape, gt_seg_map=label, seg_fields=['gt_seg_map'])
            yield crop(rescale(record))['gt_seg_map']


@exits_on_user_error
def main() -> None:
    args = parse_args()
    labels = read_labels(args.voc / 'SegmentationClassAug', args.scribbles)
    rows = []
    cases = [(kind, name) for kind in labels for name in CROPS]
    for kind, name in over(cases, 'cropping'):
        np.random.seed(args.seed)
        started = time.perf_counter()
        empty, median = share_without_label(labels[kind], CROPS[name](args.crop_size), args.crops)
        spent = (time.perf_counter() - started) / len(labels[kind]) / args.crops
        rows.append(dict(labels=kind, crop=name, without_label=empty, median_labelled=median, seconds_a_crop=spent))
    number = len(labels['scribbles'])
    print(f'{number} images, {args.crops} crops each of {args.crop_size} x {args.crop_size} pixels')
    print(f'{"labels":12}{"crop":32}{"without a label":>16}{"labelled, median":>18}{"ms a crop":>11}')
    for row in rows:
        print(
            f'{row["labels"]:12}{row["crop"]:32}{row["without_label"]:16.2%}{row["median_labelled"]:18.2%}'
            f'{row["seconds_a_crop"] * 1000:11.2f}'
        )
    if args.out:
        report = dict(images=number, crops=args.crops, crop_size=args.crop_size, seed=args.seed, rows=rows)
        write_text_atomically(args.out, json.dumps(report, indent=2) + '\n')


if __name__ == '__main__':
    sys.exit(main())
