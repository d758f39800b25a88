"""Reading and writing checkpoints: without running what a file contains, and without half-written files."""

from __future__ import annotations

import ast
import json
import math
import os
import re
import zipfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import torch
from mmengine.config import Config
from mmengine.runner import CheckpointLoader

from sdp_plugin.checkpoints.torch_files import check_archive, read_torch_file
from sdp_plugin.checkpoints.unpickling import ForbiddenGlobalError
from sdp_plugin.errors import UserError
from sdp_plugin.files import atomic_path
from sdp_plugin.records import read_json

STATE_DICT_KEYS = ('state_dict', 'model')
"""Where training programs put the tensors: mmengine, timm and most others; DeiT, Swin, MAE and torchvision."""

SAFETENSORS = '.safetensors'

_URL = re.compile(r'[A-Za-z][\w+.:-]*://')
_NAMED_NUMBERS = {'inf': math.inf, 'nan': math.nan}


def load_checkpoint(path: str | os.PathLike, trusted: bool = False, map_location: Any = 'cpu') -> dict:
    """Read a checkpoint.

    Args:
        path: A file that ``torch.save`` wrote: a Runner checkpoint, ``{'state_dict': ...}`` or a bare state dict; or
            a ``.safetensors`` file, whose metadata (JSON values) become ``meta``.
        trusted: Whether to read it with the unrestricted pickle, which can run any code that the file contains.
        map_location: The device of its tensors, as in :func:`torch.load`; its functions are for trusted files.

    Raises:
        UserError: If it is a URL, if there is no such file, if it is no checkpoint or a damaged one, or if reading it
            would need a class or function outside the fixed table (see :mod:`sdp_plugin.checkpoints.unpickling`).
    """
    if _URL.match(str(path)):
        raise UserError(
            'Checkpoints are read from files alone; nothing is fetched unasked.',
            looked_for='a local file',
            found=path,
            remedy='download it, compare its digest with the one that its source states, and name the file',
        )
    path = Path(path).expanduser()
    _check_is_file(path)
    try:
        # Places alone, of all that torch.load takes.
        device = map_location if isinstance(map_location, (str, torch.device)) else 'cpu'
        if path.suffix == SAFETENSORS:
            return _load_safetensors(path, device)
        _check_is_no_program(path)
        if trusted:
            if zipfile.is_zipfile(path):
                check_archive(path)
            checkpoint = torch.load(path, map_location=map_location, weights_only=False)
        else:
            checkpoint = read_torch_file(path, device)
    except UserError:
        raise
    except ForbiddenGlobalError as error:
        raise UserError(
            f'{path} was not read: it could run code.',
            looked_for='tensors, numbers, text and the plain containers of a training checkpoint',
            found=error.name,
            remedy='get the weights from a source that you trust, as a plain state dict; '
            'only if you trust this very file, read it with trusted=True (--trust of predict.py, export.py and '
            'convert_weights.py; the latter makes a plain file of it)',
        ) from None
    except Exception as error:
        # torch, pickle and zipfile raise a dozen kinds of exceptions on bytes that are not what they expect.
        raise UserError(
            f'{path} is not a checkpoint that PyTorch can read, or it is damaged.',
            looked_for='a file written by torch.save, complete',
            found=f'{path.stat().st_size} bytes; {type(error).__name__}: {_first_line(error)}',
            remedy='name a .pth file; if it was copied or downloaded, compare its size and fetch it again',
        ) from error
    if not isinstance(checkpoint, dict):
        raise UserError(
            f'{path} is not a checkpoint.',
            looked_for='a dictionary with tensors',
            found=f'a {type(checkpoint).__name__}',
            remedy='name the .pth file that training wrote',
        )
    return checkpoint


