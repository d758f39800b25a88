"""Backbones by their config: finding it in a model's config, completing it with defaults, building and running it."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import torch
from mmengine.registry import DefaultScope, Registry
from torch import Tensor, nn

from sdp_plugin.checkpoints.building import registered_names_only
from sdp_plugin.errors import UserError

SCOPES = ('mmseg', 'mmpretrain', 'sdp_plugin')
SEGMENTORS = ('EncoderDecoder', 'CascadeEncoderDecoder')
CLASSIFIERS = ('ImageClassifier',)
ADAPTER = 'sdp_plugin.SegmentationBackbone'
ATROUS = ('sdp_plugin.AtrousResNet', 'sdp_plugin.AtrousResNeXt')

_TRAINING_ONLY = ('init_cfg', 'pretrained', 'frozen_stages', 'norm_eval', 'with_cp', 'zero_init_residual')
"""Arguments that change how a backbone is trained or initialised, never what it computes from given weights."""


@dataclass(frozen=True)
class Trunk:
    """A backbone as a config describes it.

    Args:
        scope (str): The package whose registry knows it: mmseg, mmpretrain or sdp_plugin.
        name (str): Its class.
        settings (dict): The arguments that decide what it computes.
        is_of_file (bool): Whether the config came with weights that nobody vouches for: it is built of registered
            classes, and nothing is imported for it.
    """

    scope: str
    name: str
    settings: dict[str, Any]
    is_of_file: bool = False

    @property
    def kind(self) -> str:
        """The class with its scope, as configs may write it."""
        return f'{self.scope}.{self.name}'

    @property
    def is_of_segmentor(self) -> bool:
        """Whether segmentors are built on this class."""
        return self.scope == 'mmseg' or self.kind in ATROUS

    @property
    def config(self) -> dict[str, Any]:
        """The config that builds it."""
        return {'type': self.kind, **self.settings}

    @property
    def label(self) -> str:
        """What a person calls it."""
        depth = self.settings.get('depth')
        return f'{self.kind} of depth {depth}' if depth else self.kind

    def with_settings(self, **settings: Any) -> Trunk:
        """The same backbone with other settings."""
        return replace(self, settings={**self.settings, **settings})

    def complete_settings(self) -> dict[str, Any]:
        """Its settings and the defaults of those that the config leaves out."""
        return {**default_settings(self.scope, self.name), **self.settings}

    def build(self) -> nn.Module:
        """Build it in evaluation mode, with weights as its layers draw them.

        Raises:
            UserError: If the class rejects its settings.
        """
        with DefaultScope.overwrite_default_scope(self.scope), registered_names_only(self.is_of_file):
            try:
                module = _models(self.scope).build({'type': self.name, **self.settings})
            except Exception as error:
                # Whatever a backbone's constructor raises is about the settings that a config gives it.
                raise UserError(
                    f'The backbone {self.label} cannot be built from its config.',
                    looked_for=f'settings that {self.kind} takes',
                    found=f'{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error) else ""}',
                    remedy="correct the model's backbone in the config",
                ) from error
        module.eval()
        return module


def trunk_from_config(config: Mapping[str, Any], default_scope: str, is_of_file: bool = False) -> Trunk:
    """The trunk that a backbone's config describes.

    Args:
        config: With ``type``, and possibly ``_scope_``.
        default_scope: Where a type without a scope is looked up.
        is_of_file: See :class:`Trunk`. Defaults to False.
    """
    settings = _plain(config)
    scope = settings.pop('_scope_', default_scope)
    kind = settings.pop('type')
    prefix, _, name = kind.rpartition('.')
    for setting in _TRAINING_ONLY:
        settings.pop(setting, None)
    return Trunk(prefix or scope, name, settings, is_of_file)


def trunk_of_model(config: Mapping[str, Any], is_of_file: bool = False) -> Trunk:
    """The trunk of a segmentor or classifier.

    Args:
        config: A whole config, with ``model`` and ``default_scope``.
        is_of_file: See :class:`Trunk`. Defaults to False.

    Raises:
        UserError: If the config has no such model.
    """
    model = config.get('model') or {}
    kind = str(model.get('type', 'nothing')).rpartition('.')[2]
    scopes = dict.fromkeys(SEGMENTORS, 'mmseg') | dict.fromkeys(CLASSIFIERS, 'mmpretrain')
    if kind not in scopes or not model.get('backbone'):
        raise UserError(
            'The config describes no model whose backbone can be converted.',
            looked_for=f'model.type among {", ".join(scopes)}, with a backbone',
            found=f'model.type = {kind}',
            remedy='name the config of a segmentor or classifier (--config)',
        )
    return trunk_from_config(model['backbone'], scopes[kind], is_of_file)


def default_settings(scope: str, name: str) -> dict[str, Any]:
    """The arguments of a backbone class and their defaults, those that it hands on to its parents included.

    Raises:
        UserError: If the registry of ``scope`` knows no such class.
    """
    cls = _class_of(scope, name)
    defaults: dict[str, Any] = {}
    for ancestor in cls.__mro__:
        if '__init__' not in vars(ancestor) or ancestor is nn.Module:
            continue
        parameters = inspect.signature(ancestor.__init__).parameters.values()
        for parameter in parameters:
            if parameter.default is not parameter.empty and parameter.name not in _TRAINING_ONLY:
                defaults.setdefault(parameter.name, parameter.default)
        if all(parameter.kind is not parameter.VAR_KEYWORD for parameter in parameters):
            break
    return defaults


@torch.no_grad()
def features(module: nn.Module, inputs: Tensor) -> tuple[Tensor, ...]:
    """The feature maps that a backbone returns, as a flat tuple."""
    outputs = module(inputs)
    return tuple(_tensors(outputs))


def _tensors(outputs: Any) -> list[Tensor]:
    if isinstance(outputs, Tensor):
        return [outputs]
    return [tensor for output in outputs for tensor in _tensors(output)]


def _class_of(scope: str, name: str) -> type:
    with DefaultScope.overwrite_default_scope(scope if scope in SCOPES else None), registered_names_only():
        cls = _models(scope).get(name)
    if cls is None:
        raise UserError(
            'There is no such backbone.',
            looked_for=f'a class registered in {scope}',
            found=name,
            remedy="correct the type of the model's backbone in the config",
        )
    return cls


def _models(scope: str) -> Registry:
    if scope not in SCOPES:
        raise UserError(
            'The backbone belongs to a package that the conversion does not know.',
            looked_for=', '.join(SCOPES),
            found=scope,
            remedy='add a key map for it: see sdp_plugin/conversion/key_maps',
        )
    return import_module(f'{scope}.registry').MODELS


def _plain(value: Any) -> Any:
    """Config containers as plain ones, and synchronised batch norm, which needs a process group, as batch norm."""
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return type(value)(_plain(item) for item in value)
    return 'BN' if value == 'SyncBN' else value
