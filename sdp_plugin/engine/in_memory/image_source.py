"""What the in-memory loops make of the config of a data loader: what to read once, and what is drawn anew."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import torch
from mmengine.dataset import BaseDataset, DefaultSampler
from mmengine.dist import get_world_size
from mmpretrain.registry import DATASETS
from torch.utils.data import DataLoader

from sdp_plugin.engine.in_memory.augmentation import AugmentationSettings, settings_from_pipeline
from sdp_plugin.engine.in_memory.images import DoesNotFitError, ImagesInMemory, images_in_memory, records_of
from sdp_plugin.errors import UserError


class ImageSource:
    """Where a loop's images come from.

    Attributes:
        loader_config (dict | DataLoader): What to build the data loader from.
        augmentation (AugmentationSettings | None): The random part of the pipeline; None where it is not understood.

    Args:
        loader (dict | DataLoader): The config of the data loader. One that is built already is left to the reference
            loop.
        in_memory (bool): False leaves everything as it is.
    """

    def __init__(self, loader: Mapping[str, Any] | DataLoader, in_memory: bool) -> None:
        self.in_memory = in_memory
        self.loader_config = loader
        self.augmentation: AugmentationSettings | None = None
        self._loading: list[dict] = []
        self._problem = '' if isinstance(loader, dict) else 'the data loader is built already'
        if not in_memory or self._problem:
            return
        dataset = loader['dataset']
        if not _is_base_dataset(dataset):
            self._problem = f'{dataset["type"] if isinstance(dataset, dict) else "the data set"} is no BaseDataset'
            return
        try:
            self._loading, self.augmentation = settings_from_pipeline(dataset.get('pipeline', ()))
        except UserError as error:
            self._problem = ' '.join(line.strip() for line in str(error).splitlines()[:3])
            return
        self.loader_config = copy.deepcopy(loader)
        # Serialising pays with many worker processes, and costs a full garbage collection.
        self.loader_config['dataset'].setdefault('serialize_data', False)

    def obstacles(self, loader: DataLoader) -> list[str]:
        """What keeps the loops from holding the data in memory, in words."""
        if not self.in_memory:
            return ['in_memory=False']
        if self._problem:
            return [self._problem]
        obstacles = []
        if get_world_size() > 1:
            obstacles.append(f'{get_world_size()} processes train together')
        if type(loader.sampler) is not DefaultSampler:
            obstacles.append(f'the sampler is {type(loader.sampler).__name__}, not DefaultSampler')
        if 'batch_sampler' in self.loader_config or 'collate_fn' in self.loader_config:
            obstacles.append('the data loader has its own batch_sampler or collate_fn')
        if 'num_batch_per_epoch' in self.loader_config:
            obstacles.append('the data loader has num_batch_per_epoch')
        elif any(not isinstance(record.get('gt_label'), int) for record in records_of(loader.dataset)):
            obstacles.append('an image has not one class')
        elif not all('img_path' in record or 'h5_path' in record for record in records_of(loader.dataset)):
            obstacles.append('an image is in no file')
        return obstacles

    def read(self, dataset: BaseDataset, device: torch.device, obstacles: list[str]) -> ImagesInMemory | None:
        """The images; or None, after a word about why there are none has been appended to ``obstacles``."""
        try:
            return images_in_memory(dataset, len(self._loading), device)
        except DoesNotFitError as error:
            obstacles.append(str(error))
            return None


def _is_base_dataset(config: object) -> bool:
    """Whether a config is of a data set with records and a pipeline of its own, not of one that wraps another."""
    if not isinstance(config, dict):
        return False
    kind = config['type']
    kind = DATASETS.get(kind) if isinstance(kind, str) else kind
    return isinstance(kind, type) and issubclass(kind, BaseDataset)
