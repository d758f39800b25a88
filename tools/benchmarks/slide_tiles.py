#!/usr/bin/env python3
"""Tiles of a slide a second: our pipeline beside a plain OpenSlide loop, with the same ResNet-18 and tiles.

The loop reads a tile, resizes it with Pillow, and classifies each batch before it reads the next: what scripts do. Ours
reads and resamples in two threads while the network works. Both are also measured without the network, and the network
without reading: whether reading keeps ahead of it.

example:
  python tools/benchmarks/slide_tiles.py CMU-1-Small-Region.svs --stride 24
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openslide
from measuring import alternate, machine, ratios, seconds, spread, summary, table, write_report
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS
from PIL import Image

from sdp_plugin.apis.predict import Classifier
from sdp_plugin.command_line import ToolParser, file_to_write
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.slides.inference import LogitsFile, classify, read_batches
from sdp_plugin.slides.reading import open_slide
from sdp_plugin.slides.tiling import TileGrid, make_grid

INPUT, MODEL_MPP = 96, 0.972


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('slide', help='whatever OpenSlide reads')
    parser.add_argument('--stride', type=int, help="between tiles, in a tile's pixels (default: a tile's side)")
    parser.add_argument('--tiles', type=int, default=400, help='at most (default: %(default)s)')
    parser.add_argument('--batch-size', type=int, default=64, help='(default: %(default)s)')
    parser.add_argument('--readers', type=int, default=2, help='our threads (default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=5, help='measurements a side (default: %(default)s)')
    parser.add_argument('--out', type=file_to_write, help='also write the numbers to this JSON file')
    return parser.parse_args()


def resnet18() -> Classifier:
    """With random weights, which take as long as others."""
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(
            dict(
                type='ImageClassifier',
                backbone=dict(type='ResNet', depth=18),
                neck=dict(type='GlobalAveragePooling'),
                head=dict(type='LinearClsHead', num_classes=2, in_channels=512),
                data_preprocessor=dict(num_classes=2, mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375]),
            )
        )
    model.eval()
    return Classifier(model, ('normal', 'tumour'), (INPUT, INPUT), MODEL_MPP)


def plain_batches(handle: openslide.OpenSlide, grid: TileGrid, indices: np.ndarray, size: int) -> Iterator[np.ndarray]:
    """The loop."""
    for start in range(0, len(indices), size):
        batch = []
        for index in indices[start : start + size]:
            tile = grid.tile(index)
            region = handle.read_region((tile.x, tile.y), 0, (tile.width, tile.height)).convert('RGB')
            batch.append(np.asarray(region.resize((INPUT, INPUT), Image.Resampling.BILINEAR)))
        yield np.stack(batch)


def through(batches: Iterator[np.ndarray], network: Classifier | None) -> None:
    """Take all batches, and classify them if there is a network."""
    for tiles in batches:
        if network is not None:
            network.logits(tiles[..., ::-1])


@exits_on_user_error
def main() -> None:
    args = parse_args()
    network = resnet18()
    with open_slide(args.slide) as slide, tempfile.TemporaryDirectory() as folder:
        grid = make_grid(slide, (INPUT, INPUT), MODEL_MPP, args.stride)
        middle = grid.columns * grid.rows // 2
        first = max(0, middle - args.tiles // 2)
        indices = np.arange(first, min(first + args.tiles, grid.columns * grid.rows))
        some = np.zeros((args.batch_size, INPUT, INPUT, 3), np.uint8)

        def ours(with_network: bool) -> None:
            if not with_network:
                through(read_batches(slide, grid, indices, (INPUT, INPUT), args.batch_size, args.readers), None)
                return
            file = LogitsFile(Path(folder) / 'logits', len(indices), 2, args.batch_size)
            file.path.unlink(missing_ok=True)
            classify(slide, grid, indices, lambda t: network.logits(t[..., ::-1]), (INPUT, INPUT), file, args.readers)

        def plain(with_network: bool) -> None:
            # Opened anew: OpenSlide keeps decoded parts.
            with openslide.OpenSlide(args.slide) as handle:
                through(plain_batches(handle, grid, indices, args.batch_size), network if with_network else None)

        sides = {
            'plain loop': lambda: len(indices) / seconds(lambda: plain(True)),
            'ours': lambda: len(indices) / seconds(lambda: ours(True)),
            'plain loop, reading alone': lambda: len(indices) / seconds(lambda: plain(False)),
            'ours, reading alone': lambda: len(indices) / seconds(lambda: ours(False)),
            'network alone': lambda: args.batch_size / seconds(lambda: network.logits(some)),
        }
        speeds = alternate(sides, args.rounds)
    print(table(('side', 'tiles/s'), [(name, spread(summary(values))) for name, values in speeds.items()]))
    ratio = ratios(speeds['ours'], speeds['plain loop'])
    print(f'ours to the plain loop: {spread(ratio, 2)}; medians (least-greatest) of {args.rounds} rounds')
    report = dict(
        machine=machine(),
        slide=Path(args.slide).name,
        tiles=len(indices),
        readers=args.readers,
        tiles_a_second={name: summary(values) for name, values in speeds.items()},
        ratio=ratio,
    )
    write_report(args.out, report)


if __name__ == '__main__':
    sys.exit(main())
