"""The HDF5 files of PatchCamelyon: finding and checking them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import h5py
import numpy as np

from sdp_plugin.catalogue.cards import PCAM
from sdp_plugin.catalogue.tiles import Tiles, existing_folder
from sdp_plugin.errors import UserError

FILE_NAME = 'camelyonpatch_level_2_split_{split}_{part}.h5'
OFFICIAL_SPLITS = {'train': 'train', 'val': 'valid', 'test': 'test'}


def find_patches(data_root: str | Path, split: str) -> Tiles:
    """Check the two files of a split and name their patches ``<split>/<index>``.

    Args:
        data_root (str | Path): The folder of the HDF5 files.
        split (str): ``'train'``, ``'val'`` or ``'test'``.

    Returns:
        Tiles: With ``h5_path`` (str) and ``h5_index`` (int) as sources.

    Raises:
        UserError: What :func:`checked_split` raises.
    """
    x_path, labels = checked_split(data_root, split)
    return Tiles(
        keys=_keys(split, len(labels)),
        labels=labels,
        sources=_Patches(str(x_path), len(labels)),
    )


@lru_cache(maxsize=4)
def _keys(split: str, count: int) -> Sequence[str]:
    # A grid lists the same quarter of a million patches for each of its trainings.
    return tuple(f'{split}/{index}' for index in range(count))


@dataclass(frozen=True)
class _Patches(Sequence[dict]):
    """What the loading transform needs of each patch, made when asked for: most trainings draw few of 262,144."""

    path: str
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return {'h5_path': self.path, 'h5_index': int(index)}


def checked_split(data_root: str | Path, split: str) -> tuple[Path, np.ndarray]:
    """Check the two files of a split.

    Args:
        data_root (str | Path): The folder of the HDF5 files.
        split (str): ``'train'``, ``'val'`` or ``'test'``.

    Returns:
        tuple[Path, np.ndarray]: The file of the patches, and their labels, int64 of shape (N,).

    Raises:
        UserError: A missing folder or file, a file that is still compressed, half a download, no HDF5 at all, ``x`` and
            ``y`` of different length, of another type or shape, or labels other than 0 and 1.
    """
    root = existing_folder(data_root, holds=FILE_NAME.format(split='train', part='x'))
    x_path = _official_file(root, split, 'x')
    y_path = _official_file(root, split, 'y')
    num_patches = _checked_length(x_path)
    labels = _checked_labels(y_path)
    if len(labels) != num_patches:
        raise UserError(
            'Patches and labels differ in number.',
            looked_for='x and y of the same length',
            found=f'{num_patches:,} patches in {x_path}, {len(labels):,} labels in {y_path}',
            remedy='take both files from one download',
        )
    return x_path, labels


def some_patches(x_path: Path, count: int) -> np.ndarray:
    """Up to ``count`` patches, evenly spread over the file, uint8 of shape (N, 96, 96, 3).

    Raises:
        UserError: The file cannot be read.
    """
    with _opened(x_path) as file:
        patches = _array(file, 'x', x_path)
        positions = np.unique(np.linspace(0, len(patches) - 1, count).astype(np.int64))
        try:
            return np.stack([patches[int(position)] for position in positions])
        except OSError as error:
            raise _damaged(x_path, error) from error


def _official_file(root: Path, split: str, part: str) -> Path:
    path = root / FILE_NAME.format(split=OFFICIAL_SPLITS[split], part=part)
    if path.is_file():
        return path
    compressed = path.with_name(f'{path.name}.gz')
    if compressed.is_file():
        raise UserError(
            'A file of PCam is still compressed.',
            looked_for=path,
            found=compressed.name,
            remedy=f'decompress it: gunzip --keep "{compressed}"',
        )
    raise UserError(
        'A file of PCam is missing.',
        looked_for=path,
        found=', '.join(sorted(entry.name for entry in root.iterdir())[:8]) or 'an empty folder',
        remedy=f'download {compressed.name} from {PCAM.downloads[0].url.rsplit("/", 2)[0]} and decompress it',
    )


def _checked_length(path: Path) -> int:
    """The number of patches in ``x``, after a look at its type and shape."""
    with _opened(path) as file:
        patches = _array(file, 'x', path)
        expected = (*PCAM.image_size, 3)
        if patches.dtype != np.uint8 or patches.ndim != 4 or patches.shape[1:] != expected or not len(patches):
            raise UserError(
                'The patches have another type or shape than those of PCam.',
                looked_for=f'x of uint8 and shape (N, {", ".join(map(str, expected))})',
                found=f'{patches.dtype} and shape {patches.shape} in {path}',
            )
        return len(patches)


def _checked_labels(path: Path) -> np.ndarray:
    """The labels in ``y``, as int64 of shape (N,)."""
    with _opened(path) as file:
        stored = _array(file, 'y', path)
        if stored.dtype.kind not in 'ui' or stored.ndim != 4 or stored.shape[1:] != (1, 1, 1):
            raise UserError(
                'The labels have another type or shape than those of PCam.',
                looked_for='y of integers and shape (N, 1, 1, 1)',
                found=f'{stored.dtype} and shape {stored.shape} in {path}',
            )
        try:
            labels = stored[:].reshape(-1).astype(np.int64)
        except OSError as error:
            raise _damaged(path, error) from error
    strange = np.setdiff1d(labels, [0, 1])
    if len(strange):
        raise UserError(
            'There are labels that PCam does not have.',
            looked_for='0 (normal) and 1 (tumour)',
            found=f'{", ".join(map(str, strange[:5]))} in {path}',
        )
    return labels


def _opened(path: Path) -> h5py.File:
    try:
        return h5py.File(path, 'r')
    except OSError as error:
        raise _damaged(path, error) from error


def _array(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    try:
        array = file.get(name)
    except (OSError, RuntimeError) as error:
        raise _damaged(path, error) from error
    if not isinstance(array, h5py.Dataset):
        raise UserError(
            f'The file holds no array "{name}".', looked_for=f'{name} in {path}', found=', '.join(file) or 'nothing'
        )
    return array


def _damaged(path: Path, error: Exception) -> UserError:
    return UserError(
        'A file is no HDF5 file, or not all of it.',
        looked_for='a complete HDF5 file',
        found=f'{path}: {error}',
        remedy='download it again and compare its md5 with that in sdp_plugin/catalogue/cards.py',
    )
