"""Plain values at the top of a config, and the places inside it that they stand for.

``--cfg-options fold=3`` is what a person wants to write; the fold belongs to the training and to the test set. This
module carries such a value to its places, from the config file and again from the command line.
"""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from mmengine.config import Config

from sdp_plugin.errors import UserError


@dataclass(frozen=True)
class Place:
    """Where a setting goes in a config: a dotted path, and what is added to a numeric value there.

    A part of the path picks a list's member by its position or by the last part of its ``type``.
    """

    path: str
    offset: int = 0


def _datasets(key: str) -> tuple[Place, ...]:
    return tuple(Place(f'{loader}_dataloader.dataset.{key}') for loader in ('train', 'val', 'test'))


PLACES: dict[str, tuple[Place, ...]] = {
    'data_root': _datasets('data_root'),
    'scribbles': (Place('train_dataloader.dataset.data_prefix.scribble_path'),),
    'line_width': tuple(
        Place(f'train_dataloader.dataset.pipeline.{name}.line_width') for name in ('LoadStrokes', 'LoadScribbles')
    ),
    'decode_first': (Place('train_dataloader.dataset.decode_first'),),
    'cache_dir': (Place('train_dataloader.dataset.cache_dir'),),
    'crop_size': (
        Place('train_dataloader.dataset.pipeline.RandomRescaledCrop.crop_size'),
        Place('train_dataloader.dataset.pipeline.RandomLabelledCrop.crop_size'),
        Place('model.data_preprocessor.size'),
    ),
    'output_stride': (Place('model.backbone.output_stride'),),
    'head_dilations': (Place('model.decode_head.dilations'),),
    'examples_per_class': (Place('train_dataloader.dataset.examples_per_class'),),
    'exclude': (Place('train_dataloader.dataset.exclude'),),
    'normalised': (Place('train_dataloader.dataset.normalised'),),
    'num_folds': _datasets('num_folds'),
    'fold': _datasets('fold'),
    'group_by': _datasets('group_by'),
    'group_pattern': _datasets('group_pattern'),
    'num_classes': (Place('model.head.num_classes'), Place('data_preprocessor.num_classes')),
    'input_size': (
        Place('train_dataloader.dataset.pipeline.Resize.scale'),
        Place('train_dataloader.dataset.pipeline.RandomCrop.crop_size'),
        Place('test_dataloader.dataset.pipeline.Resize.scale'),
        Place('custom_hooks.ModelCardHook.input_size'),
    ),
    'mpp': (Place('custom_hooks.ModelCardHook.mpp'),),
    'seed': (Place('randomness.seed'), Place('train_dataloader.dataset.seed')),
    'initialisation': (Place('default_hooks.initialisation.checkpoint'),),
    'batch_norm_images': (Place('default_hooks.initialisation.batch_norm_images'),),
    'batch_size': (Place('train_dataloader.batch_size'),),
    'num_workers': tuple(Place(f'{loader}_dataloader.num_workers') for loader in ('train', 'val', 'test')),
    'in_memory': (Place('train_cfg.in_memory'), Place('test_cfg.in_memory')),
    'precision': (Place('train_cfg.precision'), Place('test_cfg.precision'), Place('optim_wrapper.precision')),
    'channels_last': (Place('default_hooks.prepare_model.channels_last'),),
    'compile_backbone': (Place('default_hooks.prepare_model.compile_backbone'),),
    'checkpoint_minutes': (Place('default_hooks.checkpoint.minutes'),),
    'lr': (Place('optim_wrapper.optimizer.lr'),),
    'max_epochs': (Place('train_cfg.max_epochs'),),
    # PolyLR reaches zero one step before `end`; the stated schedule reaches it after the last iteration.
    'max_iters': (Place('train_cfg.max_iters'), Place('param_scheduler.0.end', offset=1)),
}


