#!/usr/bin/env python3
"""Images a second that one core prepares for pre-training: our input beside the libraries' stock transforms.

Stock loads, re-scales by 0.5 to 1.5, crops, flips and packs with MMSegmentation's own transforms; the labels are the
same index PNGs, or scribbles drawn beforehand into index PNGs. For class labels it is MMPretrain's transforms, and the
classes stand in its annotation file. Ours is the pipeline of our configs. Both sides run in one process and in turn,
over the same images in random order, in batches, with and without their data preprocessor (normalisation, stacking,
padding: in training it runs on the device). What counts is the processor time that they take. Our decoding beforehand
is timed apart.

Where there are no scribbles for the images, make some:
  python tools/scribbles.py synthesize data/VOCdevkit/VOC2012/SegmentationClassAug scribbles

example:
  python tools/benchmarks/pretraining_input.py data/VOCdevkit/VOC2012 --scribbles scribbles --out pretraining_input.json
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import torch
from measuring import alternate, core_seconds, machine, ratios, seconds, spread, summary, table, write_report
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.registry import DATASETS, FUNCTIONS, MODELS, DefaultScope

from sdp_plugin.catalogue.voc import FOREGROUND_CLASSES
from sdp_plugin.command_line import ToolParser, file_to_write
from sdp_plugin.errors import UserError, exits_on_user_error
from sdp_plugin.scribbles.formats.index_png import read_index_png, write_index_png
from sdp_plugin.scribbles.formats.scribblesup import VOC_TAGS, read_scribblesup
from sdp_plugin.scribbles.rasterise import rasterise
from sdp_plugin.shipped import get_config

SEGMENTATION = 'deeplabv2_r34-d8_1xb10-40k_voc12-{labels}-321x321.py'
CLASSIFICATION = 'resnet34_1xb10-40k_voc12-classes-321x321.py'


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('voc', type=Path, help='VOC2012, with JPEGImages and SegmentationClassAug')
    parser.add_argument('--scribbles', type=Path, help='folder of ScribbleSup XMLs; without it they are not measured')
    parser.add_argument('--images', type=int, default=200, metavar='N', help='images to read (default: %(default)s)')
    parser.add_argument('--batches', type=int, default=20, metavar='N', help='batches a measurement (default: 20)')
    parser.add_argument('--batch-size', type=int, default=10, metavar='N', help='(default: %(default)s)')
    parser.add_argument('--rounds', type=int, default=7, metavar='N', help='measurements a side (default: %(default)s)')
    parser.add_argument('--out', type=file_to_write, help='also write the numbers to this JSON file')
    return parser.parse_args()


def image_ids(voc: Path, scribbles: Path | None, number: int) -> list[str]:
    """The first images that have all their files."""
    folders = [(voc / 'SegmentationClassAug', '.png')] + ([(scribbles, '.xml')] if scribbles else [])
    ids = [
        path.stem
        for path in sorted((voc / 'JPEGImages').glob('*.jpg'))
        if all((folder / f'{path.stem}{suffix}').is_file() for folder, suffix in folders)
    ]
    if not ids:
        raise UserError(
            'No image has all its files.',
            looked_for=f'files of one name in {voc}/JPEGImages, ' + ' and '.join(str(folder) for folder, _ in folders),
            found=', '.join(
                f'{len(list(folder.glob("*" + end)))} {end} in {folder}'
                for folder, end in [(voc / 'JPEGImages', '.jpg'), *folders]
            ),
            remedy='make scribbles of the masks with tools/scribbles.py synthesize, if you have none',
        )
    return ids[:number]


def draw_scribbles(scribbles: Path, ids: list[str], folder: Path) -> None:
    """Index PNGs of scribbles, the only form in which MMSegmentation's transforms take them."""
    for image_id in ids:
        write_index_png(
            folder / f'{image_id}.png', rasterise(read_scribblesup(scribbles / f'{image_id}.xml', VOC_TAGS))
        )


