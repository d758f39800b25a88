"""What the plan of a grid asks of its data, in milliseconds and without torch: which are they, and do they suffice?

A grid asks the same of hundreds of cells, so answers are kept within the process; :func:`forget` looks anew.
"""

from __future__ import annotations

import hashlib
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from sdp_plugin.catalogue import crc, pcam, tile_folder, voc
from sdp_plugin.catalogue.cards import CRC, PCAM
from sdp_plugin.catalogue.folds import check_fold
from sdp_plugin.catalogue.subsets import check_drawable, class_names_of
from sdp_plugin.catalogue.tiles import Tiles, existing_folder, resolve_split
from sdp_plugin.errors import UserError

ABSENT, UNKNOWN = 'absent', 'unknown'
SAMPLED_PATCHES = 16
DIGITS = 12


def fingerprint(dataset_config: Mapping[str, Any]) -> str:
    """A digest of what a data set holds, wherever it lies.

    Cheap rather than complete: of PCam the labels, the number of patches and 16 of them; of folders of images the names
    and sizes of the files; of VOC the list, and the names and sizes of the files that it names. What is done with
    the data (folds, draws, the pipeline) is not part of it.

    Args:
        dataset_config (Mapping[str, Any]): The ``dataset`` of a data loader's config.

    Returns:
        str: Twelve hexadecimal digits; ``'absent'`` where the data are not there or not complete; ``'unknown'`` where
        the config does not say in which folder they are.
    """
    try:
        return _answer(_DIGESTS.get(_kind(dataset_config), _digest_of_folder), dataset_config)
    except UserError:
        return ABSENT


def obstacle(dataset_config: Mapping[str, Any]) -> str | None:
    """Why a data set cannot be built, or its training examples not be drawn.

    Args:
        dataset_config (Mapping[str, Any]): The ``dataset`` of a data loader's config.

    Returns:
        str | None: The reason in one line, None where there is none. Data sets of others are not looked into.
    """
    check = _CHECKS.get(_kind(dataset_config))
    if check is None:
        return None
    try:
        _answer(check, dataset_config)
    except UserError as error:
        return '; '.join(' '.join(line.split()) for line in str(error).splitlines())
    return None


def forget() -> None:
    """Look at all data anew from now on."""
    for kept in (*_DIGESTS.values(), *_CHECKS.values(), _digest_of_folder, _labels_of_pcam, _tiles_of, _folds_of):
        kept.cache_clear()


def _kind(dataset_config: Mapping[str, Any]) -> str:
    return str(dataset_config['type']).split('.')[-1]


def _answer(function: Callable, dataset_config: Mapping[str, Any]) -> Any:
    """Call a function with those values of the config that it has parameters for."""
    wanted = inspect.signature(function).parameters
    return function(**{key: _hashable(dataset_config[key]) for key in wanted if key in dataset_config})


def _hashable(value: Any) -> Any:
    if isinstance(value, Mapping):
        return tuple((key, _hashable(member)) for key, member in value.items())
    return tuple(value) if isinstance(value, list) else value


def _digest(parts: Iterable[object]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part.tobytes() if isinstance(part, np.ndarray) else f'{part}\0'.encode())
    return digest.hexdigest()[:DIGITS]


# PCam


@cache
def _labels_of_pcam(data_root: str, split: str) -> tuple[Path, np.ndarray]:
    return pcam.checked_split(data_root, resolve_split(split))


@cache
def _digest_of_pcam(data_root: str = '', split: str = 'train') -> str:
    path, labels = _labels_of_pcam(data_root, split)
    return _digest([len(labels), labels, pcam.some_patches(path, SAMPLED_PATCHES)])


@cache
def _check_pcam(data_root: str = '', split: str = 'train', examples_per_class: int | None = None) -> None:
    _, labels = _labels_of_pcam(data_root, split)
    _check_draw(labels, examples_per_class, PCAM.classes)


# Folders of tiles


@cache
def _tiles_of(data_root: str, folders: tuple[str, ...]) -> Tiles:
    return tile_folder.list_tiles(data_root, folders)


@cache
def _folds_of(
    data_root: str, folders: tuple[str, ...], num_folds: int, fold_seed: int, pattern: str | None
) -> np.ndarray:
    tiles = _tiles_of(data_root, folders)
    return tile_folder.folds_of(tiles, num_folds, fold_seed, tile_folder.compiled(pattern), folders)


