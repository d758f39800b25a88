#!/usr/bin/env python3
r"""Write a fine-tuned classifier for other programs: TorchScript for WSInfer and QuPath, and ONNX.

OUT gets torchscript_model.pt and config.json, as WSInfer's zoo has them, and model.onnx. Both networks take float32 RGB
tiles of shape (N, 3, H, W), any N, and give raw logits. Each is compared with PyTorch on random tiles, and on real ones
where --tiles names some; nothing is written unless all logits agree to 1e-5.

Tiles are normalised outside of the network, as config.json says; with --normalisation inside the networks take values
from 0 to 1 and normalise them, and config.json says no more than that.

examples:
  python tools/export.py work_dirs/resnet18_1xb32-100e_pcam/epoch_100.pth exported/ --tiles my_tiles/
  wsinfer run --wsi-dir slides/ --results-dir results/ --model-path exported/torchscript_model.pt \
      --config exported/config.json
"""

from __future__ import annotations

import argparse
import sys

from sdp_plugin.apis.export import CONFIG_FILE, export
from sdp_plugin.apis.predict import load_classifier
from sdp_plugin.apis.predict_tiles import first_tiles, open_tiles
from sdp_plugin.command_line import ToolParser, folder_to_write, positive
from sdp_plugin.errors import exits_on_user_error


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('checkpoint', help='checkpoint of a fine-tuning by tools/train.py')
    parser.add_argument('out', type=folder_to_write, help='folder to write to')
    parser.add_argument('--tiles', help='folder or HDF5 file of real tiles to compare on; 32 of them are taken')
    parser.add_argument('--array', default='x', help='name of the array in an HDF5 file (default: %(default)s)')
    parser.add_argument('--normalisation', choices=('outside', 'inside'), default='outside', help='of the networks')
    parser.add_argument(
        '--model-mpp', type=positive, help='micrometres a pixel of a tile, where the checkpoint lacks it'
    )
    parser.add_argument('--trust', action='store_true', help='let the checkpoint run code; only for files you trust')
    return parser.parse_args()


@exits_on_user_error
def main() -> None:
    args = parse_args()
    classifier = load_classifier(args.checkpoint, trusted=args.trust)
    tiles = first_tiles(open_tiles(args.tiles, args.array), classifier, 32) if args.tiles else []
    for exported in export(classifier, args.out, tiles, args.normalisation == 'inside', args.model_mpp):
        print(f'written: {exported.path}, within {exported.difference:.1e} of PyTorch on {exported.tiles} tiles')
    print(f'written: {args.out}/{CONFIG_FILE}; tiles are normalised {args.normalisation} of the networks')


if __name__ == '__main__':
    sys.exit(main())
