#!/usr/bin/env python3
r"""Apply a fine-tuned classifier, from the checkpoint alone: to slides, to a folder of tiles, or to an HDF5 file.

Slides (whatever OpenSlide reads, or plain images with --mpp) are tiled at the resolution that the classifier was
trained at. Each gets a folder OUT/NAME with tiles.csv, tiles.geojson and CLASS.geojson for QuPath, heatmap.png,
heatmap.ome.tif, contact_sheet.html and summary.json; OUT/slides.csv lists them all. An interrupted run goes on where it
was; a slide that cannot be used is named, the others are finished, and the exit status is 1. See docs/slides.md.

Tiles give OUT/predictions.csv, a row a tile with the probability of each class, and OUT/contact_sheet.png, the tiles
that the classifier is most and least certain of.

examples:
  python tools/predict.py epoch_100.pth slides/*.svs --out predictions/
  python tools/predict.py epoch_100.pth biopsy.svs --stride 24 --tissue regions.geojson --class tumour --cam
  python tools/predict.py epoch_100.pth photograph.png --mpp 0.5
  python tools/predict.py work_dirs/resnet34_1xb32-200e_crc/epoch_200.pth my_tiles/
  python tools/predict.py epoch_100.pth camelyonpatch_level_2_split_test_x.h5
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from sdp_plugin.apis.predict import load_classifier
from sdp_plugin.apis.predict_tiles import are_tiles, open_tiles, predict, write_predictions
from sdp_plugin.command_line import ToolParser, at_least, folder_to_write, positive
from sdp_plugin.errors import UserError, exits_on_user_error


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint of a fine-tuning by tools/train.py')
    parser.add_argument(
        'inputs',
        nargs='+',
        metavar='INPUT',
        help='slides; or one folder of tiles, subfolders included; or one HDF5 file with an array of RGB images',
    )
    parser.add_argument(
        '--out', type=folder_to_write, default='predictions', help='folder to write to (default: %(default)s)'
    )
    parser.add_argument('--batch-size', type=at_least(1), default=64, help='tiles at once (default: %(default)s)')
    parser.add_argument(
        '--shown', type=at_least(0), default=16, help='tiles in a block of the sheet (default: %(default)s)'
    )
    parser.add_argument('--trust', action='store_true', help='let the checkpoint run code; only for files you trust')
    tiles = parser.add_argument_group('tiles')
    tiles.add_argument('--array', default='x', help='name of the array in an HDF5 file (default: %(default)s)')
    slides = parser.add_argument_group('slides')
    slides.add_argument('--stride', type=at_least(1), help="between tiles, in a tile's pixels (default: a tile's side)")
    slides.add_argument('--mpp', type=positive, help='micrometres a pixel of the slides, where they do not say it')
    slides.add_argument('--model-mpp', type=positive, help="of the classifier's tiles, where the checkpoint lacks it")
    slides.add_argument('--tissue', type=Path, metavar='GEOJSON', help='areas to classify (default: tissue is found)')
    slides.add_argument(
        '--min-tissue', type=float, default=0.25, help="part of a tile's place that it covers (default: %(default)s)"
    )
    slides.add_argument('--class', dest='target', help='the class to map and outline (default: a tumour, or the last)')
    slides.add_argument('--threshold', type=float, default=0.5, help='its least probability (default: %(default)s)')
    slides.add_argument('--cam', action='store_true', help='show on the contact sheet where the network looks')
    slides.add_argument('--readers', type=at_least(1), default=2, help='threads that read (default: %(default)s)')
    slides.add_argument('--overwrite', action='store_true', help='replace results of other settings')
    return parser.parse_args()


def _predict_tiles(args: argparse.Namespace) -> int:
    tiles = open_tiles(args.inputs[0], args.array, args.out)
    classifier = load_classifier(args.checkpoint, trusted=args.trust)
    probabilities = predict(classifier, tiles, args.batch_size)
    for path in write_predictions(args.out, tiles, classifier.classes, probabilities, args.shown):
        print(f'written: {path}')
    return int(np.isnan(probabilities).any())


def _predict_slides(args: argparse.Namespace) -> int:
    # Without the slides' libraries tiles can still be classified.
    from sdp_plugin.slides.classes import slide_classes
    from sdp_plugin.slides.model import slide_model
    from sdp_plugin.slides.run import SlideOptions, predict_slides

    classifier = load_classifier(args.checkpoint, trusted=args.trust)
    model = slide_model(classifier, args.checkpoint, args.model_mpp, args.cam)
    options = SlideOptions(
        slide_mpp=args.mpp,
        stride=args.stride,
        tissue=args.tissue,
        least_tissue=args.min_tissue,
        batch_size=args.batch_size,
        readers=args.readers,
        shown=args.shown,
        overwrite=args.overwrite,
    )
    classes = slide_classes(classifier.classes, args.target, args.threshold)
    outcomes = predict_slides([Path(path) for path in args.inputs], model, classes, Path(args.out), options)
    return int(any(outcome.problem for outcome in outcomes))


@exits_on_user_error
def main() -> int:
    args = parse_args()
    of_tiles = [path for path in args.inputs if are_tiles(path)]
    if not of_tiles:
        return _predict_slides(args)
    if len(args.inputs) > 1:
        raise UserError(
            'Tiles are classified one folder or file at a time, and not beside slides.',
            found=', '.join(args.inputs),
            remedy='start the tool once for each',
        )
    return _predict_tiles(args)


if __name__ == '__main__':
    sys.exit(main())