@cache
def _digest_of_tiles(data_root: str = '', classes: tuple[str, ...] | None = None) -> str:
    tiles = _tiles_of(data_root, classes or tuple(tile_folder.class_folders_in(data_root)))
    paths = [source['img_path'] for source in tiles.sources]
    return _digest(f'{key} {os.path.getsize(path)}' for key, path in zip(tiles.keys, paths, strict=True))


@cache
def _check_tiles(
    data_root: str = '',
    split: str = 'train',
    num_folds: int | None = 10,
    fold: int = 0,
    fold_seed: int = 0,
    group_pattern: str | None = None,
    classes: tuple[str, ...] | None = None,
    examples_per_class: int | None = None,
) -> None:
    folders = classes or tuple(tile_folder.class_folders_in(data_root))
    _check_folder(data_root, split, num_folds, fold, fold_seed, group_pattern, examples_per_class, folders, folders)


@cache
def _digest_of_crc(data_root: str = '') -> str:
    return _digest_of_tiles(data_root, crc.CLASS_FOLDERS)


@cache
def _check_crc(
    data_root: str = '',
    split: str = 'train',
    num_folds: int | None = 10,
    fold: int = 0,
    fold_seed: int = 0,
    group_by: str = 'none',
    examples_per_class: int | None = None,
) -> None:
    pattern, folders = crc.group_pattern(group_by), crc.CLASS_FOLDERS
    _check_folder(data_root, split, num_folds, fold, fold_seed, pattern, examples_per_class, folders, CRC.classes)


def _check_folder(
    data_root: str,
    split: str,
    num_folds: int | None,
    fold: int,
    fold_seed: int,
    pattern: str | None,
    examples_per_class: int | None,
    folders: tuple[str, ...],
    class_names: tuple[str, ...],
) -> None:
    labels = _tiles_of(data_root, folders).labels
    if num_folds is not None:
        check_fold(fold, num_folds)
        folds = _folds_of(data_root, folders, num_folds, fold_seed, pattern)
        labels = labels[tile_folder.in_split(folds, fold, resolve_split(split))]
    _check_draw(labels, examples_per_class, class_names)


def _check_draw(labels: np.ndarray, examples_per_class: int | None, class_names: tuple[str, ...]) -> None:
    if examples_per_class is not None:
        check_drawable(labels, examples_per_class, class_names_of(labels, class_names))


# Pascal VOC


@cache
def _digest_of_voc(
    data_root: str = '', ann_file: str = '', data_prefix: tuple = (), scribble_suffix: str = '.xml'
) -> str:
    images = _images_of_voc(data_root, ann_file, data_prefix, scribble_suffix)
    kinds = [key for key, _ in data_prefix]
    folders = {key: Path(next(iter(images.values()))[key]).parent for key in kinds}
    sizes = {key: {entry.name: entry.stat().st_size for entry in os.scandir(folder)} for key, folder in folders.items()}
    return _digest(
        f'{image_id} {key} {sizes[key][os.path.basename(files[key])]}'
        for image_id, files in images.items()
        for key in kinds
    )


@cache
def _check_voc(data_root: str = '', ann_file: str = '', data_prefix: tuple = (), scribble_suffix: str = '.xml') -> None:
    _images_of_voc(data_root, ann_file, data_prefix, scribble_suffix)


def _images_of_voc(data_root: str, ann_file: str, data_prefix: tuple, scribble_suffix: str) -> dict:
    root = Path(data_root)
    suffixes = {**voc.FILES_OF_AN_IMAGE, 'scribble_path': scribble_suffix}
    return voc.list_images(root / ann_file, {key: root / folder for key, folder in data_prefix}, suffixes)


# Any other


@cache
def _digest_of_folder(data_root: str = '') -> str:
    if not data_root:
        return UNKNOWN
    root = existing_folder(data_root, holds='the data')
    files = sorted(path for path in root.rglob('*') if path.is_file())
    return _digest(f'{path.relative_to(root).as_posix()} {path.stat().st_size}' for path in files)


_DIGESTS = {
    'PCamDataset': _digest_of_pcam,
    'CRCDataset': _digest_of_crc,
    'TileFolderDataset': _digest_of_tiles,
    'VOCDataset': _digest_of_voc,
    'VOCClassLabelDataset': _digest_of_voc,
}
_CHECKS = {
    'PCamDataset': _check_pcam,
    'CRCDataset': _check_crc,
    'TileFolderDataset': _check_tiles,
    'VOCDataset': _check_voc,
    'VOCClassLabelDataset': _check_voc,
}
