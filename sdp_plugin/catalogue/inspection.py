"""What is asked of data before anything is trained on them, in milliseconds and without torch: which, and enough?

A grid asks the same of hundreds of cells, so answers are kept within the process; :func:`forget` looks anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from sdp_plugin.catalogue.collection import Collection, existing_folder
from sdp_plugin.catalogue.crc import KatherTiles
from sdp_plugin.catalogue.pcam import PCam
from sdp_plugin.catalogue.tile_folder import TileFolder
from sdp_plugin.catalogue.voc import VOCFiles
from sdp_plugin.errors import UserError

COLLECTIONS: Mapping[str, type[Collection]] = MappingProxyType(
    {
        'PCamDataset': PCam,
        'CRCDataset': KatherTiles,
        'TileFolderDataset': TileFolder,
        'VOCDataset': VOCFiles,
        'VOCClassLabelDataset': VOCFiles,
    }
)
ABSENT, UNKNOWN = 'absent', 'unknown'
DIGITS = 12


@dataclass(frozen=True)
class SomeFolder(Collection):
    """All files below a folder: what is known of somebody else's data set."""

    READ_BY: ClassVar[tuple[str, ...]] = ('data_root',)

    def read(self) -> list[Path]:
        """All files, sorted."""
        root = existing_folder(self.data_root, holds='the data')
        return sorted(path for path in root.rglob('*') if path.is_file())

    def content(self, found: list[Path]) -> Iterable[object]:
        """Names and sizes of the files."""
        root = Path(self.data_root).expanduser()
        return (f'{path.relative_to(root).as_posix()} {path.stat().st_size}' for path in found)


def collection_of(dataset_config: Mapping[str, Any]) -> Collection:
    """The files that the config of a data set asks for.

    Args:
        dataset_config (Mapping[str, Any]): The ``dataset`` of a data loader's config.

    Raises:
        UserError: An argument has a value that it cannot have.
    """
    return COLLECTIONS.get(str(dataset_config['type']).split('.')[-1], SomeFolder).from_config(dataset_config)


def fingerprint(dataset_config: Mapping[str, Any]) -> str:
    """A digest of what a data set holds, wherever it lies.

    Cheap rather than complete; each collection's ``content`` says what it looks at. What is done with the data (folds,
    draws, the pipeline) is not part of it.

    Args:
        dataset_config (Mapping[str, Any]): The ``dataset`` of a data loader's config.

    Returns:
        str: Twelve hexadecimal digits; ``'absent'`` where the data are not there or not complete; ``'unknown'`` where
        the config does not say which they are: an argument is wrong, or somebody else's data set has no folder.
    """
    try:
        collection = collection_of(dataset_config)
    except UserError:
        return UNKNOWN
    try:
        return UNKNOWN if collection == SomeFolder() else _digest(collection.whole())
    except UserError:
        return ABSENT


def obstacle(dataset_config: Mapping[str, Any]) -> str | None:
    """Why a data set cannot be built, or its training examples not be drawn.

    Args:
        dataset_config (Mapping[str, Any]): The ``dataset`` of a data loader's config.

    Returns:
        str | None: The reason in one line, None where there is none. Data sets of others are not looked into.
    """
    try:
        collection = collection_of(dataset_config)
        if not isinstance(collection, SomeFolder):
            _check(collection)
    except UserError as error:
        return '; '.join(' '.join(line.split()) for line in str(error).splitlines())
    return None


def forget() -> None:
    """Look at all data anew from now on."""
    for kept in (_found, _digest, _check):
        kept.cache_clear()


@cache
def _found(whole: Collection) -> Any:
    return whole.read()


@cache
def _digest(whole: Collection) -> str:
    digest = hashlib.sha256()
    for part in whole.content(_found(whole)):
        digest.update(part.tobytes() if isinstance(part, np.ndarray) else f'{part}\0'.encode())
    return digest.hexdigest()[:DIGITS]


@cache
def _check(collection: Collection) -> None:
    collection.check(_found(collection.whole()))
