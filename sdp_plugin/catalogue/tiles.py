"""Labelled tiles: splits, and N labelled examples a class of the training part."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

import numpy as np

from sdp_plugin.catalogue.cards import DataCard
from sdp_plugin.catalogue.collection import Collection
from sdp_plugin.catalogue.subsets import check_drawable, check_number, check_seed, class_names_of, draw_examples
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


@dataclass(frozen=True)
class TileCollection(Collection):
    """Labelled tiles with splits, from which N examples a class can be drawn for training.

    Args:
        data_root (str): The folder of the data.
        split (str): ``'train'``, ``'val'`` or ``'test'``; ``'valid'`` is another word for ``'val'``. Defaults to
            ``'train'``.
        examples_per_class (int | None): How many examples of each class to draw from the training part; None takes all
            of them. Only for ``split='train'``: scores on a part of a test set would not compare. Defaults to None.
        seed (int): The seed of the draw. Draws with one seed are nested: that of 1,000 lies inside that of 2,000.
            Defaults to 0.

    Raises:
        UserError: Unknown split, a number that is none, or ``examples_per_class`` outside of training.
    """

    CARD: ClassVar[DataCard | None] = None
    LABELS: ClassVar[str] = 'a class'
    READ_BY: ClassVar[tuple[str, ...]] = ('data_root', 'split')

    split: str = 'train'
    examples_per_class: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.split, str) or self.split not in SPLITS:
            raise UserError('Unknown split.', looked_for=', '.join(SPLITS), found=repr(self.split))
        object.__setattr__(self, 'split', SPLITS[self.split])
        check_seed(self.seed)
        if self.examples_per_class is None:
            return
        check_number(self.examples_per_class)
        if self.split != 'train':
            raise UserError(
                f'examples_per_class was given for the {self.split} split, which is always used whole.',
                found=f'examples_per_class={self.examples_per_class}',
                remedy="pass examples_per_class with split='train' only",
            )

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes by index, as the card names them."""
        return self.CARD.classes

    @property
    def complete_size(self) -> int | None:
        """How many tiles :meth:`read` finds in the published data set; None where none is published."""
        return self.CARD and self.CARD.sizes[self.split]

    def remarks(self) -> tuple[str, ...]:
        """What of the files that :meth:`read` found is worth a word to whoever trains on them, a line each."""
        return ()

    @abstractmethod
    def look(self) -> Tiles:
        """All tiles, in an order of their keys and not of the file system."""

    def positions(self, found: Tiles) -> np.ndarray:
        """Positions of the split's tiles among all that were found, ascending."""
        return np.arange(len(found))

    @property
    def draw_of(self) -> str:
        """What a draw is made for: those for two purposes with one seed are independent."""
        return 'subset'

    def chosen(self, found: Tiles) -> Tiles:
        """The tiles that are asked for: of the split, and drawn."""
        positions = self.positions(found)
        tiles = found if len(positions) == len(found) else found.take(positions)
        if self.examples_per_class is None:
            return tiles
        return tiles.take(
            draw_examples(
                tiles.keys, tiles.labels, self.examples_per_class, self.seed, self.class_names, purpose=self.draw_of
            )
        )

    def check(self, found: Tiles) -> None:
        """Check that as many examples can be drawn, without drawing them."""
        labels = found.labels[self.positions(found)]
        if self.examples_per_class is not None:
            check_drawable(labels, self.examples_per_class, class_names_of(labels, self.class_names))
