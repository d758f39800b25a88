"""Reading a config, merging overrides into it, and carrying its settings to their places."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from sdp_plugin.errors import UserError, shortened
from sdp_plugin.settings.inheritance import check_bases, written_above
from sdp_plugin.settings.options import check_option
from sdp_plugin.settings.schema import SETTINGS, Place

READ_BY_THE_RUNNER = (
    *('model', 'work_dir', 'train_dataloader', 'val_dataloader', 'test_dataloader', 'train_cfg', 'val_cfg', 'test_cfg'),
    *('auto_scale_lr', 'optim_wrapper', 'param_scheduler', 'val_evaluator', 'test_evaluator', 'default_hooks'),
    *('custom_hooks', 'data_preprocessor', 'load_from', 'resume', 'launcher', 'env_cfg', 'log_processor', 'log_level'),
    *('visualizer', 'default_scope', 'randomness', 'experiment_name'),
)
"""What MMEngine's runner takes of a config. The other names at its top are variables of the config, or settings."""


def read_config(path: str | Path, problem: str = 'The config file cannot be read.') -> Config:
    """Read a config file as it is written, ours or one of another project: settings are where they stand.

    Args:
        path (str | Path): The config file.
        problem (str): What to say if it cannot be read.

    Raises:
        UserError: It is missing, inherits from itself, or is no config.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError('The config file is missing.', looked_for=path, remedy='ls configs/*/ lists those we ship')
    try:
        check_bases(path)
        return Config.fromfile(path)
    except UserError:
        raise
    except (Exception, SystemExit) as error:
        # A config is a program, which can raise anything.
        raise UserError(problem, found=f'{path}: {type(error).__name__}: {error}') from error


def load_config(path: str | Path, options: dict | None = None) -> Config:
    """Read a config file, merge overrides into it and carry its settings to their places.

    Args:
        path (str | Path): The config file.
        options (dict, optional): Overrides by dotted key, as ``--cfg-options`` parses them. Defaults to None.

    Returns:
        Config: The config to build from.

    Raises:
        UserError: If the file is missing or is no config, an override names a key that the config does not know or a
            value of another kind, a setting has a value that it cannot have or no place in this config, or a file
            writes a value where a setting of its base goes.
    """
    cfg = _with_plain_text(read_config(path))
    options = options or {}
    _refuse_what_settings_would_overwrite(cfg, Path(path))
    # Before settings go to their places, after which these are no longer equal to what was made of them.
    _refuse_what_is_used_already(cfg, options)
    _carry(cfg, [name for name in SETTINGS if name in cfg])
    # Of which type something is decides what it takes.
    for are_types in (True, False):
        _merge(cfg, {key: value for key, value in options.items() if key.endswith('.type') is are_types})
    # A place that is overridden by its own path keeps that value; a setting that is overridden goes to its places.
    overridden = [name for name in SETTINGS if name in options]
    _carry(cfg, overridden)
    _refuse_contradictions(cfg, overridden, options)
    _keep_no_workers_alive_where_there_are_none(cfg)
    return cfg


def _refuse_what_settings_would_overwrite(cfg: Config, path: Path) -> None:
    for name in (name for name in SETTINGS if name in cfg):
        value = SETTINGS[name].checked(name, cfg[name])
        for place, parent, last in _places_in(cfg, name):
            there, inherited = parent[last], _at(place, value)
            if there != inherited and (file := written_above(path, name, place.path.split('.'))):
                raise UserError(
                    f'{file} writes a value where a setting of its base goes, which would overwrite it.',
                    found=f'{there!r} at {place.path}, and {inherited!r} by {name} = {cfg[name]!r}',
                    remedy=f'write {name} = ... at the top of {file.name} instead: it goes to all its places',
                )


def _refuse_contradictions(cfg: Config, settings: list[str], options: Mapping[str, object]) -> None:
    by_path = {_by_position(cfg, key): key for key in options if key not in settings}
    for name in settings:
        for place in SETTINGS[name].places:
            key = by_path.get(_by_position(cfg, place.path))
            if key is not None and options[key] != _at(place, cfg[name]):
                raise UserError(
                    f'--cfg-options says two things of {key!r}.',
                    found=f'{name}={options[name]}, which goes there too, and {key}={options[key]}',
                    remedy='give one of them',
                )


def _merge(cfg: Config, options: Mapping[str, object]) -> None:
    # A copy, as merging takes `_delete_` out of the dicts that it is given.
    overrides = {_checked_key(cfg, key, value): copy.deepcopy(value) for key, value in options.items()}
    try:
        cfg.merge_from_dict(overrides)
    except (KeyError, TypeError) as error:
        raise UserError(
            '--cfg-options does not fit the config.',
            found=f'{error.args[0]}',
            remedy='name a value that is not a group of values, or a member that is there',
        ) from error


def _with_plain_text(cfg: Config) -> Config:
    # A training writes the text of its config four times; formatting it each time takes longer than building a network.
    # fromfile has an argument for this, and forgets it.
    return Config(cfg.to_dict(), cfg.text, cfg.filename, cfg.env_variables, format_python_code=False)


def change_settings(cfg: Config, values: Mapping[str, object]) -> Config:
    """Copy a loaded config with other values of its settings, some fifty times as fast as loading it again.

    Args:
        cfg (Config): A config that :func:`load_config` gave.
        values (Mapping[str, object]): Settings of ``SETTINGS`` by name.

    Returns:
        Config: What :func:`load_config` gives with these values among the options.

    Raises:
        UserError: If a setting has a value that it cannot have, or no place in this config.
    """
    changed = copy.deepcopy(cfg)
    for name, value in values.items():
        changed[name] = value
    _carry(changed, list(values))
    _keep_no_workers_alive_where_there_are_none(changed)
    return changed


def carry_settings(cfg: Config) -> None:
    """Carry the settings of a config, which may be none of ours, to those places that it has.

    Args:
        cfg (Config): As a file gives it; changed in place.

    Raises:
        UserError: If a setting has a value that it cannot have.
    """
    _carry(cfg, [name for name in SETTINGS if name in cfg and _places_in(cfg, name)])


def settings_of(cfg: Config) -> dict[str, Any]:
    """The settings of a config by name, without those of which a place has got another value by its own path."""
    return {
        name: cfg[name]
        for name in SETTINGS
        if name in cfg and all(at[last] == _at(place, cfg[name]) for place, at, last in _places_in(cfg, name))
    }


def _checked_key(cfg: Config, key: str, value: object) -> str:
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
    if key not in SETTINGS:
        check_option(cfg, key, node, _member(node, last), value)
    return '.'.join([*checked, _member(node, last)])


def _refuse_what_is_used_already(cfg: Config, options: Mapping[str, object]) -> None:
    for key in options:
        first = key.split('.')[0]
        if places := _copies_of(cfg, first):
            raise UserError(
                f'--cfg-options names {key!r}, but nothing reads {first!r} any more: the config has used it already.',
                looked_for=f'a path of what is read, such as {shortened(places, 3)}',
                remedy='override it there, or in a config of yours with this one as its _base_',
            )


def _copies_of(cfg: Config, name: str) -> list[str]:
    """Where a list or dict at the top of a config, which nothing but the config itself reads, has been put to use."""
    variable = cfg.get(name)
    if name in SETTINGS or name in READ_BY_THE_RUNNER or not variable or not isinstance(variable, (list, dict)):
        return []
    found: list[str] = []
    left = [(path, cfg[path]) for path in cfg if path in READ_BY_THE_RUNNER]
    while left:
        path, value = left.pop(0)
        if value == variable:
            found.append(path)
        elif isinstance(value, (list, dict)):
            children = value.items() if isinstance(value, dict) else enumerate(value)
            left.extend((f'{path}.{key}', child) for key, child in children)
    return found


def _child(node: object, part: str) -> object | None:
    part = _member(node, part)
    if not isinstance(node, (list, tuple)):
        return node.get(part) if isinstance(node, (Config, dict)) else None
    return node[int(part)] if part.isdecimal() and int(part) < len(node) else None


def _member(node: object, part: str) -> str:
    """The part of a path, a list's member by its position where it is named by its type and is there."""
    if not isinstance(node, (list, tuple)):
        return part
    types = [str(member.get('type', '')).split('.')[-1] if isinstance(member, Mapping) else '' for member in node]
    return str(types.index(part)) if part in types else part


def _by_position(cfg: Config, path: str) -> str:
    """A path with the members of lists by position."""
    node: object = cfg
    parts = []
    for part in path.split('.'):
        parts.append(_member(node, part))
        node = _child(node, part)
    return '.'.join(parts)


def _carry(cfg: Config, names: list[str]) -> None:
    for name in names:
        found = _places_in(cfg, name)
        if not found:
            raise UserError(
                f'This config has no place for the setting {name!r}.',
                looked_for=' or '.join(place.path for place in SETTINGS[name].places),
                found=cfg.filename,
            )
        cfg[name] = SETTINGS[name].checked(name, cfg[name])
        for place, parent, last in found:
            parent[last] = _at(place, cfg[name])


def _places_in(cfg: Config, name: str) -> list[tuple[Place, dict, str]]:
    """The places of a setting that a config has, each with the dictionary and the key that hold its value."""
    found = [(place, _parent_of(cfg, place.path), place.path.rpartition('.')[2]) for place in SETTINGS[name].places]
    return [(place, parent, last) for place, parent, last in found if parent is not None]


def _at(place: Place, value: Any) -> Any:
    return value + place.offset if place.offset else value


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
