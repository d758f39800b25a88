"""Tiles in one folder a class, with folds: the layout of CRC and of a folder of one's own."""

from __future__ import annotations

from collections.abc import Sequence

from sdp_plugin.catalogue.folds import check_fold
from sdp_plugin.catalogue.tile_folder import class_folders_in, compiled, folds_of, in_split, list_tiles
from sdp_plugin.catalogue.tiles import Tiles
from sdp_plugin.datasets.tile_dataset import TileDataset
from sdp_plugin.errors import UserError
from sdp_plugin.registry import DATASETS


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
        self.group_pattern = compiled(group_pattern)
        if classes is None and 'classes' not in self.METAINFO:
            classes = class_folders_in(data_root)
        super().__init__(data_root=data_root, split=split, classes=classes, **kwargs)

    def class_folders(self) -> Sequence[str]:
        """The names of the class folders, in the order of the class indices."""
        return self.metainfo['classes']

    def find_tiles(self) -> Tiles:
        """List the tiles of the class folders and keep those of the split."""
        tiles = self.list_tiles()
        if self.num_folds is None:
            return tiles
        folds = folds_of(tiles, self.num_folds, self.fold_seed, self.group_pattern, self.metainfo['classes'])
        return tiles.take(in_split(folds, self.fold, self.split))

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

    def list_tiles(self) -> Tiles:
        """All tiles of the class folders, before they are divided."""
        return list_tiles(self.data_root, self.class_folders())