def load_config(path: str | Path, options: dict | None = None) -> Config:
    """Read a config file, merge overrides into it and carry its settings to their places.

    Args:
        path (str | Path): The config file.
        options (dict, optional): Overrides by dotted key, as ``--cfg-options`` parses them. Defaults to None.

    Returns:
        Config: The config to build from.

    Raises:
        UserError: If the file is missing or is no config, an override names a key that the config does not know, or a
            setting has no place in this config.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError('The config file is missing.', looked_for=path, remedy='ls configs/*/ lists those we ship')
    try:
        cfg = _with_plain_text(Config.fromfile(path))
    except Exception as error:
        # A config is a program, which can raise anything.
        raise UserError('The config file cannot be read.', found=f'{path}: {type(error).__name__}: {error}') from error
    _carry(cfg, [name for name in PLACES if name in cfg])
    options = options or {}
    # A copy, as merging takes `_delete_` out of the dicts that it is given.
    overrides = {_checked_key(cfg, key): copy.deepcopy(value) for key, value in options.items()}
    try:
        cfg.merge_from_dict(overrides)
    except (KeyError, TypeError) as error:
        raise UserError(
            '--cfg-options does not fit the config.',
            found=f'{error.args[0]}',
            remedy='name a value that is not a group of values, or a member that is there',
        ) from error
    # A place that is overridden by its own path keeps that value; a setting that is overridden goes to its places.
    _carry(cfg, [name for name in PLACES if name in options])
    _keep_no_workers_alive_where_there_are_none(cfg)
    return cfg


def _with_plain_text(cfg: Config) -> Config:
    # A training writes the text of its config four times; formatting it each time takes longer than building a network.
    # fromfile has an argument for this, and forgets it.
    return Config(cfg.to_dict(), cfg.text, cfg.filename, cfg.env_variables, format_python_code=False)


def change_settings(cfg: Config, values: Mapping[str, object]) -> Config:
    """Copy a loaded config with other values of its settings, some fifty times as fast as loading it again.

    Args:
        cfg (Config): A config that :func:`load_config` gave.
        values (Mapping[str, object]): Settings of ``PLACES`` by name.

    Returns:
        Config: What :func:`load_config` gives with these values among the options.

    Raises:
        UserError: If a setting has no place in this config.
    """
    changed = copy.deepcopy(cfg)
    for name, value in values.items():
        changed[name] = value
    _carry(changed, list(values))
    return changed


def _checked_key(cfg: Config, key: str) -> str:
    """The key as mmengine merges it: members of a list by position, where the key may name them by type."""
    first = key.split('.')[0]
    if first not in cfg:
        close = difflib.get_close_matches(first, cfg.keys(), n=3, cutoff=0.5)
        raise UserError(
            f'--cfg-options names {key!r}, but the config has no {first!r}.',
            looked_for=f'one of {", ".join(cfg.keys())}',
            remedy=f'did you mean {" or ".join(close)}?' if close else 'see the config for its values',
        )
    node: object = cfg
    *parents, last = key.split('.')
    checked = []
    for part in parents:
        checked.append(_member(node, part))
        node = _child(node, part)
        if node is None:
            raise UserError(f'--cfg-options names {key!r}, but the config has no {part!r} there.')
    return '.'.join([*checked, _member(node, last)])


def _child(node: object, part: str) -> object | None:
    part = _member(node, part)
    if not isinstance(node, (list, tuple)):
        return node.get(part) if isinstance(node, (Config, dict)) else None
    return node[int(part)] if part.isdigit() and int(part) < len(node) else None


def _member(node: object, part: str) -> str:
    """The part of a path, a list's member by its position where it is named by its type and is there."""
    if not isinstance(node, (list, tuple)):
        return part
    types = [str(member.get('type', '')).split('.')[-1] for member in node]
    return str(types.index(part)) if part in types else part


def _carry(cfg: Config, names: list[str]) -> None:
    for name in names:
        found = [(place, parent) for place in PLACES[name] if (parent := _parent_of(cfg, place.path)) is not None]
        if not found:
            raise UserError(
                f'This config has no place for the setting {name!r}.',
                looked_for=' or '.join(place.path for place in PLACES[name]),
                found=cfg.filename,
            )
        for place, parent in found:
            parent[place.path.rsplit('.', 1)[1]] = cfg[name] + place.offset if place.offset else cfg[name]


def _parent_of(cfg: Config, path: str) -> dict | None:
    """The dictionary that holds the last part of ``path``, or None where the config lacks the place."""
    *parents, last = path.split('.')
    node: object = cfg
    for part in parents:
        node = _child(node, part)
    return node if isinstance(node, dict) and last in node else None


def _keep_no_workers_alive_where_there_are_none(cfg: Config) -> None:
    # A DataLoader refuses persistent_workers=True with num_workers=0, the usual way to debug.
    for name in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        loader = cfg.get(name)
        if loader and loader.get('num_workers', 0) == 0:
            loader['persistent_workers'] = False