def stock_dataset(voc: Path, ids: Path, labels: Path, crop_size: tuple[int, int]) -> dict:
    """MMSegmentation's data set and transforms as its own configs for Pascal VOC have them, with our sizes."""
    return dict(
        type='PascalVOCDataset',
        data_root='',
        ann_file=str(ids),
        data_prefix=dict(img_path=str(voc / 'JPEGImages'), seg_map_path=str(labels)),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='LoadAnnotations'),
            # Re-scaling is relative to the image's own size, as the long side of an image decides.
            dict(type='RandomResize', scale=longest_sides(voc, ids), ratio_range=(0.5, 1.5), keep_ratio=True),
            dict(type='RandomCrop', crop_size=crop_size),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackSegInputs'),
        ],
    )


def longest_sides(voc: Path, ids: Path) -> tuple[int, int]:
    """The box that stock's ``keep_ratio`` fits images into: the size of most images' long side."""
    sides = [max(cv2.imread(str(voc / 'JPEGImages' / f'{i}.jpg')).shape[:2]) for i in ids.read_text().split()[:20]]
    side = int(np.median(sides))
    return side, side


def stock_class_dataset(voc: Path, ids: Path, crop_size: tuple[int, int]) -> dict:
    """MMPretrain's data set of several classes an image and its transforms, with our sizes."""
    names = ids.read_text().split()
    classes = {name: read_index_png(voc / 'SegmentationClassAug' / f'{name}.png') for name in names}
    records = [
        dict(img_path=f'{name}.jpg', gt_label=[int(i) - 1 for i in np.unique(mask) if i not in (0, 255)])
        for name, mask in classes.items()
    ]
    annotations = ids.with_suffix('.json')
    annotations.write_text(json.dumps(dict(metainfo=dict(classes=FOREGROUND_CLASSES), data_list=records)))
    return dict(
        type='MultiLabelDataset',
        ann_file=str(annotations),
        data_prefix=str(voc / 'JPEGImages'),
        pipeline=[
            dict(type='LoadImageFromFile'),
            dict(type='RandomResize', scale=longest_sides(voc, ids), ratio_range=(0.5, 1.5), keep_ratio=True),
            dict(type='RandomCrop', crop_size=crop_size, pad_if_needed=True),
            dict(type='RandomFlip', prob=0.5),
            dict(type='PackInputs'),
        ],
    )


def our_config(voc: Path, ids: Path, labels: str, scribbles: Path | None) -> Config:
    config = CLASSIFICATION if labels == 'class labels' else SEGMENTATION.format(labels=labels)
    options = dict(data_root=str(voc), num_workers=0)
    options['train_dataloader.dataset.ann_file'] = str(ids.absolute())
    if labels == 'scribbles':
        options['scribbles'] = str(scribbles.absolute())
    return get_config(f'pretrain/{config}', options)


class Side:
    """One way from the files to a batch."""

    def __init__(self, dataset: dict, collate: Callable, preprocessor: dict) -> None:
        self.seconds_before = seconds(lambda: setattr(self, 'dataset', DATASETS.build(dataset)))
        self.collate = collate
        self.preprocessor = MODELS.build(preprocessor)
        self.rng = np.random.default_rng(0)

    def batch(self, size: int, preprocess: bool) -> dict:
        positions = self.rng.integers(0, len(self.dataset), size)
        batch = self.collate([self.dataset[int(position)] for position in positions])
        return self.preprocessor(batch, training=True) if preprocess else batch

    def images_a_second(self, batches: int, size: int, preprocess: bool) -> float:
        return batches * size / core_seconds(lambda: [self.batch(size, preprocess) for _ in range(batches)])


