"""Tiles in one folder a class: finding them, and dealing them to folds."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sdp_plugin.catalogue.folds import grouped_folds, stratified_folds
from sdp_plugin.catalogue.tiles import Tiles, existing_folder
from sdp_plugin.errors import UserError

IMAGE_SUFFIXES = frozenset({'.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff'})
HOLDS = 'a folder for each class'


def list_tiles(data_root: str | Path, folders: Sequence[str]) -> Tiles:
    """All tiles of the class folders, by class and key.

    Args:
        data_root (str | Path): The folder of the class folders.
        folders (Sequence[str]): Their names, in the order of the class indices.

    Returns:
        Tiles: With ``img_path`` (str) as sources.

    Raises:
        UserError: A missing or empty class folder, or two files of one tile.
    """
    root = existing_folder(data_root, holds=HOLDS)
    keys, labels, sources = [], [], []
    for label, name in enumerate(folders):
        for key, path in _tiles_in(root / name).items():
            keys.append(key)
            labels.append(label)
            sources.append({'img_path': str(path)})
    return Tiles(keys, np.array(labels, dtype=np.int64), sources)


def folds_of(
    tiles: Tiles, num_folds: int, fold_seed: int, pattern: re.Pattern | None, class_names: Sequence[str]
) -> np.ndarray:
    """The fold in whose test part each tile is, stratified by class, or grouped by what the pattern finds.

    Args:
        tiles (Tiles): N tiles of a folder.
        num_folds (int): At least 2.
        fold_seed (int): Another seed deals the tiles anew.
        pattern (re.Pattern | None): Finds the group in a key; None deals each tile by itself.
        class_names (Sequence[str]): For messages.

    Returns:
        np.ndarray: int64, shape (N,), 0 to ``num_folds - 1``.

    Raises:
        UserError: More folds than tiles of a class or than groups, or a name without group.
    """
    if pattern is None:
        return stratified_folds(tiles.keys, tiles.labels, num_folds, fold_seed, class_names)
    return grouped_folds(groups_of(tiles.keys, pattern), tiles.labels, num_folds, fold_seed)


def in_split(folds: np.ndarray, fold: int, split: str) -> np.ndarray:
    """Positions of a split's tiles: fold ``fold`` is the test part, all others are the training part."""
    return np.flatnonzero(folds == fold if split == 'test' else folds != fold)


def compiled(pattern: str | None) -> re.Pattern | None:
    """The regular expression, or None for None.

    Raises:
        UserError: It is none.
    """
    if pattern is None:
        return None
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UserError(f'group_pattern is no regular expression: {error}.', found=pattern) from error


def groups_of(keys: Sequence[str], pattern: re.Pattern) -> list[str]:
    """What the pattern finds in each key: its first group, or without one the whole match.

    Raises:
        UserError: A key in which the pattern finds nothing.
    """
    matches = [pattern.search(key) for key in keys]
    unmatched = [key for key, match in zip(keys, matches, strict=True) if match is None]
    if unmatched:
        raise UserError(
            f'{len(unmatched)} of {len(keys)} tiles have a name that does not tell their group.',
            looked_for=pattern.pattern,
            found=', '.join(unmatched[:3]),
            remedy='rename the tiles, or do not group the folds',
        )
    return [match.group(1 if pattern.groups else 0) for match in matches]


def class_folders_in(data_root: str | Path) -> list[str]:
    """The class folders, sorted by name; hidden folders are passed over.

    Raises:
        UserError: There is no such folder, or it has fewer than two folders.
    """
    root = existing_folder(data_root, holds=HOLDS)
    names = sorted(entry.name for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith('.'))
    if len(names) < 2:
        raise UserError(
            'There are fewer than two class folders.', looked_for=f'{root}/<class>/<tile>.png', found=names or 'none'
        )
    return names


def _tiles_in(folder: Path) -> dict[str, Path]:
    """The tiles of a class folder by key (``<folder>/<name without suffix>``), sorted by key."""
    if not folder.is_dir():
        found = sorted(entry.name for entry in folder.parent.iterdir())
        raise UserError('A class folder is missing.', looked_for=folder, found=', '.join(found[:12]) or 'nothing')
    tiles: dict[str, Path] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() not in IMAGE_SUFFIXES or path.name.startswith('.'):
            continue
        # File systems differ in how they compose accented letters.
        key = unicodedata.normalize('NFC', f'{folder.name}/{path.stem}')
        if key in tiles:
            raise UserError(
                'Two files are of the same tile.', found=f'{tiles[key]} and {path}', remedy='keep one of them'
            )
        tiles[key] = path
    if not tiles:
        raise UserError(
            'A class folder holds no image.', looked_for=f'{folder}/*{{{",".join(sorted(IMAGE_SUFFIXES))}}}'
        )
    return dict(sorted(tiles.items()))