def save_checkpoint(checkpoint: Mapping[str, Any], path: str | os.PathLike) -> None:
    """Write a checkpoint, all of it or nothing. Missing folders are made.

    Args:
        checkpoint: What ``torch.save`` takes; for safetensors a ``state_dict`` and a ``meta`` of plain values.
        path: The file; one that ends in ``.safetensors`` is written in that format.

    Raises:
        OSError: What the system refuses, with the name of the file.
        UserError: If safetensors is asked for and not installed.
    """
    with atomic_path(path) as temporary:
        if temporary.suffix == SAFETENSORS:
            _save_safetensors(checkpoint, temporary)
            return
        # Into Python's file: PyTorch's own does not say what the system refuses.
        with open(temporary, 'wb') as file:
            torch.save(dict(checkpoint), file)


def state_dict_of(checkpoint: Mapping[str, Any]) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint by name, from ``state_dict``, from ``model``, or from the checkpoint itself.

    Raises:
        UserError: If it holds anything but named tensors, or none at all.
    """
    state_dict = next((checkpoint[key] for key in STATE_DICT_KEYS if key in checkpoint), checkpoint)
    entries = state_dict if isinstance(state_dict, Mapping) else {}
    others = [str(name) for name, value in entries.items() if not isinstance(value, torch.Tensor)]
    if not entries or others:
        raise UserError(
            'The checkpoint holds no state dict.',
            looked_for='named tensors, under one of ' + ', '.join(STATE_DICT_KEYS) + ', or at the top level',
            found=f'entries that are no tensors: {", ".join(others[:8])}' if others else 'nothing',
            remedy='name a checkpoint that holds the weights of a model',
        )
    return dict(entries)


def config_of(checkpoint: Mapping[str, Any]) -> Config:
    """The config of the training that wrote a checkpoint, from the text in ``meta['cfg']``, without executing it.

    Raises:
        UserError: If the checkpoint carries no config, or one that is more than assignments of plain values.
    """
    meta = checkpoint.get('meta')
    text = meta.get('cfg') if isinstance(meta, Mapping) else None
    if not isinstance(text, str) or not text.strip():
        raise UserError(
            'The checkpoint carries no config.',
            looked_for="text in its meta['cfg'], as mmengine's Runner writes it",
            found='none',
            remedy='name the config that it was trained with (--config)',
        )
    try:
        return Config(parse_config_text(text))
    except (SyntaxError, ValueError, TypeError, KeyError, RecursionError, MemoryError) as error:
        raise UserError(
            "The checkpoint's config cannot be read without executing it.",
            looked_for='assignments of plain values in Python syntax',
            found=_first_line(error),
            remedy='name the config that it was trained with (--config)',
        ) from None


def model_of(config: Mapping[str, Any]) -> dict[str, Any]:
    """The model that the config in a checkpoint describes.

    Raises:
        UserError: If it describes none.
    """
    model = config.get('model')
    if not isinstance(model, Mapping) or 'type' not in model:
        raise UserError(
            "The checkpoint's config describes no model.",
            looked_for="model = dict(type=...) in its meta['cfg']",
            found=f'{model!r:.80}',
            remedy='name the config that it was trained with (--config), or another checkpoint',
        )
    return dict(model)


def check_finite(weights: Mapping[str, torch.Tensor], path: str | os.PathLike) -> None:
    """Check that all weights are numbers.

    Raises:
        UserError: If some are NaN or infinite, as those of a training that diverged are.
    """
    broken = [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]
    if broken:
        raise UserError(
            f'{path} holds weights that are no numbers.',
            looked_for='finite numbers',
            found=f'NaN or infinite values in {len(broken)} of {len(weights)} tensors: {", ".join(broken[:3])}',
            remedy='the training diverged, or the file is damaged: use another checkpoint',
        )


def parse_config_text(text: str) -> dict[str, Any]:
    """Parse what ``Config.pretty_text`` writes: assignments of literals, ``dict(...)`` among them.

    Raises:
        SyntaxError: If ``text`` is no Python.
        ValueError: If it contains anything else.
    """
    config = {}
    for statement in ast.parse(text).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                config[name] = _literal(value)
            case _:
                raise ValueError(f'line {statement.lineno}: {ast.unparse(statement)[:80]}')
    return config


def _literal(node: ast.expr) -> Any:
    match node:
        case ast.Dict(keys=keys, values=values) if None not in keys:
            return {_literal(key): _literal(value) for key, value in zip(keys, values, strict=True)}
        case ast.Call(func=ast.Name(id='dict'), args=[*mappings], keywords=keywords) if _is_plain(mappings, keywords):
            # mmengine writes dict({...}) where a key is no identifier.
            pairs = [pair for mapping in mappings for pair in _literal(mapping).items()]
            return dict(pairs) | {item.arg: _literal(item.value) for item in keywords}
        case ast.List(elts=elements):
            return [_literal(element) for element in elements]
        case ast.Tuple(elts=elements):
            return tuple(_literal(element) for element in elements)
        case ast.Name(id=name) if name in _NAMED_NUMBERS:
            return _NAMED_NUMBERS[name]
        case ast.UnaryOp(op=ast.USub(), operand=operand):
            return -_literal(operand)
    try:
        return ast.literal_eval(node)
    except ValueError:
        raise ValueError(f'line {node.lineno}: {ast.unparse(node)[:80]}') from None


def _is_plain(mappings: list[ast.expr], keywords: list[ast.keyword]) -> bool:
    return all(isinstance(item, ast.Dict) for item in mappings) and all(item.arg for item in keywords)


def register_safe_loader() -> None:
    """Make mmengine read all checkpoints with :func:`load_checkpoint`: ``load_from``, ``resume``, ``init_cfg``."""
    for prefix in ('', *CheckpointLoader._schemes):
        CheckpointLoader.register_scheme(prefix, load_from_file, force=True)


def load_from_file(filename: str, map_location: Any = None, **_: Any) -> dict:
    """Read a local checkpoint for mmengine, which names a loader in its log by what follows ``load_from_``.

    Raises:
        UserError: As :func:`load_checkpoint` does.
    """
    checkpoint = load_checkpoint(filename, map_location=map_location)
    if isinstance(checkpoint.get('meta'), dict):
        # mmengine executes this text when it resumes; no version of it writes one (the config is in meta['cfg']).
        checkpoint['meta'].pop('config', None)
    return checkpoint


def _check_is_file(path: Path) -> None:
    if not path.is_file():
        raise UserError(
            'There is no such checkpoint.',
            looked_for=path,
            found='a folder' if path.is_dir() else 'nothing',
            remedy='name a .pth file; training writes them to its --work-dir',
        )


def _check_is_no_program(path: Path) -> None:
    if not zipfile.is_zipfile(path):
        return
    with zipfile.ZipFile(path) as archive:
        # torch.load hands such a file to torch.jit.load, past the restricted pickle.
        if any(Path(name).name == 'constants.pkl' for name in archive.namelist()):
            raise UserError(
                f'{path} is a TorchScript program, not a checkpoint.',
                looked_for='a file of named tensors',
                remedy="save the model's state_dict() with torch.save",
            )


def _save_safetensors(checkpoint: Mapping[str, Any], path: Path) -> None:
    tensors = {name: tensor.contiguous() for name, tensor in state_dict_of(checkpoint).items()}
    # The format's metadata are texts, which other readers show as they are.
    metadata = {key: json.dumps(value) for key, value in checkpoint.get('meta', {}).items()}
    path.write_bytes(_safetensors('safetensors.torch').save(tensors, metadata={'format': 'pt', **metadata}))


def _load_safetensors(path: Path, device: str | torch.device) -> dict:
    with _safetensors('safetensors').safe_open(path, framework='pt', device=str(device)) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        metadata = file.metadata() or {}
    return {
        'state_dict': tensors,
        'meta': {key: _from_json(text) for key, text in metadata.items() if key != 'format'},
    }


def _from_json(text: str) -> Any:
    try:
        return read_json(text.encode(), 'metadata')
    except UserError:
        return text


def _safetensors(module: str) -> ModuleType:
    try:
        return import_module(module)
    except ImportError:
        raise UserError(
            'Files in the safetensors format need the package of that name.',
            looked_for='safetensors',
            found='not installed',
            remedy='pip install safetensors, or use a .pth file',
        ) from None


def _first_line(error: BaseException) -> str:
    return str(error).strip().split('\n', 1)[0][:300]
