"""The colorectal tiles of Kather et al. (2016) from their official folder."""

from __future__ import annotations

from collections.abc import Sequence

from sdp_plugin.catalogue.cards import CRC
from sdp_plugin.catalogue.crc import CLASS_FOLDERS, group_pattern
from sdp_plugin.catalogue.tiles import Tiles
from sdp_plugin.datasets.tile_folder import TileFolderDataset
from sdp_plugin.registry import DATASETS


@DATASETS.register_module()
class CRCDataset(TileFolderDataset):
    """Kather 2016: colorectal tiles of 150 x 150 pixels in eight classes, with folds for cross-validation.

    Reads ``Kather_texture_2016_image_tiles_5000/{01_TUMOR,...,08_EMPTY}``, the official TIFFs or re-encoded tiles.
    Another number of tiles than 5,000 gives a warning. The data card is ``sdp_plugin.catalogue.cards.CRC``.

    Folds are stratified by class, as in the literature. They put tiles of one source image on both sides;
    ``group_by='source_image'`` keeps them together by the ``CRC-Prim-HE-NN`` in the official names, with at most ten
    folds, which are uneven.

    Each item of ``data_list`` holds ``img_path`` (str), ``gt_label`` (int) and ``tile_id`` (str).

    Args:
        data_root (str): The folder ``Kather_texture_2016_image_tiles_5000``.
        split (str): ``'train'`` or ``'test'``.
        group_by (str): ``'none'`` or ``'source_image'``. Defaults to ``'none'``.
        **kwargs: Of :class:`TileFolderDataset` (``num_folds``, ``fold``, ``fold_seed``) and :class:`TileDataset`
            (``examples_per_class``, ``seed``, ``pipeline``, ...).

    Raises:
        UserError: What :class:`TileFolderDataset` raises, and an unknown ``group_by``.
    """

    CARD = CRC
    METAINFO = CRC.metainfo()

    def __init__(self, data_root: str = '', split: str = 'train', group_by: str = 'none', **kwargs) -> None:
        super().__init__(data_root=data_root, split=split, group_pattern=group_pattern(group_by), **kwargs)

    def class_folders(self) -> Sequence[str]:
        """``01_TUMOR`` to ``08_EMPTY``."""
        return CLASS_FOLDERS

    def list_tiles(self) -> Tiles:
        """All tiles, with a warning where they are not 5,000."""
        tiles = super().list_tiles()
        self._warn_of_size(len(tiles), CRC.sizes['all'], 'the folder')
        return tiles
