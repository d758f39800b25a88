"""Tiles in one folder a class, dealt to folds: a folder of one's own, and what the colorectal tiles share with it."""

from __future__ import annotations

import os
import re
import unicodedata
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from sdp_plugin.catalogue.collection import evenly, existing_folder
from sdp_plugin.catalogue.folds import check_fold, grouped_folds, stratified_folds
from sdp_plugin.catalogue.subsets import check_seed
from sdp_plugin.catalogue.tiles import TileCollection, Tiles
from sdp_plugin.errors import UserError
from sdp_plugin.files import is_hidden
from sdp_plugin.image_files import read_image

IMAGE_SUFFIXES = frozenset({'.bmp', '.jpeg', '.jpg', '.png', '.tif', '.tiff'})
SPLIT_NAMES = frozenset({'train', 'training', 'val', 'valid', 'validation', 'test', 'testing'})
HOLDS = 'a folder for each class'


@dataclass(frozen=True)
class FoldedTiles(TileCollection):
    """Image files in one folder a class, ``data_root/<class>/<tile>.{png,jpg,jpeg,tif,tiff,bmp}``, with folds.

    Other files, hidden ones and deeper folders are passed over. A tile's key is ``<class folder>/<name without
    suffix>``, so that folds and draws stay the same when the tiles are re-encoded.

    Fold ``fold`` is the test part and all other folds are the training part; there is no validation part. With
    ``num_folds=None`` the folder is not divided and holds the tiles of ``split``, whichever it is; give each split
    a ``data_root`` of its own then. Examples are drawn for each fold anew, from the seed and the fold.

    Args:
        data_root (str): The folder of the class folders.
        split (str): ``'train'`` or ``'test'``; without folds ``'val'`` (or ``'valid'``) too.
        examples_per_class, seed: Of :class:`TileCollection`.
        num_folds (int | None): At least 2, or None for an undivided folder. Defaults to 10.
        fold (int): The fold to test on, from 0 to ``num_folds - 1``. Defaults to 0.
        fold_seed (int): Another seed deals the tiles to the folds anew. Defaults to 0.

    Raises:
        UserError: What :class:`TileCollection` raises, a fold out of range, or a validation part of folds.
    """

    READ_BY: ClassVar[tuple[str, ...]] = ('data_root',)

    num_folds: int | None = 10
    fold: int = 0
    fold_seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.num_folds is None:
            return
        check_fold(self.fold, self.num_folds)
        check_seed(self.fold_seed)
        if self.split == 'val':
            raise UserError(
                'Cross-validation has no validation part.',
                looked_for="split='train' or 'test'",
                found=f"split='{self.split}'",
                remedy='test the last weights, or set num_folds=None and give the validation tiles their own folder',
            )

    @property
    @abstractmethod
    def class_folders(self) -> tuple[str, ...]:
        """The names of the class folders, in the order of the class indices."""

    @property
    @abstractmethod
    def pattern(self) -> str | None:
        """A regular expression that finds in a key what must not be split between folds; None deals each tile."""

    def look(self) -> Tiles:
        """List the tiles of all class folders, by class and key.

        Returns:
            Tiles: With ``img_path`` (str) as sources.

        Raises:
            UserError: A missing or empty class folder, or two files of one tile.
        """
        root = existing_folder(self.data_root, holds=HOLDS)
        keys, labels, sources = [], [], []
        for label, name in enumerate(self.class_folders):
            for key, path in _tiles_in(root / name).items():
                keys.append(key)
                labels.append(label)
                sources.append({'img_path': str(path)})
        return Tiles(tuple(keys), np.array(labels, dtype=np.int64), sources)

    def content(self, found: Tiles) -> Iterable[object]:
        """The keys, and the sizes of the files."""
        paths = [source['img_path'] for source in found.sources]
        return (f'{key} {os.path.getsize(path)}' for key, path in zip(found.keys, paths, strict=True))

    def positions(self, found: Tiles) -> np.ndarray:
        """Positions of the tiles of the fold, or of all others.

        Raises:
            UserError: More folds than tiles of a class or than groups, or a name without group.
        """
        if self.num_folds is None:
            return super().positions(found)
        folds = _folds_of(
            found.keys, found.labels.tobytes(), self.num_folds, self.fold_seed, self.pattern, self.class_names
        )
        return np.flatnonzero(folds == self.fold if self.split == 'test' else folds != self.fold)

    def read_some(self, found: Tiles, count: int) -> None:
        """Decode some of the split's tiles."""
        positions = self.positions(found)
        for position in positions[evenly(len(positions), count)]:
            read_image(found.sources[position]['img_path'])

    @property
    def draw_of(self) -> str:
        """The fold has its own draw: that of another fold would share nearly all examples with it."""
        return super().draw_of if self.num_folds is None else f'{super().draw_of} of fold {self.fold}'


