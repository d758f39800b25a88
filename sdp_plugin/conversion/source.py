"""The trunk in a checkpoint: its tensors, its config, and what the training says about its inputs."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import Tensor

from sdp_plugin.checkpoints import config_of, load_checkpoint, sha256_of, state_dict_of
from sdp_plugin.conversion.convert import Record, shortened
from sdp_plugin.conversion.rules import Drop
from sdp_plugin.conversion.trunks import Trunk, trunk_of_model
from sdp_plugin.errors import UserError

TRUNK_PREFIX = 'backbone.'

MODEL_PARTS = (
    Drop('decode_head.{name*}', 'a segmentation head is no part of the trunk'),
    Drop('auxiliary_head.{name*}', 'an auxiliary head is no part of the trunk'),
    Drop('neck.{name*}', 'a neck is no part of the trunk'),
    Drop('head.{name*}', 'the classes differ between pre-training and fine-tuning'),
    Drop('data_preprocessor.{name*}', 'the normalisation constants are in the config'),
)
"""The parts of a segmentor or classifier that are left behind."""


@dataclass(frozen=True)
class Source:
    """What a conversion starts from.

    Args:
        path (Path): The checkpoint.
        sha256 (str): Of the file.
        trunk (Trunk): The backbone as it was trained.
        state (dict[str, Tensor]): The backbone's tensors, without the prefix.
        dropped (tuple[Record, ...]): The other parts' tensors.
        normalisation (dict): ``mean`` and ``std`` in the order of the network's channels, and ``channel_order``.
        classes (tuple[str, ...]): What it was trained to tell apart; empty if the checkpoint does not say.
    """

    path: Path
    sha256: str
    trunk: Trunk
    state: dict[str, Tensor]
    dropped: tuple[Record, ...]
    normalisation: dict[str, Any]
    classes: tuple[str, ...]


def read_source(path: str | os.PathLike, config: str | os.PathLike | None = None, trusted: bool = False) -> Source:
    """Read the trunk of a segmentor's or classifier's checkpoint.

    Args:
        path: The checkpoint.
        config: The config that it was trained with; by default the one in the checkpoint.
        trusted: Whether code in the checkpoint may run, see :func:`sdp_plugin.checkpoints.load_checkpoint`.

    Raises:
        UserError: If the checkpoint or config cannot be read, or tensors belong to no known part of a model.
    """
    path = Path(path)
    checkpoint = load_checkpoint(path, trusted)
    tensors = state_dict_of(checkpoint)
    cfg = read_config(config) if config else config_of(checkpoint)
    state, dropped = _parted(tensors)
    meta = checkpoint.get('meta', {})
    return Source(
        path=path,
        sha256=sha256_of(path),
        trunk=trunk_of_model(cfg),
        state=state,
        dropped=dropped,
        normalisation=_normalisation(cfg),
        classes=tuple((meta.get('dataset_meta') or {}).get('classes') or ()),
    )


def read_config(path: str | os.PathLike) -> Config:
    """Read a config file.

    Raises:
        UserError: If it is missing or cannot be read.
    """
    try:
        return Config.fromfile(path)
    except Exception as error:
        # A config is Python: reading one can raise anything.
        raise UserError(
            'The config cannot be read.',
            looked_for=path,
            found=f'{type(error).__name__}: {error}',
            remedy='name a config file such as those in configs/',
        ) from error


def _parted(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], tuple[Record, ...]]:
    state, dropped, unknown = {}, [], []
    for name, tensor in tensors.items():
        part = next((part for part in MODEL_PARTS if part.take(name, tensor) is not None), None)
        if name.startswith(TRUNK_PREFIX):
            state[name.removeprefix(TRUNK_PREFIX)] = tensor
        elif part:
            dropped.append(Record(part.action, (name,), (), part.reason))
        else:
            unknown.append(name)
    if unknown or not state:
        raise UserError(
            'The checkpoint is not that of a segmentor or classifier of OpenMMLab.',
            looked_for='tensors under backbone., and heads',
            found=f'tensors of no known part: {shortened(unknown)}' if unknown else 'no tensor under backbone.',
            remedy='name a checkpoint that tools/train.py, MMSegmentation or MMPretrain wrote',
        )
    return state, tuple(dropped)


def _normalisation(cfg: Mapping[str, Any]) -> dict[str, Any]:
    preprocessor = cfg['model'].get('data_preprocessor') or cfg.get('data_preprocessor') or {}
    to_rgb = preprocessor.get('to_rgb') or preprocessor.get('bgr_to_rgb')
    return {
        'mean': list(preprocessor.get('mean') or ()),
        'std': list(preprocessor.get('std') or ()),
        'channel_order': 'rgb' if to_rgb else 'bgr',
    }
