"""Files of weights as they are published: one, or several parts with an index, or a folder that holds one of these."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from sdp_plugin.checkpoints.reading import SAFETENSORS, load_checkpoint, state_dict_of
from sdp_plugin.errors import UserError, shortened
from sdp_plugin.records import read_json, read_json_file

INDEX_SUFFIX = '.index.json'
SINGLE_FILES = ('model.safetensors', 'pytorch_model.bin')
MAX_HEADER = 2**27
"""Bytes of a safetensors file's header."""


def read_weights(path: str | Path, device: str = 'cpu') -> dict[str, Tensor]:
    """The tensors of a file, or of the parts that an index names.

    Args:
        path (str | Path): ``.pth``, ``.bin`` or ``.safetensors``; the index of a file in several parts
            (``*.index.json``); or a folder that holds one of them.
        device (str): ``'cpu'``; or ``'meta'`` for names and shapes alone, which reads no numbers. Defaults to
            ``'cpu'``.

    Raises:
        UserError: A file is missing or cannot be read, or the parts are not those that the index names.
    """
    path, places = _opened(path)
    if not places:
        return _tensors_of(path, device)
    tensors: dict[str, Tensor] = {}
    for file in _parts(path, places):
        of_part = _tensors_of(file, device)
        promised = {name for name, part in places.items() if Path(part).name == file.name}
        if promised != set(of_part):
            raise UserError(
                'A part of the weights holds other tensors than its index says.',
                looked_for=f'{len(promised)} tensors in {file}',
                found=shortened(sorted(promised ^ set(of_part))),
                remedy='get all parts and the index from one place',
            )
        tensors |= of_part
    return tensors


def files_of_weights(path: str | Path) -> list[Path]:
    """The files that hold the tensors: one, or the parts that an index names.

    Raises:
        UserError: There is none, or the index cannot be read.
    """
    path, places = _opened(path)
    return _parts(path, places) or [path]


def _opened(path: str | Path) -> tuple[Path, dict[str, str]]:
    """A file, and which part holds each tensor where it is an index."""
    path = Path(path).expanduser()
    if path.is_dir():
        path = _file_in(path)
    if not path.name.endswith(INDEX_SUFFIX):
        return path, {}
    try:
        return path, {str(name): str(part) for name, part in read_json_file(path)['weight_map'].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError('The index of the weights cannot be read.', found=f'{path}: {error!r}') from error


def _parts(path: Path, places: Mapping[str, str]) -> list[Path]:
    # Beside the index and nowhere else, whatever it says.
    return [path.parent / name for name in sorted({Path(part).name for part in places.values()})]


def _tensors_of(path: Path, device: str) -> dict[str, Tensor]:
    if device != 'meta' or path.suffix != SAFETENSORS:
        return state_dict_of(load_checkpoint(path, map_location=device))
    try:
        with open(path, 'rb') as file:
            header = read_json(file.read(min(int.from_bytes(file.read(8), 'little'), MAX_HEADER)), path)
        return {
            name: torch.empty(entry['shape'], device='meta') for name, entry in header.items() if name != '__metadata__'
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RuntimeError) as error:
        raise UserError('The file of weights cannot be read.', looked_for=path, found=error) from error


def _file_in(folder: Path) -> Path:
    candidates = [*sorted(folder.glob(f'*{INDEX_SUFFIX}')), *(folder / name for name in SINGLE_FILES)]
    found = next((path for path in candidates if path.is_file()), None)
    if found is None:
        raise UserError(
            'The folder holds no weights.',
            looked_for=f'{folder}/*{INDEX_SUFFIX}, {" or ".join(SINGLE_FILES)}',
            found=', '.join(sorted(path.name for path in folder.iterdir())[:8]) or 'nothing',
        )
    return found
