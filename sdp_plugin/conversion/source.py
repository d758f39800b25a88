"""The trunk in a checkpoint: its tensors, its config, and what the training says about its inputs."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mmengine.config import Config
from torch import Tensor

from sdp_plugin.checkpoints.building import check_model_config
from sdp_plugin.checkpoints.reading import config_of, load_checkpoint, state_dict_of
from sdp_plugin.conversion.architectures import Statement, reservation, stated
from sdp_plugin.conversion.convert import Record
from sdp_plugin.conversion.key_map import Verdict
from sdp_plugin.conversion.layouts import Layout, check_is_told_apart, recognised, unwrapped
from sdp_plugin.conversion.rules import Drop
from sdp_plugin.conversion.trunks import Trunk, trunk_from_config, trunk_of_model
from sdp_plugin.errors import UserError, shortened
from sdp_plugin.files import sha256_of
from sdp_plugin.settings import carry_settings, read_config

TRUNK_PREFIX = 'backbone.'

MODEL_PARTS = (
    Drop('decode_head.{name*}', 'a segmentation head is no part of the trunk'),
    Drop('auxiliary_head.{name*}', 'an auxiliary head is no part of the trunk'),
    Drop('neck.{name*}', 'a neck is no part of the trunk'),
    Drop('head.{name*}', 'the classes differ between pre-training and fine-tuning'),
    Drop('data_preprocessor.{name*}', 'the normalisation constants are in the config'),
)
"""The parts of a segmentor or classifier that are left behind."""


INNER_TRUNKS = {
    'mmseg.BiSeNetV1': 'context_path.backbone.',
    'mmseg.ICNet': 'backbone.',
}
"""Backbones that hold another one, under these names, described by their ``backbone_cfg``."""


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
        inside (str): The backbone that the trunk is a part of, if it is.
        layout (str): Whose names the tensors have, where they were recognised without a config.
        architecture (str): What it is then called, and by whom; empty if nothing says it.
        reservation (Verdict | None): Why the conversion is not known to be exact then, if it is not.
        wrapper (str): The prefix of a wrapper that was taken off all names.
    """

    path: Path
    sha256: str
    trunk: Trunk
    state: dict[str, Tensor]
    dropped: tuple[Record, ...]
    normalisation: dict[str, Any]
    classes: tuple[str, ...]
    inside: str = ''
    layout: str = ''
    architecture: str = ''
    reservation: Verdict | None = None
    wrapper: str = ''


def read_source(
    path: str | os.PathLike,
    config: str | os.PathLike | None = None,
    trusted: bool = False,
    architecture: str | None = None,
) -> Source:
    """Read the trunk of a segmentor's or classifier's checkpoint, or of another library's ResNet.

    Args:
        path: The checkpoint.
        config: The config that it was trained with; by default the one in the checkpoint. Without either, a ResNet of
            torchvision, timm or MMPretrain's zoo is recognised by its names.
        trusted: Whether code in the checkpoint may run, see :func:`sdp_plugin.checkpoints.reading.load_checkpoint`.
        architecture: What the network of a checkpoint without a config is called, such as ``resnet50``.

    Raises:
        UserError: If the checkpoint or config cannot be read, tensors belong to no known part of a model, or nothing
            says what they are.
    """
    path = Path(path)
    checkpoint = load_checkpoint(path, trusted)
    tensors, wrapper = unwrapped(state_dict_of(checkpoint))
    meta = checkpoint.get('meta')
    meta = meta if isinstance(meta, Mapping) else {}
    without_config = not config and not meta.get('cfg')
    if without_config and (source := _source_without_config(path, checkpoint, tensors, architecture)):
        return replace(source, wrapper=wrapper)
    if architecture and not without_config:
        raise UserError(
            'A config says what the checkpoint holds, so --architecture is one too many.',
            found=f'--architecture {architecture}, and {f"--config {config}" if config else "the config in the file"}',
        )
    cfg = config_in(config) if config else config_of(checkpoint)
    trunk = trunk_of_model(cfg, is_of_file=not (config or trusted))
    if trunk.is_of_file:
        check_model_config(trunk.config)
    state, dropped = _parted(tensors, TRUNK_PREFIX, MODEL_PARTS)
    return Source(
        path=path,
        sha256=sha256_of(path),
        trunk=trunk,
        state=state,
        dropped=dropped,
        normalisation=_normalisation(cfg),
        classes=tuple((meta.get('dataset_meta') or {}).get('classes') or ()),
        wrapper=wrapper,
    )


def _source_without_config(
    path: Path, checkpoint: Mapping[str, Any], tensors: Mapping[str, Tensor], architecture: str | None
) -> Source | None:
    statement = stated(path, checkpoint, architecture)
    found = recognised(tensors)
    # The bare trunk of a segmentor is named as that of a classifier is; a head tells them apart, or a person.
    if found and (statement or not found[0].prefix or any(name.startswith(found[0].head) for name in tensors)):
        return _foreign_source(path, tensors, *found, statement)
    check_is_told_apart(tensors)
    return None


def _foreign_source(
    path: Path, tensors: Mapping[str, Tensor], layout: Layout, trunk: Trunk, statement: Statement | None
) -> Source:
    head = Drop(f'{layout.head}{{name*}}', 'the classes differ between pre-training and fine-tuning')
    state, dropped = _parted(tensors, layout.prefix, (head,))
    return Source(
        path=path,
        sha256=sha256_of(path),
        trunk=trunk,
        state=state,
        dropped=dropped,
        normalisation=dict((statement or Statement('', '')).normalisation),
        classes=(),
        layout=layout.name,
        architecture=f'{statement.name}, says {statement.origin}' if statement else '',
        reservation=reservation(statement, layout.name, trunk, state),
    )


def inner_trunk(source: Source) -> Source:
    """The trunk inside a backbone that builds a segmentor around one, such as BiSeNetV1; else the source itself."""
    if source.trunk.kind not in INNER_TRUNKS:
        return source
    prefix = INNER_TRUNKS[source.trunk.kind]
    reason = f'belongs to {source.trunk.name} around the inner trunk'
    return replace(
        source,
        trunk=trunk_from_config(source.trunk.settings['backbone_cfg'], source.trunk.scope, source.trunk.is_of_file),
        state={name.removeprefix(prefix): tensor for name, tensor in source.state.items() if name.startswith(prefix)},
        dropped=(
            *(Record('drop', (name,), (), reason) for name in source.state if not name.startswith(prefix)),
            *source.dropped,
        ),
        inside=source.trunk.kind,
    )


def config_in(path: str | os.PathLike) -> Config:
    """Read a config file, ours with its settings at their places, or one of another project.

    Raises:
        UserError: If it is missing or cannot be read, or a setting has a value that it cannot have.
    """
    cfg = read_config(path)
    carry_settings(cfg)
    return cfg


def _parted(
    tensors: Mapping[str, Tensor], prefix: str, parts: Sequence[Drop]
) -> tuple[dict[str, Tensor], tuple[Record, ...]]:
    state, dropped, unknown = {}, [], []
    for name, tensor in tensors.items():
        part = next((part for part in parts if part.take(name, tensor) is not None), None)
        if part:
            dropped.append(Record(part.action, (name,), (), part.reason))
        elif name.startswith(prefix):
            state[name.removeprefix(prefix)] = tensor
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
