"""What the in-memory loops leave to MMEngine's own, and the words for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mmengine.logging import print_log
from mmengine.optim import OptimWrapper
from mmpretrain.models import ClsHead, ImageClassifier
from torch import nn


def obstacles_of_model(model: nn.Module) -> list[str]:
    """What keeps :class:`sdp_plugin.engine.in_memory.step.TrainingStep`
    from training a network as its own ``train_step`` would, in words.
    """
    if not isinstance(model, ImageClassifier) or type(model).loss is not ImageClassifier.loss:
        return [f'{type(model).__name__} computes its loss in its own way']
    obstacles = []
    head = model.head
    if not isinstance(head, ClsHead) or any(
        getattr(type(head), name) is not getattr(ClsHead, name) for name in ('loss', '_get_loss', '_get_predictions')
    ):
        obstacles.append(f'{type(head).__name__} computes its loss in its own way')
    elif head.cal_acc:
        obstacles.append(f'{type(head).__name__} computes the accuracy of each training batch (cal_acc)')
    preprocessor = model.data_preprocessor
    if getattr(preprocessor, 'batch_augments', None) is not None:
        obstacles.append('the data preprocessor mixes images (batch_augments)')
    if getattr(preprocessor, 'to_onehot', False):
        obstacles.append('the data preprocessor makes scores of the labels (to_onehot)')
    if getattr(preprocessor, 'pad_size_divisor', 1) > 1:
        obstacles.append('the data preprocessor pads images (pad_size_divisor)')
    return obstacles


def obstacles_of_optimiser(wrapper: object) -> list[str]:
    """What keeps :class:`sdp_plugin.engine.in_memory.step.TrainingStep` from stepping as a wrapper would, in words."""
    if type(wrapper) is not OptimWrapper:
        return [f'{type(wrapper).__name__} steps in its own way']
    if wrapper._accumulative_counts > 1:
        return ['the optimiser wrapper accumulates gradients (accumulative_counts)']
    return []


def leave_to_reference(what: str, obstacles: Sequence[str]) -> None:
    """Say in the log why MMEngine's own loop does what follows; a warning unless it was asked for."""
    asked_for = list(obstacles) == ['in_memory=False']
    print_log(
        f"MMEngine's own loop does the {what}: {'; '.join(obstacles)}. It computes in the precision of the weights.",
        logger='current',
        level=logging.INFO if asked_for else logging.WARNING,
    )