def check_batch(batch: dict, size: int, crop_size: tuple[int, int]) -> None:
    """Check that a batch holds what is to be compared."""
    labels = {
        tuple(sample.gt_sem_seg.data.shape if 'gt_sem_seg' in sample else sample.gt_score.shape)
        for sample in batch['data_samples']
    }
    if tuple(batch['inputs'].shape) != (size, 3, *crop_size) or labels not in (
        {(1, *crop_size)},
        {(len(FOREGROUND_CLASSES),)},
    ):
        raise AssertionError(f'a batch of {tuple(batch["inputs"].shape)} with labels of {labels}')


def measure(args: argparse.Namespace, labels: str, ids: Path, stock_labels: Path) -> dict:
    """Measure both sides with one kind of label."""
    cfg = our_config(args.voc, ids, labels, args.scribbles)
    crop_size = tuple(cfg.crop_size)
    if labels == 'class labels':
        preprocessor, stock_type = dict(cfg.data_preprocessor), 'ClsDataPreprocessor'
        dataset = stock_class_dataset(args.voc, ids, crop_size)
    else:
        preprocessor, stock_type = dict(cfg.model.data_preprocessor), 'SegDataPreProcessor'
        dataset = stock_dataset(args.voc, ids, stock_labels, crop_size)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        sides = {
            'stock': Side(dataset, pseudo_collate, dict(preprocessor, type=stock_type)),
            'ours': Side(
                cfg.train_dataloader.dataset, FUNCTIONS.get(cfg.train_dataloader.collate_fn.type), preprocessor
            ),
        }
        for side in sides.values():
            check_batch(side.batch(args.batch_size, preprocess=True), args.batch_size, crop_size)
        speeds = {}
        for name, preprocess in {'loading': False, 'loading_and_preprocessor': True}.items():
            measures = {
                side_name: lambda side=side, preprocess=preprocess: side.images_a_second(
                    args.batches, args.batch_size, preprocess
                )
                for side_name, side in sides.items()
            }
            speeds[name] = alternate(measures, args.rounds)
    return dict(
        labels=labels,
        seconds_to_decode=sides['ours'].seconds_before,
        **{
            name: dict(
                stock_images_a_second=summary(measured['stock']),
                our_images_a_second=summary(measured['ours']),
                ratio=ratios(measured['ours'], measured['stock']),
            )
            for name, measured in speeds.items()
        },
    )


@exits_on_user_error
def main() -> None:
    args = parse_args()
    # One core: the worker processes of a data loader use one each.
    cv2.setNumThreads(0)
    torch.set_num_threads(1)
    ids = image_ids(args.voc, args.scribbles, args.images)
    report = dict(machine=machine())
    report |= dict(images=len(ids), batch_size=args.batch_size, batches=args.batches, labels=[])
    with tempfile.TemporaryDirectory() as folder:
        list_file = Path(folder) / 'ids.txt'
        list_file.write_text('\n'.join(ids) + '\n')
        for labels in ('masks', 'class labels'):
            report['labels'].append(measure(args, labels, list_file, args.voc / 'SegmentationClassAug'))
        if args.scribbles:
            draw_scribbles(args.scribbles, ids, Path(folder))
            report['labels'].append(measure(args, 'scribbles', list_file, Path(folder)))
    found = report['machine']
    print(f'{found["processor"]}, one core; {len(ids)} images; medians (least-greatest) of {args.rounds}')
    stages = {'loading': 'transforms and collation', 'loading_and_preprocessor': 'and the data preprocessor'}
    rows = [
        (
            row['labels'],
            what,
            spread(row[stage]['stock_images_a_second']),
            spread(row[stage]['our_images_a_second']),
            spread(row[stage]['ratio'], 2),
        )
        for row in report['labels']
        for stage, what in stages.items()
    ]
    print(table(('labels', 'what', 'stock, images/s', 'ours, images/s', 'ratio'), rows))
    for row in report['labels']:
        print(f'decoding {len(ids)} images beforehand, {row["labels"]}: {row["seconds_to_decode"]:.2f} s')
    write_report(args.out, report)


if __name__ == '__main__':
    sys.exit(main())
