"""What all classification data sets share: splits, and N labelled examples a class of the training part."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from mmengine.logging import print_log
from mmpretrain.datasets import BaseDataset

from sdp_plugin.datasets.cards import DataCard
from sdp_plugin.datasets.subsets import draw_examples
from sdp_plugin.errors import UserError


@dataclass(frozen=True)
class Tiles:
    """The tiles that a data set found, before anything is drawn.

    Args:
        keys (list[str]): N different names, the same on every machine and for every encoding of the tiles.
        labels (np.ndarray): int64 class indices, shape (N,).
        sources (list[dict]): What the loading transform needs of each tile.
    """

    keys: list[str]
    labels: np.ndarray
    sources: list[dict]

    def __len__(self) -> int:
        return len(self.keys)

    def take(self, positions: np.ndarray) -> Tiles:
        """The tiles at these positions, in the order of the positions."""
        return Tiles([self.keys[i] for i in positions], self.labels[positions], [self.sources[i] for i in positions])


class TileDataset(BaseDataset):
    """Labelled tiles with splits, from which N examples a class can be drawn for training.

    A subclass implements :meth:`find_tiles`. Each item of ``data_list`` holds ``gt_label`` (int), ``tile_id`` (str, the
    key by which tiles are drawn) and what the subclass's loading transform needs.

    Args:
        data_root (str): The folder of the data.
        split (str): ``'train'``, ``'val'`` or ``'test'``; ``'valid'`` is another word for ``'val'``.
        examples_per_class (int | None): How many examples of each class to draw from the training part; None takes all
            of them. Only for ``split='train'``: scores on a part of a test set would not compare. Defaults to None.
        seed (int): The seed of the draw. Draws with one seed are nested: that of 1,000 lies inside that of 2,000.
            Defaults to 0.
        **kwargs: Of :class:`mmpretrain.datasets.BaseDataset`, e.g. ``pipeline``, ``indices``, ``test_mode``.

    Raises:
        UserError: Unknown split, missing folder, too few examples, or ``examples_per_class`` outside of training.
    """

    CARD: DataCard | None = None
    SPLITS: Mapping[str, str] = {'train': 'train', 'val': 'val', 'valid': 'val', 'test': 'test'}

    def __init__(
        self,
        data_root: str = '',
        split: str = 'train',
        examples_per_class: int | None = None,
        seed: int = 0,
        **kwargs,
    ) -> None:
        self.split = self._resolve_split(split)
        if examples_per_class is not None and self.split != 'train':
            raise UserError(
                f'examples_per_class was given for the {self.split} split, which is always used whole.',
                found=f'examples_per_class={examples_per_class}',
                remedy="pass examples_per_class with split='train' only",
            )
        self.examples_per_class = examples_per_class
        self.seed = seed
        super().__init__(ann_file='', data_root=str(data_root), **kwargs)

    @abstractmethod
    def find_tiles(self) -> Tiles:
        """All tiles of ``self.split``, in an order of their keys and not of the file system."""

    def load_data_list(self) -> list[dict]:
        """Find the tiles, draw the examples, and describe each as a dict.

        Returns:
            list[dict]: ``gt_label`` (int), ``tile_id`` (str), and the keys that the loading transform requires.
        """
        tiles = self.find_tiles()
        if self.examples_per_class is not None:
            tiles = tiles.take(
                draw_examples(tiles.keys, tiles.labels, self.examples_per_class, self.seed, self.metainfo['classes'])
            )
        return [
            {**source, 'gt_label': label, 'tile_id': key}
            for source, label, key in zip(tiles.sources, tiles.labels.tolist(), tiles.keys, strict=True)
        ]

    def extra_repr(self) -> list[str]:
        """Lines for ``repr``: where the tiles come from and which are taken."""
        examples = 'all' if self.examples_per_class is None else f'{self.examples_per_class} a class, seed {self.seed}'
        return [f'Folder: \t{self.data_root}', f'Split: \t{self.split}', f'Examples: \t{examples}']

    def _resolve_split(self, split: str) -> str:
        if split not in self.SPLITS:
            raise UserError('Unknown split.', looked_for=', '.join(self.SPLITS), found=repr(split))
        return self.SPLITS[split]

    def _warn_of_size(self, found: int, expected: int, what: str) -> None:
        if found == expected:
            return
        print_log(
            f'{type(self).__name__}: {what} has {found:,} tiles, the complete data set {expected:,}. '
            'Results on it do not compare with published ones.',
            logger='current',
            level=logging.WARNING,
        )


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
