"""Where the configs that come with the plugin lie: in a clone beside the package, in a wheel under ``.mim``."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from sdp_plugin.errors import UserError
from sdp_plugin.settings import load_config

_PACKAGE = Path(__file__).resolve().parent
_MIM = _PACKAGE / '.mim'
CONFIGS = (_MIM if _MIM.is_dir() else _PACKAGE.parent) / 'configs'


def config_path(name: str | Path) -> Path:
    """The file of a config that is there, or that comes with the plugin.

    Args:
        name (str | Path): A path; or a name in ``configs/``, with or without ``.py``, such as
            ``'finetune/resnet34_1xb32-100e_pcam'``.

    Returns:
        Path: The file.

    Raises:
        UserError: If there is neither.
    """
    path = Path(name).expanduser()
    if path.is_file():
        return path
    short = Path(*path.parts[1:]) if path.parts[:1] == ('configs',) else path
    shipped = CONFIGS / short.with_name(f'{short.name.removesuffix(".py")}.py')
    if shipped.is_file():
        return shipped
    names = [file.relative_to(CONFIGS).with_suffix('').as_posix() for file in CONFIGS.glob('*/*.py')]
    close = difflib.get_close_matches(short.as_posix().removesuffix('.py'), names, n=3, cutoff=0.6)
    raise UserError(
        'The config file is missing.',
        looked_for=f'{path.absolute()}, or {short} among the configs of the plugin',
        remedy=f'did you mean {" or ".join(close)}?' if close else f'ls {CONFIGS}/* lists those we ship',
    )


def get_config(name: str, options: Mapping[str, Any] | None = None) -> Config:
    """A config that comes with the plugin, ready to build from.

    Args:
        name (str): Its name in ``configs/``, such as ``'finetune/resnet34_1xb32-100e_pcam'``; or a path.
        options (Mapping[str, Any] | None): Settings and dotted overrides, as ``--cfg-options`` has them. Defaults to
            None.

    Returns:
        Config: The config with its settings carried to their places.

    Raises:
        UserError: If there is no such config, or it does not take the options.
    """
    return load_config(config_path(name), dict(options or {}))
