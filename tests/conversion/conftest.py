"""Checkpoints of small models, in memory and on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from small_models import SMALL_RESNET, STRIDE_8, checkpoint_of, classifier_config, segmentor_config


@pytest.fixture(scope='session')
def segmentor_checkpoint() -> dict:
    return checkpoint_of(segmentor_config({**SMALL_RESNET, **STRIDE_8}), 'mmseg', 'decode_head.conv_seg')


@pytest.fixture(scope='session')
def classifier_checkpoint() -> dict:
    return checkpoint_of(classifier_config({**SMALL_RESNET, 'out_indices': (3,)}), 'mmpretrain', 'head.fc')


@pytest.fixture
def saved(tmp_path: Path) -> Callable[[dict], Path]:
    """Write a checkpoint and return its path."""

    def save(checkpoint: dict, name: str = 'iter_1.pth') -> Path:
        torch.save(checkpoint, tmp_path / name)
        return tmp_path / name

    return save
