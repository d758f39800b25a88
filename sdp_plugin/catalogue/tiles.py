"""What a listing of labelled tiles is, and the names of its parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

import numpy as np

from sdp_plugin.errors import UserError

SPLITS: Mapping[str, str] = MappingProxyType({'train': 'train', 'val': 'val', 'valid': 'val', 'test': 'test'})


@dataclass(frozen=True)
class Tiles:
    """The tiles that a data set found, before anything is drawn.

    Args:
        keys (Sequence[str]): N different names, the same on every machine and for every encoding of the tiles.
        labels (np.ndarray): int64 class indices, shape (N,).
        sources (Sequence[dict]): What the loading transform needs of each tile.
    """

    keys: Sequence[str]
    labels: np.ndarray
    sources: Sequence[dict]

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, positions: np.ndarray) -> Tiles:
        """The tiles at these positions, in the order of the positions."""
        return Tiles([self.keys[i] for i in positions], self.labels[positions], [self.sources[i] for i in positions])


def resolve_split(split: str) -> str:
    """``'train'``, ``'val'`` or ``'test'``; ``'valid'`` is another word for ``'val'``.

    Raises:
        UserError: There is no such split.
    """
    if split not in SPLITS:
        raise UserError('Unknown split.', looked_for=', '.join(SPLITS), found=repr(split))
    return SPLITS[split]


def existing_folder(path: str | Path, holds: str) -> Path:
    """``path`` as a Path, ``~`` expanded, if it is a folder.

    Args:
        path (str | Path): The folder.
        holds (str): What it should hold, for the message.

    Raises:
        UserError: There is no such folder.
    """
    folder = Path(path).expanduser()
    if not folder.is_dir():
        raise UserError(
            'The data folder is missing.',
            looked_for=f'{folder.absolute()} with {holds}',
            found='a file' if folder.exists() else 'nothing',
            remedy='set data_root to the folder that holds the data',
        )
    return folder
