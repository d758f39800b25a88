"""Which network computes with the tensors of a plain ResNet: what says so, and whether it computes what that one does.

timm's ``resnetblur50`` and ``resnetaa50`` have exactly the tensors of a ResNet-50 and blur where that one strides. So
names and shapes prove nothing, and a file without a statement stays one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sdp_plugin.conversion.key_map import Verdict, weights_only
from sdp_plugin.conversion.layouts import shapes_of
from sdp_plugin.conversion.trunks import Trunk, features
from sdp_plugin.errors import UserError
from sdp_plugin.records import read_json_file

PLAIN = {f'resnet{depth}': depth for depth in (18, 34, 50, 101, 152)}
"""The plain ResNets by the name that torchvision, timm and MMPretrain give them."""

IMAGENET = {'mean': [123.675, 116.28, 103.53], 'std': [58.395, 57.12, 57.375], 'channel_order': 'rgb'}
"""What torchvision and nearly all of timm's ResNets were trained with."""

_TRAPS = {18: 'resnetblur18', 50: 'resnetblur50 or resnetaa50'}
_ROUNDING = 1e-4
_SIZE, _SEED = 96, 20220103


@dataclass(frozen=True)
class Statement:
    """What names the architecture of a file.

    Args:
        name (str): As timm or torchvision has it, without the tag of the weights: ``resnet50``.
        origin (str): Who says so.
        normalisation (dict): Of the inputs.
    """

    name: str
    origin: str
    normalisation: Mapping[str, Any] = field(default_factory=lambda: dict(IMAGENET))


def stated(path: Path, checkpoint: Mapping[str, Any], given: str | None) -> Statement | None:
    """What says the architecture of a checkpoint: a person, the checkpoint, or the config.json beside it.

    timm and torchvision's training script write ``arch``, safetensors files may have ``architecture`` among their
    metadata, and a download from the Hugging Face Hub has a config.json in its folder.

    Args:
        path: The checkpoint's file.
        checkpoint: Its content.
        given: What a person says, which goes before all.
    """
    meta = checkpoint.get('meta')
    sources = {
        '--architecture': {'architecture': given},
        'its metadata': meta if isinstance(meta, Mapping) else {},
        'the checkpoint': {'architecture': checkpoint.get('arch')},
        'config.json beside it': _config_beside(path),
    }
    for origin, values in sources.items():
        if isinstance(name := values.get('architecture'), str) and name:
            bare = name.rpartition('/')[2].partition('.')[0].lower()
            return Statement(bare, origin, _normalisation(values.get('pretrained_cfg')))
    return None


def reservation(statement: Statement | None, owner: str, trunk: Trunk, state: Mapping[str, Tensor]) -> Verdict | None:
    """What keeps the conversion of a plain ResNet's tensors from being exact.

    Args:
        statement: What names the architecture, if anything does.
        owner: Whose tensor names they are.
        trunk: The plain ResNet that has these tensors.
        state: The tensors.

    Returns:
        Verdict | None: None where the network is known to compute what the plain one does.

    Raises:
        UserError: If the tensors are not those of the stated architecture, or nobody knows it.
    """
    depth = trunk.settings['depth']
    plain = f'a plain ResNet-{depth}'
    if statement is None:
        traps = f"; timm's {_TRAPS[depth]} has the same tensors" if depth in _TRAPS else ''
        return _conditional(f'if this is {plain} of {owner}; the file does not say so{traps}; --architecture does')
    if statement.name in PLAIN:
        if PLAIN[statement.name] != depth:
            raise UserError(
                f'{statement.origin} calls the file a {statement.name}, and its tensors are those of {plain}.',
                remedy='correct the name (--architecture goes before all else)',
            )
        return None
    difference = _difference_from_timm(statement, trunk, state)
    if difference is None:
        return _conditional(
            f"if timm's {statement.name} computes what {plain} does, which needs timm to tell (pip install timm)"
        )
    if difference <= _ROUNDING:
        return None
    return weights_only(
        f"timm's {statement.name} computes another function of these tensors than {plain}: beside timm, the last "
        f'features differ by {difference:.1%}'
    )


def _conditional(note: str) -> Verdict:
    return Verdict('exact on condition', 0.0, note)


def _config_beside(path: Path) -> Mapping[str, Any]:
    try:
        values = read_json_file(path.parent / 'config.json')
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _normalisation(pretrained: Any) -> dict[str, Any]:
    """The constants in timm's config, which are for images from 0 to 1, for images from 0 to 255."""
    usual = dict(IMAGENET)
    for name in ('mean', 'std'):
        values = pretrained.get(name) if isinstance(pretrained, Mapping) else None
        if isinstance(values, (list, tuple)) and len(values) == 3 and all(isinstance(v, (int, float)) for v in values):
            usual[name] = [255 * value for value in values]
    return usual


@torch.no_grad()
def _difference_from_timm(statement: Statement, trunk: Trunk, state: Mapping[str, Tensor]) -> float | None:
    """How far the last feature maps are apart, relatively; None without timm."""
    try:
        import timm
    except ImportError:
        return None
    if not timm.is_model(statement.name):
        raise UserError(
            f'{statement.origin} names an architecture that nobody here knows.',
            looked_for=f'{", ".join(PLAIN)}, or a model of timm',
            found=statement.name,
            remedy='correct the name (--architecture goes before all else)',
        )
    with torch.device('meta'):  # a file may name the largest one
        theirs = timm.create_model(statement.name, pretrained=False, num_classes=0)
    if wrong := sorted(shapes_of(theirs.state_dict()).items() ^ shapes_of(state).items()):
        raise UserError(
            f'{statement.origin} calls the file a {statement.name}, which has other tensors.',
            found=f'{wrong[0][0]}, and {len(wrong) - 1} more, of one of them alone',
            remedy='correct the name (--architecture goes before all else)',
        )
    theirs, ours = timm.create_model(statement.name, pretrained=False, num_classes=0), trunk.build()
    for module in (ours, theirs):
        module.load_state_dict(dict(state), strict=False)  # without counters of batches, where it has none
    images = torch.randn(2, 3, _SIZE, _SIZE, generator=torch.Generator().manual_seed(_SEED))
    reference, computed = theirs.eval().forward_features(images), features(ours, images)[-1]
    if reference.shape != computed.shape:
        return float('inf')
    return float((computed - reference).norm() / reference.norm().clamp(min=1e-30))
