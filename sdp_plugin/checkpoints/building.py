"""The gate through which the config of a model that came in a file has to go before anything is built from it.

mmengine builds whatever a ``type`` names: it imports dotted names, calls functions, fetches weights by URL and reads
pickles that arguments name. That is right for a config that a person wrote, and wrong for one that came with weights. A
model from a file is made of classes that the libraries register as parts of models, with numbers, flags and words as
arguments, and nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module
from typing import Any

from mmengine.registry import DefaultScope, Registry
from mmengine.registry import registry as registry_module
from torch import nn

from sdp_plugin.errors import UserError

SCOPES = ('mmengine', 'mmseg', 'mmpretrain', 'sdp_plugin')
"""The packages whose registered classes a model in a file may be built of."""

_REGISTRIES = ('MODELS', 'WEIGHT_INITIALIZERS', 'TASK_UTILS', 'BATCH_AUGMENTS')
_PARTS_OF_MODELS = (
    'torch.nn.modules.',
    'mmengine.model.',
    'mmengine.utils.dl_utils.',
    'mmcv.cnn.bricks.',
    'mmcv.ops.',
    'mmseg.models.',
    'mmseg.structures.sampler.',
    'mmpretrain.models.',
    'sdp_plugin.models.',
)
_OTHERS = (
    # These fetch models of other libraries by name, or read files that their arguments name.
    'mmseg.models.backbones.vpd',
    'mmseg.models.text_encoder.',
    'mmpretrain.models.classifiers.hugging_face',
    'mmpretrain.models.classifiers.timm',
    'mmpretrain.models.heads.vqa_head',
    'mmpretrain.models.multimodal.',
    'mmpretrain.models.retrievers.',
    'mmpretrain.models.selfsup.',
    'mmpretrain.models.utils.huggingface',
    'mmpretrain.models.utils.tokenizer',
    'mmpretrain.models.utils.vector_quantizer',
)
_FILE_ARGUMENT = re.compile(r'(^|_)(pretrained|checkpoint|ckpt|path|file|filename|url|dir|folder|load_from)(_cfg)?$')
_CONFIG_SYNTAX = re.compile(r'_delete_|_base_|custom_imports|trust_remote_code|__.*')
_WORD = re.compile(r'[\w+ -]{0,80}', re.ASCII)
MAX_DEPTH = 50
MAX_VALUES = 100_000
MAX_NUMBER = 10**7
"""Larger than the size of anything in a network; what is larger could only exhaust the memory."""


def build_model(config: Mapping[str, Any], scope: str, trusted: bool = False) -> nn.Module:
    """Build the model that a checkpoint describes.

    Args:
        config: With ``type``, as in ``cfg.model``.
        scope: The package whose registry is asked: one of ``SCOPES``.
        trusted: Whether the config may name anything, as one that a person wrote.

    Raises:
        UserError: If the config asks for more than registered parts of models, or a class rejects its arguments.
    """
    if not trusted:
        check_model_config(config)
    try:
        with DefaultScope.overwrite_default_scope(scope), registered_names_only(not trusted):
            return import_module(f'{scope}.registry').MODELS.build(config)
    except UserError:
        raise
    except Exception as error:
        # Whatever a constructor raises is about the arguments that the file gives it.
        raise UserError(
            'The model that the checkpoint describes cannot be built.',
            looked_for="arguments that its classes take, in meta['cfg']",
            found=f'{type(error).__name__}: {str(error).strip()[:300]}',
            remedy='compare the versions of the packages with those that it was trained with, or fetch the file again',
        ) from error


def check_model_config(config: Any) -> None:
    """Check that a config from a file names registered parts of models alone, at any depth.

    Args:
        config: Plain values: mappings, sequences, text, numbers.

    Raises:
        UserError: If it names anything else, a file or a URL, or is of impossible size.
    """
    # Without recursion: a file decides how deep it is.
    waiting = [(config, 'model', 0)]
    seen = 0
    while waiting:
        value, place, depth = waiting.pop()
        seen += 1
        if depth > MAX_DEPTH or seen > MAX_VALUES:
            _refuse(place, 'a config without end', 'a config of a network')
        if isinstance(value, Mapping):
            _check_mapping(value, place)
            waiting += [(item, f'{place}.{key}', depth + 1) for key, item in value.items() if key != 'type']
        elif isinstance(value, (list, tuple, set)):
            waiting += [(item, f'{place}[{index}]', depth + 1) for index, item in enumerate(value)]
        else:
            _check_value(value, place)


def _check_mapping(mapping: Mapping, place: str) -> None:
    for key, value in mapping.items():
        if isinstance(key, str) and _CONFIG_SYNTAX.fullmatch(key):
            _refuse(place, f'the key {key}', 'arguments of classes')
        if key == 'type':
            _check_type(value, place)
        elif key == '_scope_' and value not in SCOPES:
            _refuse(place, f'_scope_ = {value!r:.80}', ', '.join(SCOPES))
        elif isinstance(key, str) and _FILE_ARGUMENT.search(key) and value not in (None, False):
            _refuse(f'{place}.{key}', f'{value!r:.80}', 'no weights but those in the checkpoint')
        elif key == 'class_weight' and isinstance(value, str):
            _refuse(f'{place}.{key}', f'the file {value!r:.80}', 'numbers')
        elif key == 'model_name':
            _check_timm_model(value, place)


def _check_type(value: Any, place: str) -> None:
    scope, _, name = value.rpartition('.') if isinstance(value, str) else ('', '', '')
    # A name without a scope may be found in any, a name with one in that and in the root of all registries.
    scopes = SCOPES if not scope else tuple(one for one in SCOPES if one in (scope, 'mmengine') and scope in SCOPES)
    kinds = _registered(name, scopes)
    if not kinds or not all(_is_part_of_a_model(kind) for kind in kinds):
        _refuse(f'{place}.type', f'{value!r:.80}', f'a part of models that {", ".join(SCOPES)} register')


def _check_value(value: Any, place: str) -> None:
    if isinstance(value, str):
        # A path or a URL is none of these; timm's model names, which may have a dot, are checked against its list.
        if not _WORD.fullmatch(value) and not place.endswith('.model_name'):
            _refuse(place, f'{value!r:.80}', 'a word')
    elif isinstance(value, (bool, type(None))):
        return
    elif not isinstance(value, (int, float)):
        _refuse(place, f'a {type(value).__name__}', 'numbers, flags and words')
    elif isinstance(value, int) and abs(value) > MAX_NUMBER:
        _refuse(place, f'{value:.3g}' if abs(value) < 10**300 else 'an endless number', f'numbers up to {MAX_NUMBER:,}')


def _check_timm_model(value: Any, place: str) -> None:
    try:
        known = import_module('timm').is_model(value)
    except (ImportError, TypeError, AttributeError):
        known = False
    if not known:
        _refuse(f'{place}.model_name', f'{value!r:.80}', 'the name of a network in timm')


def _registered(name: str, scopes: Iterable[str]) -> list[Any]:
    found = []
    for scope in scopes:
        module = import_module(f'{scope}.registry')
        for registry in (getattr(module, kind, None) for kind in _REGISTRIES):
            if isinstance(registry, Registry):
                registry.import_from_location()
                found += [registry.module_dict[name]] if name in registry.module_dict else []
    return found


def _is_part_of_a_model(kind: Any) -> bool:
    module = f'{getattr(kind, "__module__", "")}.'
    return isinstance(kind, type) and module.startswith(_PARTS_OF_MODELS) and not module.startswith(_OTHERS)


def _refuse(place: str, found: str, looked_for: str) -> None:
    raise UserError(
        'The checkpoint describes a model that is not built: it could run code or read files.',
        looked_for=looked_for,
        found=f'{place[:200]}: {found}',
        remedy='get the weights from a source that you trust; only if you trust this very file, add --trust',
    )


@contextmanager
def registered_names_only(active: bool = True) -> Iterator[None]:
    """Keep mmengine's registries from importing what is not registered: a second wall behind the check.

    Args:
        active (bool): False leaves them as they are. Defaults to True.
    """
    if not active:
        yield
        return
    importing = registry_module.get_object_from_string
    registry_module.get_object_from_string = lambda name: None
    try:
        yield
    finally:
        registry_module.get_object_from_string = importing
