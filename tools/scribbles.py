#!/usr/bin/env python3
r"""Bring scribbles from the tool they were drawn with, make them from masks, and see what they label.

An interrupted run goes on where it was: annotations that exist are left alone. Files that cannot be used are listed
at the end with the reason, the rest is finished, and the exit status is 1. A single one is an error.

examples:
  python tools/scribbles.py convert annotations.xml data/scribbles --from cvat --class-names stroma,tumour
  python tools/scribbles.py convert exports/ data/scribbles --from qupath --images data/tiles \
      --class-names Stroma,Tumor --offset 12000 8000 --scale 0.25
  python tools/scribbles.py convert labels/ data/scribbles --from index_png --file-ignore-index 0 --to index_png
  python tools/scribbles.py synthesize data/VOC2012/SegmentationClassAug data/scribbles --seed 0
  python tools/scribbles.py stats data/pascal_2012 --masks data/VOC2012/SegmentationClassAug
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from functools import partial
from pathlib import Path

from PIL import Image

from sdp_plugin.command_line import ToolParser, at_least, file_to_write, folder_to_write, positive
from sdp_plugin.errors import UserError, exits_on_user_error
from sdp_plugin.files import read_regular_file, write_json_atomically
from sdp_plugin.hardware import cores
from sdp_plugin.scribbles.batch import Outcome, convert_file, find_files, synthesise_file, work_through
from sdp_plugin.scribbles.coverage import file_statistics, summarise, table
from sdp_plugin.scribbles.formats import FORMATS, FormatOptions
from sdp_plugin.scribbles.formats.scribblesup import CONTEXT_TAGS, VOC_TAGS
from sdp_plugin.scribbles.rasterise import DRAWING_MODES
from sdp_plugin.scribbles.tile_places import read_tile_places

_PRESETS = {'voc': VOC_TAGS, 'context': CONTEXT_TAGS}
_BYTE = at_least(0, 255)
_IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.tif', '.tiff', '.bmp')


def _class_names(text: str) -> tuple[str, ...]:
    if text in _PRESETS:
        return _PRESETS[text]
    if Path(text).is_file():
        try:
            lines = read_regular_file(text, 2**20).decode('utf-8-sig').splitlines()
        except ValueError as error:
            raise argparse.ArgumentTypeError(f'{text} is no list of names: {error}') from None
    else:
        lines = text.split(',')
    names = [name.strip() for name in lines if name.strip()]
    if twice := sorted(name for name, count in Counter(names).items() if count > 1):
        raise argparse.ArgumentTypeError(f'names that occur more than once: {", ".join(twice)}')
    if not names:
        raise argparse.ArgumentTypeError('no names')
    return tuple(names)


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    commands = parser.add_subparsers(dest='command', required=True, metavar='{convert,synthesize,stats}')

    common = argparse.ArgumentParser(add_help=False)
    common.add_argument(
        '--class-names',
        type=_class_names,
        default=VOC_TAGS,
        metavar='NAMES',
        help='in the order of class indices: a,b,c, a file with a name a line, voc (default) or context',
    )
    common.add_argument('--workers', type=at_least(1), default=cores(), help='processes (default: one a core)')
    reading = argparse.ArgumentParser(add_help=False)
    formats = '; '.join(f'{name}: {entry.describes}' for name, entry in FORMATS.items())
    reading.add_argument('--from', dest='source', choices=FORMATS, default='scribblesup', help=formats)
    reading.add_argument('--unknown-tag', choices=('error', 'skip'), default='error', help='strokes of other classes')
    reading.add_argument('--file-ignore-index', type=_BYTE, default=255, help='of index PNGs that are read; napari: 0')
    reading.add_argument('--images', type=Path, metavar='FOLDER', help='for formats that do not say the image size')
    reading.add_argument('--offset', type=float, nargs=2, default=(0, 0), metavar=('X', 'Y'), help='of a QuPath tile')
    reading.add_argument(
        '--scale', type=positive, default=1, help='of a QuPath tile: its pixels for each full-resolution one'
    )
    reading.add_argument(
        '--tiles', type=Path, metavar='FILE', help='tiles.csv of tools/cut_tiles.py: QuPath strokes on their slide'
    )
    reading.add_argument('--line-width', type=positive, default=3, help='for drawing strokes (default: 3)')
    reading.add_argument('--mode', choices=DRAWING_MODES, default='distance', help='for drawing strokes')
    making = argparse.ArgumentParser(add_help=False)
    making.add_argument('--overwrite', action='store_true', help='write also where an annotation exists')

    convert = commands.add_parser('convert', parents=[common, reading, making], help='from one format to another')
    convert.add_argument('input', type=Path, help='file, or folder of files')
    convert.add_argument('output', type=folder_to_write, help='folder; one file an image')
    writable = [name for name, entry in FORMATS.items() if entry.write]
    convert.add_argument('--to', dest='target', choices=writable, default='scribblesup')
    convert.add_argument('--out-ignore-index', type=_BYTE, default=255, help='of index PNGs that are written')

    synthesize = commands.add_parser('synthesize', parents=[common, making], help='strokes or clicks from masks')
    synthesize.add_argument('input', type=Path, help='index PNG, or folder of them')
    synthesize.add_argument('output', type=folder_to_write, help='folder for ScribbleSup XML')
    synthesize.add_argument(
        '--seed', type=at_least(0), default=0, help='the same seed gives the same strokes (default: 0)'
    )
    synthesize.add_argument(
        '--kind', choices=('strokes', 'points'), default='strokes', help='points: one click a region'
    )
    synthesize.add_argument(
        '--amount', type=positive, default=1.0, help='strokes a region; 0.5: half as long (default: 1)'
    )
    synthesize.add_argument('--line-width', type=positive, default=3, help='that they will be drawn with (default: 3)')
    synthesize.add_argument(
        '--min-area', type=at_least(0), default=100, help='pixels of the least region (default: 100)'
    )
    synthesize.add_argument('--ignore-index', type=_BYTE, default=255, help='the void of the masks (default: 255)')

    stats = commands.add_parser('stats', parents=[common, reading], help='what a set of scribbles labels')
    stats.add_argument('input', type=Path, help='file, or folder of files')
    stats.add_argument('--masks', type=Path, help='folder of <image id>.png to compare with')
    stats.add_argument('--size-mismatch', choices=('error', 'rescale'), default='error', help='strokes and masks')
    stats.add_argument('--json', type=file_to_write, metavar='FILE', help='write all numbers')
    return parser.parse_args()


def _options(args: argparse.Namespace) -> FormatOptions:
    if args.images and not args.images.is_dir():
        raise UserError(f'{args.images} is no folder', looked_for='the images, for their sizes')
    return FormatOptions(
        class_names=args.class_names,
        unknown_tag=args.unknown_tag,
        file_ignore_index=args.file_ignore_index,
        image_size=partial(_image_size, args.images) if args.images else None,
        offset=tuple(args.offset),
        scale=args.scale,
        tiles=read_tile_places(args.tiles) if args.tiles else (),
        line_width=args.line_width,
        mode=args.mode,
    )


def _image_size(folder: Path, image_id: str) -> tuple[int, int]:
    for suffix in _IMAGE_SUFFIXES:
        if (path := folder / f'{image_id}{suffix}').is_file():
            try:
                with Image.open(path) as image:
                    return image.size
            except (OSError, Image.DecompressionBombError) as error:
                raise UserError(f'{path} cannot be read', found=error) from None
    raise UserError(f'there is no image {image_id} in {folder}', looked_for=', '.join(_IMAGE_SUFFIXES))


def _convert(args: argparse.Namespace) -> int:
    if FORMATS[args.source].raster and not FORMATS[args.target].raster:
        raise UserError(
            f'{args.source} holds pixels, and {args.target} strokes: pixels cannot be turned back into strokes',
            remedy='convert to index_png, which trains as well',
        )
    work = partial(
        convert_file,
        folder=args.output,
        source=args.source,
        target=args.target,
        reading=_options(args),
        writing=FormatOptions(
            class_names=args.class_names,
            file_ignore_index=args.out_ignore_index,
            line_width=args.line_width,
            mode=args.mode,
        ),
        overwrite=args.overwrite,
    )
    paths = find_files(args.input, FORMATS[args.source].suffix)
    return _report_written(list(work_through(work, paths, args.workers, 'convert')))


def _synthesize(args: argparse.Namespace) -> int:
    settings = {'min_area': args.min_area}
    if args.kind == 'strokes':
        settings |= {'amount': args.amount, 'line_width': args.line_width}
    work = partial(
        synthesise_file,
        folder=args.output,
        class_names=args.class_names,
        seed=args.seed,
        kind=args.kind,
        ignore_index=args.ignore_index,
        overwrite=args.overwrite,
        **settings,
    )
    return _report_written(list(work_through(work, find_files(args.input, '.png'), args.workers, 'synthesize')))


def _stats(args: argparse.Namespace) -> int:
    if args.masks and not args.masks.is_dir():
        raise UserError(f'{args.masks} is no folder')
    work = partial(
        file_statistics,
        source=args.source,
        options=_options(args),
        masks=args.masks,
        size_mismatch=args.size_mismatch,
    )
    paths = find_files(args.input, FORMATS[args.source].suffix)
    outcomes = list(work_through(work, paths, args.workers, 'stats'))
    summary = summarise([image for outcome in outcomes for image in outcome.result or []], args.class_names)
    if args.masks and summary['total']['labelled'] and not summary['total']['compared']:
        raise UserError(
            f'{args.masks} holds no mask to compare with.', looked_for='<image id>.png for any of the images'
        )
    print(table(summary))
    if args.json:
        write_json_atomically(args.json, summary)
    return _report_problems(outcomes)


def _report_written(outcomes: list[Outcome]) -> int:
    done = [outcome for outcome in outcomes if not outcome.problem]
    written = [image_id for outcome in done for image_id in outcome.result.image_ids]
    already = [image_id for outcome in done for image_id in outcome.result.there_already]
    remarks = sum((outcome.result.remarks for outcome in done), Counter())
    print(f'{len(written)} written, {len(already)} there already')
    for remark, count in sorted(remarks.items()):
        print(f'  {count} x {remark}')
    twice = sorted(image_id for image_id, count in Counter(written + already).items() if count > 1)
    if twice:
        print(f'  {len(twice)} image ids come from several files, and one of each was kept: {", ".join(twice[:10])}')
    return max(_report_problems(outcomes), int(bool(twice)))


def _report_problems(outcomes: list[Outcome]) -> int:
    problems = [outcome for outcome in outcomes if outcome.problem]
    if problems:
        print(f'{len(problems)} of {len(outcomes)} files skipped:', file=sys.stderr)
    for outcome in problems:
        print(f'- {outcome.path.name}: {outcome.problem}', file=sys.stderr)
    return int(bool(problems))


@exits_on_user_error
def main() -> int:
    args = parse_args()
    return {'convert': _convert, 'synthesize': _synthesize, 'stats': _stats}[args.command](args)


if __name__ == '__main__':
    sys.exit(main())
