"""Ids of cells: a digest of all that influences a result, and of nothing else.

An id is what makes it safe to go on with a half-finished grid. It is taken from the resolved config, not from how the
config was written, less what says only where things lie or how they are logged (:data:`PLACE_ONLY`), together with the
data's fingerprint, the initialisation and the versions of what computes.

What an id cannot know: edits of the code between two releases, and the device. Both are recorded with each result.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import sdp_plugin
from sdp_plugin.files import sha256_of

DIGITS = 12

# Dotted paths into a resolved config; `*` is any key.
PLACE_ONLY: Mapping[str, str] = MappingProxyType(
    {
        'work_dir': 'a place',
        'experiment_name': 'a name for logs',
        'launcher': 'how processes are started',
        'resume': 'a resumed training is the same training',
        'num_workers': 'how fast images are loaded',
        '*_dataloader.num_workers': 'how fast images are loaded',
        '*_dataloader.persistent_workers': 'how fast images are loaded',
        '*_dataloader.pin_memory': 'how fast images are loaded',
        '*_dataloader.prefetch_factor': 'how fast images are loaded',
        'decode_first': 'how fast images are loaded',
        'cache_dir': 'a place',
        '*_dataloader.dataset.decode_first': 'how fast images are loaded',
        '*_dataloader.dataset.cache_dir': 'a place',
        'log_level': 'logging',
        'log_processor': 'logging',
        'vis_backends': 'logging',
        'visualizer': 'logging',
        'default_hooks.logger': 'logging',
        'default_hooks.timer': 'logging',
        'default_hooks.visualization': 'logging',
        'checkpoint_minutes': 'how often a training can be gone on from',
        'default_hooks.checkpoint': 'how often a training can be gone on from',
        'default_hooks.trunks': 'what is kept along the way',
        'test_interval': 'what is measured along the way',
        'default_hooks.periodic_test': 'what is measured along the way',
        'env_cfg.mp_cfg': 'how processes are started',
        'env_cfg.dist_cfg': 'how processes are started',
        'initialisation': 'the grid says which, and its content counts',
        'default_hooks.initialisation.checkpoint': 'the grid says which, and its content counts',
    }
)
# Left out only where the data's fingerprint says what is there.
DATA_PLACES = ('data_root', 'scribbles', '*_dataloader.dataset.data_root', '*_dataloader.dataset.data_prefix')

# Of a data set's config, what says which of its images are trained and tested on, and not what they are; and what makes
# one draw another.
DIVISION = ('examples_per_class', 'num_folds', 'fold', 'fold_seed', 'group_by', 'group_pattern', 'seed')
DRAW = ('fold', 'seed')

# What computes, with the distributions that may provide it: the maintained forks', then upstream's.
DISTRIBUTIONS: Mapping[str, Sequence[str]] = MappingProxyType(
    {
        'torch': ('torch',),
        'torchvision': ('torchvision',),
        'numpy': ('numpy',),
        'mmengine': ('onedl-mmengine', 'mmengine'),
        'mmcv': ('onedl-mmcv', 'mmcv', 'mmcv-lite'),
        'mmseg': ('onedl-mmsegmentation', 'mmsegmentation'),
        'mmpretrain': ('onedl-mmpretrain', 'mmpretrain'),
    }
)


@lru_cache
def versions() -> dict[str, str]:
    """Versions of sdp_plugin and of the libraries that compute, read without importing them.

    Returns:
        dict[str, str]: By import name. The local part, as in ``2.13.0+cu126``, is left out: it names the build for a
        device, and one grid may run on several.
    """
    found = {name: _version(distributions) for name, distributions in DISTRIBUTIONS.items()}
    return {'sdp_plugin': sdp_plugin.__version__} | found


def _version(distributions: Sequence[str]) -> str:
    for distribution in distributions:
        try:
            return version(distribution).split('+')[0]
        except PackageNotFoundError:
            continue
    return 'none'


def digest(values: object) -> str:
    """Twelve hexadecimal digits of the SHA-256 of canonical JSON: the order of keys and tuple or list are the same."""
    text = json.dumps(values, sort_keys=True, separators=(',', ':'), default=_plain)
    return hashlib.sha256(text.encode()).hexdigest()[:DIGITS]


def _plain(value: object) -> object:
    """What JSON lacks and a config may hold: sets, classes and functions by name, other values as text."""
    if isinstance(value, set | frozenset):
        return sorted(map(str, value))
    return getattr(value, '__qualname__', None) or str(value)


def file_digest(path: Path) -> str:
    """Twelve hexadecimal digits of the SHA-256 of a file's content."""
    return sha256_of(path)[:DIGITS]


def training_digest(
    config: Mapping[str, Any], *, work: str, data: Sequence[str] | None, versions: Mapping[str, str]
) -> str:
    """The part of an id that cells have in common which differ in their initialisation only.

    Args:
        config (Mapping[str, Any]): The resolved config, with all options applied, as plain values.
        work (str): The work function that runs it, ``'module:function'``.
        data (Sequence[str] | None): Fingerprints of the data; None where they are not known, which leaves the data's
            places in the id: it is preliminary then.
        versions (Mapping[str, str]): Versions of what computes.

    Returns:
        str: Twelve hexadecimal digits.
    """
    relevant: Any = config
    for path in (*PLACE_ONLY, *(DATA_PLACES if data is not None else ())):
        relevant = _without(relevant, path.split('.'))
    return digest(dict(config=relevant, work=work, data=data, versions=dict(versions)))


def cell_id(training: str, initialisation: str | None) -> str:
    """The id of a cell.

    Args:
        training (str): What :func:`training_digest` gives.
        initialisation (str | None): Id of the pre-training or digest of the checkpoint to start from; None is random.

    Returns:
        str: Twelve hexadecimal digits.
    """
    return digest([training, initialisation])


def _without(values: Any, path: Sequence[str]) -> Any:
    """A copy less what the path names, which shares with the original what it leaves as it is."""
    if not isinstance(values, Mapping):
        return values
    first, *rest = path
    named = [key for key in values if _matches(str(key), first)]
    if not named:
        return values
    kept = {key: value for key, value in values.items() if rest or key not in named}
    return kept | {key: _without(values[key], rest) for key in named if rest}


def _matches(key: str, pattern: str) -> bool:
    return key == pattern or (pattern.startswith('*') and key.endswith(pattern[1:]))


def loaders_without(cfg: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """The data sets of a config in their places, less some keys."""
    loaders = {name: cfg.get(name) for name in ('train_dataloader', 'test_dataloader')}
    return {
        name: dict(dataset={key: value for key, value in loader['dataset'].items() if key not in keys})
        for name, loader in loaders.items()
        if loader
    }


def features_part(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """What of a config decides on the features of its images."""
    model = cfg.get('model') or {}
    return dict(
        model={part: model.get(part) for part in ('backbone', 'neck')},
        batch_norm_images=cfg.get('batch_norm_images'),
        data_preprocessor=model.get('data_preprocessor') or cfg.get('data_preprocessor'),
        test_pipeline=((cfg.get('test_dataloader') or {}).get('dataset') or {}).get('pipeline'),
        test_cfg=cfg.get('test_cfg'),
        **loaders_without(cfg, ('pipeline', *DIVISION)),
    )
