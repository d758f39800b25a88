"""Loading a converted checkpoint into a model, with every tensor accounted for."""

from __future__ import annotations

import os
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import torch
from mmengine.logging import print_log
from torch import nn

from sdp_plugin.checkpoints.reading import load_checkpoint, state_dict_of
from sdp_plugin.conversion.carry_over import carry_over
from sdp_plugin.conversion.layouts import recognised
from sdp_plugin.conversion.source import TRUNK_PREFIX
from sdp_plugin.errors import UserError, shortened


def load_initialisation(model: nn.Module, path: str | os.PathLike) -> None:
    """Give a model's backbone the tensors of a checkpoint.

    Args:
        model: A classifier or segmentor with a ``backbone``. Its other parts keep their own initialisation.
        path: One that ``tools/convert_weights.py`` wrote; a ResNet of torchvision, timm or MMPretrain's zoo, which is
            converted on the way; or, where the backbone loads its authors' files itself, such a file.

    Raises:
        UserError: If the checkpoint was not converted, or a tensor is missing, left over or of another shape. Only
            tensors that the conversion lists as fresh may be missing. The model is left as it was.
    """
    if hasattr(model.backbone, 'load_weights'):
        model.backbone.load_weights(path)
        return
    checkpoint = load_checkpoint(path)
    if not checkpoint.get('meta') and recognised(state_dict_of(checkpoint)):
        checkpoint = _converted(Path(path), os.stat(path).st_mtime_ns)
    provenance = checkpoint['meta'].get('conversion') if isinstance(checkpoint.get('meta'), dict) else None
    if not provenance:
        raise UserError(
            f'{path} is no initialisation.',
            looked_for='a checkpoint written by tools/convert_weights.py',
            found='one without a record of its conversion',
            remedy=f'python tools/convert_weights.py {path} OUT, and use OUT',
        )
    given = state_dict_of(checkpoint)
    fresh = {TRUNK_PREFIX + name for name, _ in provenance['fresh']}
    own = {TRUNK_PREFIX + name: tensor for name, tensor in model.backbone.state_dict().items()}
    problems = {
        'missing': [name for name in own if name not in given and name not in fresh],
        'left over': [name for name in given if name not in own],
        'of another shape': [
            f'{name} {tuple(given[name].shape)} instead of {tuple(tensor.shape)}'
            for name, tensor in own.items()
            if name in given and given[name].shape != tensor.shape
        ],
    }
    found = [f'{kind}: {shortened(names)}' for kind, names in problems.items() if names]
    if found:
        raise UserError(
            f'{path} does not fit the backbone: it holds a {provenance["target"]["label"]}.',
            looked_for=f'the {len(own)} tensors of {_label(model.backbone)}',
            found='\n              '.join(found),
            remedy='convert a checkpoint of the same architecture and depth, or change the backbone in the config',
        )
    with torch.no_grad():
        for name, tensor in own.items():
            if name in given:
                tensor.copy_(given[name])
    _warn_of_verdict(path, provenance)
    _warn_of_other_normalisation(model, provenance['source']['normalisation'])


@lru_cache(maxsize=2)
def _converted(path: Path, changed: int) -> dict:
    # Hundreds of trainings in a process may start from one file.
    return carry_over(path).checkpoint()


def _label(backbone: nn.Module) -> str:
    depth = getattr(backbone, 'depth', None)
    return f'{type(backbone).__name__} of depth {depth}' if depth else type(backbone).__name__


def _warn_of_verdict(path: str | os.PathLike, provenance: Mapping[str, Any]) -> None:
    if provenance.get('verdict') in ('exact', 'equivalent'):
        return
    print_log(
        f'The initialisation {path} is {provenance.get("verdict")}: {provenance.get("verdict_note", "")}',
        logger='current',
        level=30,
    )


def _warn_of_other_normalisation(model: nn.Module, source: dict) -> None:
    preprocessor = getattr(model, 'data_preprocessor', None)
    mean = getattr(preprocessor, 'mean', None)
    if mean is None or not source['mean']:
        return
    own = {
        'mean': mean.flatten().tolist(),
        'std': preprocessor.std.flatten().tolist(),
    }
    differing = [
        name for name, values in own.items() if not torch.allclose(torch.tensor(values), torch.tensor(source[name]))
    ]
    if differing:
        print_log(
            f'The initialisation was trained with {", ".join(f"{name} {source[name]}" for name in differing)}; '
            f'this model normalises with {", ".join(f"{name} {own[name]}" for name in differing)}.',
            logger='current',
            level=30,
        )
