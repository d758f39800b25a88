"""What all classification data sets share: splits, and N labelled examples a class of the training part."""

from __future__ import annotations

import logging
from abc import abstractmethod

from mmengine.logging import print_log
from mmpretrain.datasets import BaseDataset

from sdp_plugin.catalogue.cards import DataCard
from sdp_plugin.catalogue.subsets import draw_examples
from sdp_plugin.catalogue.tiles import Tiles, resolve_split
from sdp_plugin.errors import UserError


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
        return resolve_split(split)

    def _warn_of_size(self, found: int, expected: int, what: str) -> None:
        if found == expected:
            return
        print_log(
            f'{type(self).__name__}: {what} has {found:,} tiles, the complete data set {expected:,}. '
            'Results on it do not compare with published ones.',
            logger='current',
            level=logging.WARNING,
        )
