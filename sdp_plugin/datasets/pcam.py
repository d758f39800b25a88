"""PatchCamelyon from its official HDF5 files."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from sdp_plugin.datasets.cards import PCAM
from sdp_plugin.datasets.tile_dataset import TileDataset, Tiles, existing_folder
from sdp_plugin.errors import UserError
from sdp_plugin.registry import DATASETS

FILE_NAME = 'camelyonpatch_level_2_split_{split}_{part}.h5'
OFFICIAL_SPLITS = {'train': 'train', 'val': 'valid', 'test': 'test'}


@DATASETS.register_module()
class PCamDataset(TileDataset):
    """PatchCamelyon: patches of 96 x 96 pixels, with or without tumour tissue in their centre.

    Reads ``camelyonpatch_level_2_split_{train,valid,test}_{x,y}.h5`` from ``data_root``: ``x`` of shape (N, 96, 96, 3),
    uint8, RGB, and ``y`` of shape (N, 1, 1, 1) with the labels 0 and 1. N may be any number; another one than the
    official gives a warning. Labels are read and checked at once, patches by :class:`LoadPatch` as they are needed.
    The data card is ``sdp_plugin.datasets.cards.PCAM``.

    Each item of ``data_list`` holds ``h5_path`` (str), ``h5_index`` (int), ``gt_label`` (int) and ``tile_id`` (str).

    Args:
        data_root (str): The folder of the HDF5 files.
        split (str): ``'train'``, ``'val'`` (or ``'valid'``, as the files have it) or ``'test'``.
        **kwargs: Of :class:`TileDataset`: ``examples_per_class``, ``seed``, ``pipeline``, ...

    Raises:
        UserError: A missing folder or file, a file that is still compressed, half a download, no HDF5 at all, ``x`` and
            ``y`` of different length, of another type or shape, or labels other than 0 and 1.
    """

    CARD = PCAM
    METAINFO = PCAM.metainfo()

    def find_tiles(self) -> Tiles:
        """Check the two files of the split and name their patches ``<split>/<index>``."""
        root = existing_folder(self.data_root, holds=FILE_NAME.format(split='train', part='x'))
        x_path = _official_file(root, self.split, 'x')
        y_path = _official_file(root, self.split, 'y')
        num_patches = _checked_length(x_path)
        labels = _checked_labels(y_path)
        if len(labels) != num_patches:
            raise UserError(
                'Patches and labels differ in number.',
                looked_for='x and y of the same length',
                found=f'{num_patches:,} patches in {x_path}, {len(labels):,} labels in {y_path}',
                remedy='take both files from one download',
            )
        self._warn_of_size(num_patches, PCAM.sizes[self.split], f'the {self.split} split')
        return Tiles(
            keys=[f'{self.split}/{index}' for index in range(num_patches)],
            labels=labels,
            sources=[{'h5_path': str(x_path), 'h5_index': index} for index in range(num_patches)],
        )


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
        remedy='download it again and compare its md5 with that in sdp_plugin/datasets/cards.py',
    )