@dataclass(frozen=True)
class TileFolder(FoldedTiles):
    """A folder of one's own, with one folder of tiles a class.

    Args:
        data_root, split, examples_per_class, seed, num_folds, fold, fold_seed: Of :class:`FoldedTiles`.
        group_pattern (str | None): A regular expression, searched for in ``<class folder>/<file name>``, that finds
            what must not be split between folds: the patient, the slide. Its first group counts, without one the whole
            match. None deals each tile by itself, stratified by class. Defaults to None.
        classes (Sequence[str] | None): The class folders in the order of their class indices; None takes all folders,
            sorted by name. Defaults to None.

    Raises:
        UserError: What :class:`FoldedTiles` raises, a pattern that is none, or classes that are no list of names.
    """

    READ_BY: ClassVar[tuple[str, ...]] = ('data_root', 'classes')

    group_pattern: str | None = None
    classes: Sequence[str] | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _compiled(self.group_pattern)
        if self.classes is not None:
            _check_classes(self.classes)

    @property
    def class_folders(self) -> tuple[str, ...]:
        """Those of ``classes``, or all folders."""
        with self.accessing():
            return self.classes or tuple(class_folders_in(self.data_root))

    @property
    def class_names(self) -> tuple[str, ...]:
        """The names of the folders."""
        return self.class_folders

    def remarks(self) -> tuple[str, ...]:
        """What lies in the folder and is no part of the data set, and classes that look like splits."""
        with self.accessing():
            root, classes = existing_folder(self.data_root, holds=HOLDS), self.class_folders
            beside = sum(is_tile(entry.name) and entry.is_file() for entry in root.iterdir())
            within = Counter(kind for name in classes for kind in _passed_over(root / name))
        counts = [f'{beside} image(s) beside the class folders'] if beside else []
        counts += [f'{count} {kind} in them' for kind, count in sorted(within.items())]
        remarks = [f'No part of the data set in {root}: {", ".join(counts)}.'] if counts else []
        if {name.lower() for name in classes} <= SPLIT_NAMES:
            remarks.append(
                f'The classes of {root} are {", ".join(classes)}: these look like splits. If they are, give each a '
                'data_root of its own, with num_folds=None.'
            )
        return tuple(remarks)

    @property
    def complete_size(self) -> None:
        """Nobody has published how many there should be."""
        return None

    @property
    def pattern(self) -> str | None:
        """``group_pattern``."""
        return self.group_pattern


@lru_cache(maxsize=16)
def _folds_of(
    keys: tuple[str, ...],
    labels: bytes,
    num_folds: int,
    fold_seed: int,
    pattern: str | None,
    class_names: tuple[str, ...],
) -> np.ndarray:
    """The fold in whose test part each tile is, int64; kept for the other trainings of a grid."""
    labels = np.frombuffer(labels, dtype=np.int64)
    if pattern is None:
        folds = stratified_folds(keys, labels, num_folds, fold_seed, class_names)
    else:
        folds = grouped_folds(_groups_of(keys, _compiled(pattern)), labels, num_folds, fold_seed)
    folds.flags.writeable = False
    return folds


def _check_classes(classes: object) -> None:
    fine = isinstance(classes, tuple) and len(classes) > 1 and all(isinstance(name, str) and name for name in classes)
    if not fine or len(set(classes)) < len(classes):
        raise UserError(
            'classes is no list of different folder names.',
            looked_for="at least two, e.g. ['normal', 'tumour']",
            found=repr(classes),
        )


def _compiled(pattern: str | None) -> re.Pattern | None:
    if pattern is None:
        return None
    try:
        return re.compile(pattern)
    except (re.error, TypeError) as error:
        raise UserError(f'group_pattern is no regular expression: {error}.', found=repr(pattern)) from error


def _groups_of(keys: Sequence[str], pattern: re.Pattern) -> list[str]:
    """What the pattern finds in each key: its first group, or without one the whole match."""
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
    names = sorted(
        _utf8(entry.name, root) for entry in root.iterdir() if entry.is_dir() and not entry.name.startswith('.')
    )
    if len(names) < 2:
        raise UserError(
            'There are fewer than two class folders.', looked_for=f'{root}/<class>/<tile>.png', found=names or 'none'
        )
    return names


def is_tile(name: str) -> bool:
    """Whether a file of this name is a tile: an image that is not hidden, as ``._tile.png`` of macOS is."""
    return os.path.splitext(name)[1].lower() in IMAGE_SUFFIXES and not is_hidden(name)


def _utf8(name: str, folder: Path) -> str:
    """``name`` if it is UTF-8, as folds and draws need it: a surrogate stands for a byte that is not."""
    try:
        name.encode()
    except UnicodeEncodeError as error:
        raise UserError(
            'A name is not UTF-8, so that the same tiles would not be drawn on every machine.',
            found=f'{os.fsencode(name)!r} in {folder}',
            remedy='rename it, e.g. with convmv',
        ) from error
    return name


def _passed_over(folder: Path) -> Iterator[str]:
    """The kind of each entry of a class folder that is no tile and not hidden."""
    for entry in os.scandir(folder):
        if is_hidden(entry.name) or is_tile(entry.name):
            continue
        if entry.is_dir():
            yield 'folder(s)'
            continue
        suffix = os.path.splitext(entry.name)[1].lower().encode(errors='backslashreplace').decode()
        yield f'file(s) {f"ending in {suffix}" if suffix else "without a suffix"}'


def _tiles_in(folder: Path) -> dict[str, Path]:
    """The tiles of a class folder by key (``<folder>/<name without suffix>``), sorted by key."""
    if not folder.is_dir():
        found = sorted(entry.name for entry in folder.parent.iterdir())
        raise UserError('A class folder is missing.', looked_for=folder, found=', '.join(found[:12]) or 'nothing')
    tiles: dict[str, Path] = {}
    for path in sorted(entry for entry in folder.iterdir() if is_tile(entry.name)):
        _utf8(path.name, folder)
        if not path.is_file():
            raise UserError(
                'A tile is no regular file.', found=path, remedy='remove it, or what it is a broken link to'
            )
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
