"""Any model of timm as the backbone of a classifier, with the weights of a file that is loaded to the last tensor."""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from importlib import import_module
from math import isqrt
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from mmengine.model import BaseModule
from torch import Tensor, nn

from sdp_plugin.checkpoints.weight_files import read_weights
from sdp_plugin.errors import UserError, shortened
from sdp_plugin.models.backbones.tensor_names import described, origin_of, renamed
from sdp_plugin.registry import MODELS

POOLINGS = ('model', 'cls', 'mean', 'cls+mean')
LAYOUTS = ('timm', 'transformers')
BEFORE_BLOCKS = ('cls_token', 'reg_token', 'pos_embed', 'patch_embed', 'norm_pre')
LEFT_BEHIND = ('head.', 'head_dist.', 'fc.', 'classifier.', 'pooler.', 'mask_token', 'embeddings.mask_token')
"""Beginnings of the names of tensors that no feature depends on: heads of classes, and the mask of a training."""


@MODELS.register_module()
class TimmBackbone(BaseModule):
    """A model of timm that returns one feature vector an image; the same class with the same weights, so exact.

    Its tensors are named ``trunk.*``. Where the model takes ``dynamic_img_size``, images may have any size that the
    patches divide, and the table of positions is resampled as timm does it.

    Args:
        model (str): The name of the architecture in timm.
        arguments (Mapping[str, Any] | None): What :func:`timm.create_model` takes besides; layers by their names in
            ``timm.layers`` or ``torch.nn``. Defaults to None.
        pooling (str): Of a vision transformer ``'cls'``; ``'mean'``, of the patches without class token and registers;
            or ``'cls+mean'``, one after the other, as of Virchow2. ``'model'`` is what timm itself does, for any model.
            Defaults to ``'model'``.
        layout (str): Whose names the tensors of a file have: ``'timm'`` or ``'transformers'``. Defaults to ``'timm'``.
        frozen (bool): Whether the weights stay as they are; the model is then always in evaluation mode. Defaults to
            False.
        drop_path_rate (float): Stochastic depth in training. Defaults to 0.

    Raises:
        UserError: timm is not installed, has no such model, or does not take the arguments.
    """

    def __init__(
        self,
        model: str,
        arguments: Mapping[str, Any] | None = None,
        pooling: str = 'model',
        layout: str = 'timm',
        frozen: bool = False,
        drop_path_rate: float = 0.0,
    ) -> None:
        super().__init__()
        for value, known, what in ((pooling, POOLINGS, 'pooling'), (layout, LAYOUTS, 'layout')):
            if value not in known:
                raise UserError(f'Unknown {what}.', looked_for=', '.join(map(repr, known)), found=repr(value))
        self.name, self.pooling, self.layout, self.frozen = model, pooling, layout, frozen
        self.trunk = _created(model, {**(arguments or {}), 'drop_path_rate': drop_path_rate})
        if pooling != 'model' and not hasattr(self.trunk, 'num_prefix_tokens'):
            raise UserError(
                f'{model} has no tokens to pool.', looked_for="pooling='model'", found=f'pooling={pooling!r}'
            )
        if 'cls' in pooling and getattr(self.trunk, 'cls_token', None) is None:
            raise UserError(f'{model} has no class token.', looked_for="pooling='mean'", found=f'pooling={pooling!r}')
        self.trunk.requires_grad_(not frozen)

    @property
    def out_channels(self) -> int:
        """Length of the feature vector."""
        return self.trunk.num_features * (2 if self.pooling == 'cls+mean' else 1)

    def init_weights(self) -> None:
        """Nothing: timm has drawn its weights, and a file is loaded by :meth:`load_weights`."""

    def train(self, mode: bool = True) -> TimmBackbone:
        """Training mode, which a frozen model does not enter."""
        return super().train(mode and not self.frozen)

    def forward(self, inputs: Tensor) -> tuple[Tensor]:
        """Compute the features.

        Args:
            inputs (Tensor): Images (N, 3, H, W), float, normalised.

        Returns:
            tuple[Tensor]: Features (N, out_channels).
        """
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            tokens = self.trunk.forward_features(inputs)
            return (self._pooled(tokens),)

    def _pooled(self, tokens: Tensor) -> Tensor:
        if self.pooling == 'model':
            return self.trunk.forward_head(tokens, pre_logits=True)
        parts = {'cls': lambda: tokens[:, 0], 'mean': lambda: tokens[:, self.trunk.num_prefix_tokens :].mean(dim=1)}
        # Where timm averages by default, its last norm comes after the pooling.
        norm = getattr(self.trunk, 'fc_norm', nn.Identity())
        return torch.cat([norm(parts[part]()) for part in self.pooling.split('+')], dim=1)

    def get_layer_depth(self, param_name: str, prefix: str = '') -> tuple[int, int]:
        """The depth of a parameter, by which MMPretrain's optimiser constructor lets learning rates decay.

        Args:
            param_name (str): The name of the parameter, with the prefix.
            prefix (str): What precedes the backbone's names. Defaults to ``''``.

        Returns:
            tuple[int, int]: 0 for patches and positions, then the number of the block from 1, and the last for what
            comes after the blocks; and how many there are.

        Raises:
            UserError: The model has no list of blocks.
        """
        if not isinstance(getattr(self.trunk, 'blocks', None), nn.Sequential | nn.ModuleList):
            raise UserError(
                f'{self.name} has no list of blocks along which learning rates could decay.',
                remedy='leave out the constructor of optim_wrapper',
            )
        count = len(self.trunk.blocks) + 2
        name = param_name.removeprefix(prefix).removeprefix('trunk.')
        if not param_name.startswith(prefix):
            return count - 1, count
        if block := re.match(r'blocks\.(\d+)\.', name):
            return int(block[1]) + 1, count
        return (0 if name.startswith(BEFORE_BLOCKS) else count - 1), count

    def load_weights(self, path: str | Path) -> tuple[str, ...]:
        """Give the model the weights of a file, every tensor of it.

        Args:
            path (str | Path): ``.pth``, ``.bin`` or ``.safetensors``; the index of a file in several parts
                (``*.index.json``); or a folder that holds one of them.

        Returns:
            tuple[str, ...]: The names of the tensors that were left behind: heads, and the mask of training.

        Raises:
            UserError: The file cannot be read, or is not one of this model: it names the tensors that are missing, left
                over or of another shape, and whose layout the file has. The model is left as it was.
        """
        tensors, left_behind = self._fitting(read_weights(path), path)
        if damaged := [name for name, tensor in tensors.items() if not tensor.isfinite().all()]:
            raise UserError('Some weights are not finite.', found=f'{path}: {shortened(damaged)}')
        with torch.no_grad():
            for name, tensor in self.trunk.state_dict().items():
                tensor.copy_(tensors[name])
        return left_behind

    def check_weights(self, path: str | Path) -> None:
        """Check that a file is one of this model, by the names and shapes of its tensors, without reading them.

        Raises:
            UserError: What :meth:`load_weights` raises.
        """
        self._fitting(read_weights(path, 'meta'), path)

    def _fitting(self, given: Mapping[str, Tensor], path: str | Path) -> tuple[dict[str, Tensor], tuple[str, ...]]:
        """The tensors of a file under the names of the model, and the names of those that are left behind."""
        own = self.trunk.state_dict()
        left_behind = tuple(name for name in given if name.startswith(LEFT_BEHIND) and name not in own)
        tensors = {name: tensor for name, tensor in given.items() if name not in left_behind}
        found = origin_of(tensors)
        if self.layout == 'transformers' and found == 'transformers':
            tensors = dict(renamed(tensors, splits_position='reg_token' in own))
        tensors = _with_resampled_positions(tensors, self.trunk)
        problems = {
            'missing': [name for name in own if name not in tensors],
            'left over': [name for name in tensors if name not in own],
            'of another shape': [
                f'{name} {tuple(tensor.shape)} instead of {tuple(own[name].shape)}'
                for name, tensor in tensors.items()
                if name in own and own[name].shape != tensor.shape
            ],
        }
        if any(problems.values()):
            raise UserError(
                f'{path} is not a file of {self.name} as the config describes it.',
                looked_for=f'{len(own)} tensors with the names of {self.layout}',
                found='; '.join(f'{kind}: {shortened(names)}' for kind, names in problems.items() if names)
                + f'. The file looks like {described(given, found)}',
                remedy='name the file of this model, or the card of the model that the file is of',
            )
        return tensors, left_behind


