#!/usr/bin/env python3
r"""Cut the tiles of a slide on which strokes were drawn in QuPath, to train a segmentor on them.

In QuPath, draw with the polyline or the line tool, give each annotation a class, and export them as GeoJSON
(File > Export objects as GeoJSON). OUT gets the images, a list of them, and tiles.csv, with which tools/scribbles.py
brings the strokes to the tiles. docs/your_slide.md goes the whole way.

examples:
  python tools/cut_tiles.py biopsy.svs strokes.geojson data/my_slide --model-mpp 0.972
  python tools/scribbles.py convert strokes.geojson data/my_slide/Scribbles --from qupath \
      --tiles data/my_slide/tiles.csv --class-names Stroma,Tumor
"""

from __future__ import annotations

import argparse
import sys

from sdp_plugin.command_line import ToolParser, at_least, folder_to_write, positive
from sdp_plugin.errors import exits_on_user_error
from sdp_plugin.slides.reading import open_slide
from sdp_plugin.slides.training_tiles import PLACES, cut_tiles


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('slide', help='whatever OpenSlide reads, or a plain image with --mpp')
    parser.add_argument('strokes', help='GeoJSON of QuPath')
    parser.add_argument('out', type=folder_to_write, help='folder to write to; tiles of several slides may share it')
    parser.add_argument('--model-mpp', type=positive, required=True, help='micrometres a pixel of the tiles')
    parser.add_argument(
        '--size', type=at_least(1), default=512, help='width and height of a tile (default: %(default)s)'
    )
    parser.add_argument('--mpp', type=positive, help='micrometres a pixel of the slide, where it does not say it')
    return parser.parse_args()


@exits_on_user_error
def main() -> None:
    args = parse_args()
    with open_slide(args.slide, args.mpp) as slide:
        places = cut_tiles(slide, args.strokes, args.model_mpp, args.size, args.out)
    print(f'written: {len(places)} tiles of {args.size} pixels to {args.out}; their places are in {PLACES}')


if __name__ == '__main__':
    sys.exit(main())
