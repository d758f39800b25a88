#!/usr/bin/env python3
"""Apply a fine-tuned classifier to a folder of tiles or an HDF5 file, from the checkpoint alone.

Writes OUT/predictions.csv, a row a tile with the probability of each class, and OUT/contact_sheet.png, the tiles that
the classifier is most and least certain of.

examples:
  python tools/predict.py work_dirs/resnet34_1xb32-200e_crc/epoch_200.pth my_tiles/
  python tools/predict.py epoch_100.pth camelyonpatch_level_2_split_test_x.h5 --out predictions/
"""

from __future__ import annotations

import argparse
import sys

from sdp_plugin.apis.predict import load_classifier, open_tiles, predict, write_predictions
from sdp_plugin.command_line import ToolParser
from sdp_plugin.errors import exits_on_user_error


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint of a fine-tuning by tools/train.py')
    parser.add_argument('tiles', help='folder of images, subfolders included, or HDF5 file with an array of RGB images')
    parser.add_argument('--out', default='predictions', help='folder to write to (default: %(default)s)')
    parser.add_argument('--array', default='x', help='name of the array in an HDF5 file (default: %(default)s)')
    parser.add_argument('--batch-size', type=int, default=64, help='tiles at once (default: %(default)s)')
    parser.add_argument('--shown', type=int, default=16, help='tiles in each half of the sheet (default: %(default)s)')
    parser.add_argument('--trust', action='store_true', help='let the checkpoint run code while it is read')
    return parser.parse_args()


@exits_on_user_error
def main() -> None:
    args = parse_args()
    tiles = open_tiles(args.tiles, args.array)
    classifier = load_classifier(args.checkpoint, trusted=args.trust)
    probabilities = predict(classifier, tiles, args.batch_size)
    for path in write_predictions(args.out, tiles, classifier.classes, probabilities, args.shown):
        print(f'written: {path}')


if __name__ == '__main__':
    sys.exit(main())
