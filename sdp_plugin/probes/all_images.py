"""All images that a config trains and tests on, whatever it draws of them, as its test pipeline gives them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import init_default_scope
from mmpretrain.registry import DATASETS
from torch import Tensor

from sdp_plugin.datasets.samples import id_of
from sdp_plugin.engine.construction import faults_of
from sdp_plugin.errors import UserError

BATCH = 64
READERS = 4
DIGITS = 12


@dataclass(frozen=True)
class Images:
    """Images by key, in the order of their features.

    Args:
        keys (Sequence[str]): Different names.
        records (Sequence[dict]): What the transforms need of each.
        transforms (Sequence[Callable]): Those of the test pipeline, without the packing.
    """

    keys: Sequence[str]
    records: Sequence[dict]
    transforms: Sequence[Callable]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of the keys in their order."""
        return hashlib.sha256('\n'.join(self.keys).encode()).hexdigest()[:DIGITS]

    def read(self, start: int, stop: int) -> Iterator[Tensor]:
        """Batches of images, uint8, shape (n, 3, H, W), BGR."""
        # HDF5 serves one thread at a time; decoding files lets others run.
        readers = 1 if 'h5_path' in self.records[0] else READERS
        with ThreadPoolExecutor(readers) as pool:
            for first in range(start, stop, BATCH):
                images = list(pool.map(self._image, range(first, min(first + BATCH, stop))))
                yield torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)

    def _image(self, position: int) -> np.ndarray:
        results = dict(self.records[position])
        for transform in self.transforms:
            results = transform(results)
        return results['img']


def all_images(cfg: Config) -> Images:
    """All images that a config can train and test on, as its test pipeline gives them, in the order of file and key.

    Raises:
        UserError: What the data sets raise; an image without one class; or a pipeline that does not end with packing.
    """
    datasets = [built_dataset(cfg, part) for part in ('train', 'test')]
    records: dict[str, dict] = {}
    for dataset in datasets:
        for position in range(len(dataset)):
            record = dataset.get_data_info(position)
            key = id_of(record, position)
            is_other = key in records and _source_of(record) != _source_of(records[key])
            records[test_key(key) if is_other else key] = record
    *transforms, last = datasets[-1].pipeline.transforms
    if type(last).__name__ != 'PackInputs':
        raise UserError('The test pipeline does not end with PackInputs.', found=type(last).__name__)
    # Compressed HDF5 files are hundreds of times slower to read in another order than theirs.
    keys = sorted(records, key=lambda key: (records[key].get('h5_path', ''), records[key].get('h5_index', 0), key))
    return Images(keys, [records[key] for key in keys], transforms)


def test_key(key: str) -> str:
    """The key of a test image where another image of the training part, in another folder, has its name."""
    return f'test: {key}'


def _source_of(record: Mapping[str, Any]) -> tuple:
    return record.get('h5_path'), record.get('h5_index'), record.get('img_path')


def built_dataset(cfg: Config, part: str, **changes: Any) -> BaseDataset:
    """The data set that a config trains (``'train'``) or tests on (``'test'``), with all images of its part.

    Args:
        cfg (Config): A config of a classifier.
        part (str): ``'train'`` or ``'test'``.
        **changes (Any): Other values of its arguments.
    """
    wanted = dict(cfg[f'{part}_dataloader'].dataset, serialize_data=False, **changes)
    if 'examples_per_class' in wanted:
        wanted['examples_per_class'] = None
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    with faults_of(cfg):
        return DATASETS.build(wanted)
