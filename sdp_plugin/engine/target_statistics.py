"""Batch-norm statistics from unlabelled images of the data set that a classifier is for."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DefaultScope
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import DATASETS
from torch import Tensor

from sdp_plugin.catalogue.subsets import hash_ranks
from sdp_plugin.datasets.samples import id_of
from sdp_plugin.engine.construction import faults_of
from sdp_plugin.errors import UserError
from sdp_plugin.models.batch_norm import reestimate_batch_norm

BATCH_SIZE = 64


def reestimate_on_target(model: ImageClassifier, cfg: Config, count: int) -> str:
    """Estimate a classifier's batch-norm statistics anew from images of its training part, without their labels.

    The images are drawn from the whole training part, also where few of them are trained on, by the seed of the data
    set: the same images on every machine and for every initialisation. They come through the test pipeline.

    Args:
        model (ImageClassifier): The classifier, whose backbone and neck are changed.
        cfg (Config): Its config.
        count (int): How many images, at least 2. All, where there are fewer.

    Returns:
        str: What was done, for a log.

    Raises:
        UserError: If the number is none, or the config has no test pipeline; and what the data set raises.
    """
    if isinstance(count, bool) or not isinstance(count, int) or count < 2:
        raise UserError(
            'Batch-norm statistics cannot be estimated from so many images.',
            looked_for='batch_norm_images of at least 2, better some hundreds; 0 keeps those of the initialisation',
            found=repr(count),
        )
    dataset = _whole_training_part(cfg)
    positions = _drawn(dataset, count, cfg.train_dataloader.dataset.get('seed') or 0)
    norms = reestimate_batch_norm(model, _batches(model, dataset, positions), model.extract_feat)
    if not norms:
        return 'Batch-norm statistics: the network has none'
    return f'Batch-norm statistics: of {norms} layers, from {len(positions)} unlabelled images of the training part'


def _whole_training_part(cfg: Config) -> BaseDataset:
    if not cfg.get('test_dataloader'):
        raise UserError(
            'Batch-norm statistics need the test pipeline, by which images come without augmentation.',
            looked_for='test_dataloader.dataset.pipeline',
            found=f'none in {cfg.filename}',
        )
    settings = dict(cfg.train_dataloader.dataset, pipeline=cfg.test_dataloader.dataset.pipeline, serialize_data=False)
    if 'examples_per_class' in settings:
        settings['examples_per_class'] = None
    with faults_of(cfg), DefaultScope.overwrite_default_scope('mmpretrain'):
        return DATASETS.build(settings)


def _drawn(dataset: BaseDataset, count: int, seed: int) -> np.ndarray:
    keys = [id_of(dataset.get_data_info(position), position) for position in range(len(dataset))]
    return np.sort(np.argsort(hash_ranks(keys, seed, 'batch norm'))[:count])


def _batches(model: ImageClassifier, dataset: BaseDataset, positions: np.ndarray) -> Iterator[Tensor]:
    for part in np.array_split(positions, math.ceil(len(positions) / BATCH_SIZE)):
        images = [torch.as_tensor(dataset[int(position)]['inputs']) for position in part]
        yield model.data_preprocessor({'inputs': images})['inputs']
