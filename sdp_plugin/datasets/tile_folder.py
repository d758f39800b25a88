"""Tiles in one folder a class, with folds: the layout of CRC and of a folder of one's own."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from sdp_plugin.datasets.folds import check_fold, grouped_folds, stratified_folds
from sdp_plugin.datasets.tile_dataset import TileDataset, Tiles, existing_folder
from sdp_plugin.errors import UserError
from sdp_plugin.registry import DATASETS

IMAGE_SUFFIXES = frozenset({'.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff'})


@DATASETS.register_module()
class TileFolderDataset(TileDataset):
    """Tiles as image files in one folder a class, divided into folds.

    ``data_root/<class>/<tile>.{png,jpg,jpeg,tif,tiff,bmp}``. Other files, hidden ones and deeper folders are passed
    over. A tile is known by its class folder and its name without suffix, so that folds and draws stay the same when
    the tiles are re-encoded.

    Fold ``fold`` is the test part and all other folds are the training part; there is no validation part. With
    ``num_folds=None`` the folder is not divided and holds the tiles of ``split``, whichever it is; give each split
    a ``data_root`` of its own then.

    Each item of ``data_list`` holds ``img_path`` (str), ``gt_label`` (int) and ``tile_id`` (str).

    Args:
        data_root (str): The folder of the class folders.
        split (str): ``'train'`` or ``'test'``; without folds ``'val'`` (or ``'valid'``) too.
        num_folds (int | None): At least 2, or None for an undivided folder. Defaults to 10.
        fold (int): The fold to test on, from 0 to ``num_folds - 1``. Defaults to 0.
        fold_seed (int): Another seed deals the tiles to the folds anew. Defaults to 0.
        group_pattern (str | None): A regular expression, searched for in ``<class folder>/<file name>``, that finds
            what must not be split between folds: the patient, the slide. Its first group counts, without one the whole
            match. None deals each tile by itself, stratified by class. Defaults to None.
        classes (Sequence[str] | None): The class folders in the order of their class indices; None takes all folders,
            sorted by name. Defaults to None.
        **kwargs: Of :class:`TileDataset`: ``examples_per_class``, ``seed``, ``pipeline``, ...

    Raises:
        UserError: A missing, empty or single class folder, two files of one tile, a fold out of range, more folds than
            tiles of a class or than groups, or a name without group.
    """

    def __init__(
        self,
        data_root: str = '',
        split: str = 'train',
        num_folds: int | None = 10,
        fold: int = 0,
        fold_seed: int = 0,
        group_pattern: str | None = None,
        classes: Sequence[str] | None = None,
        **kwargs,
    ) -> None:
        if isinstance(classes, str):
            raise UserError(
                'classes is no list of folder names.', looked_for="e.g. ['normal', 'tumour']", found=classes
            )
        if num_folds is not None:
            check_fold(fold, num_folds)
        self.num_folds = num_folds
        self.fold = fold
        self.fold_seed = fold_seed
        self.group_pattern = _compiled(group_pattern)
        if classes is None and 'classes' not in self.METAINFO:
            classes = _folders_in(existing_folder(data_root, holds='a folder for each class'))
        super().__init__(data_root=data_root, split=split, classes=classes, **kwargs)

    def class_folders(self) -> Sequence[str]:
        """The names of the class folders, in the order of the class indices."""
        return self.metainfo['classes']

    def find_tiles(self) -> Tiles:
        """List the tiles of the class folders and keep those of the split."""
        tiles = self._list_tiles()
        if self.num_folds is None:
            return tiles
        in_test = self._folds_of(tiles) == self.fold
        return tiles.take(np.flatnonzero(in_test if self.split == 'test' else ~in_test))

    def extra_repr(self) -> list[str]:
        """Lines for ``repr``, with the fold."""
        if self.num_folds is None:
            return super().extra_repr()
        return [*super().extra_repr(), f'Fold: \t{self.fold} of {self.num_folds}, seed {self.fold_seed}']

    def _resolve_split(self, split: str) -> str:
        split = super()._resolve_split(split)
        if split == 'val' and self.num_folds is not None:
            raise UserError(
                'Cross-validation has no validation part.',
                looked_for="split='train' or 'test'",
                found=f"split='{split}'",
                remedy='test the last weights, or set num_folds=None and give the validation tiles their own folder',
            )
        return split

    def _list_tiles(self) -> Tiles:
        root = existing_folder(self.data_root, holds='a folder for each class')
        keys, labels, sources = [], [], []
        for label, name in enumerate(self.class_folders()):
            for key, path in _tiles_in(root / name).items():
                keys.append(key)
                labels.append(label)
                sources.append({'img_path': str(path)})
        return Tiles(keys, np.array(labels, dtype=np.int64), sources)

    def _folds_of(self, tiles: Tiles) -> np.ndarray:
        if self.group_pattern is None:
            return stratified_folds(tiles.keys, tiles.labels, self.num_folds, self.fold_seed, self.metainfo['classes'])
        groups = groups_of(tiles.keys, self.group_pattern)
        return grouped_folds(groups, tiles.labels, self.num_folds, self.fold_seed)


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


def _folders_in(root: Path) -> list[str]:
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


def _compiled(pattern: str | None) -> re.Pattern | None:
    if pattern is None:
        return None
    try:
        return re.compile(pattern)
    except re.error as error:
        raise UserError(f'group_pattern is no regular expression: {error}.', found=pattern) from error