def check_file(path: str | Path, **settings: Any) -> None:
    """Check that a file is one of the model that these settings of :class:`TimmBackbone` describe.

    Neither the model nor the numbers in the file take memory.

    Raises:
        UserError: What :class:`TimmBackbone` and :meth:`TimmBackbone.load_weights` raise.
    """
    with torch.device('meta'):
        backbone = TimmBackbone(**settings)
    backbone.check_weights(path)


def _created(model: str, arguments: Mapping[str, Any]) -> nn.Module:
    timm = _timm()
    if not timm.is_model(model):
        close = timm.list_models(f'*{model}*')[:5]
        raise UserError(f'timm {timm.__version__} has no model {model!r}.', looked_for=', '.join(close) or None)
    arguments = {name: _layer(value) if name.endswith('_layer') else value for name, value in arguments.items()}
    if 'dynamic_img_size' in inspect.signature(timm.models.VisionTransformer).parameters and model.startswith('vit_'):
        arguments.setdefault('dynamic_img_size', True)
    try:
        return timm.create_model(model, pretrained=False, num_classes=0, **arguments)
    except (TypeError, ValueError, AssertionError, RuntimeError) as error:
        raise UserError(
            f'timm does not build {model} with these arguments.', looked_for=dict(arguments), found=error
        ) from error


def _layer(value: Any) -> Any:
    """A class by its name in ``timm.layers`` or ``torch.nn``."""
    if not isinstance(value, str):
        return value
    for module in (import_module('timm.layers'), nn):
        if callable(getattr(module, value, None)):
            return getattr(module, value)
    raise UserError(f'There is no layer {value!r}.', looked_for='a class of timm.layers or torch.nn')


def _timm() -> ModuleType:
    try:
        return import_module('timm')
    except ImportError as error:
        raise UserError(
            'Models of timm need the package of that name.',
            found='not installed',
            remedy="pip install '.[timm]'",
        ) from error


def _with_resampled_positions(tensors: Mapping[str, Tensor], trunk: nn.Module) -> dict[str, Tensor]:
    """A table of positions of another grid resampled as timm does it: bicubic, antialiased."""
    given, own = tensors.get('pos_embed'), getattr(trunk, 'pos_embed', None)
    if given is None or own is None or given.ndim != 3 or given.shape[1] == own.shape[1]:
        return dict(tensors)
    prefix = 0 if getattr(trunk, 'no_embed_class', False) else trunk.num_prefix_tokens
    side = isqrt(max(given.shape[1] - prefix, 0))
    if side < 2 or side**2 != given.shape[1] - prefix or given.shape[2] != own.shape[2]:
        return dict(tensors)
    resample = import_module('timm.layers').resample_abs_pos_embed
    grid = trunk.patch_embed.grid_size
    return {**tensors, 'pos_embed': resample(given, new_size=list(grid), num_prefix_tokens=prefix)}
