"""PatchCamelyon from its official HDF5 files."""

from __future__ import annotations

from sdp_plugin.catalogue.cards import PCAM
from sdp_plugin.catalogue.pcam import find_patches
from sdp_plugin.catalogue.tiles import Tiles
from sdp_plugin.datasets.tile_dataset import TileDataset
from sdp_plugin.registry import DATASETS


@DATASETS.register_module()
class PCamDataset(TileDataset):
    """PatchCamelyon: patches of 96 x 96 pixels, with or without tumour tissue in their centre.

    Reads ``camelyonpatch_level_2_split_{train,valid,test}_{x,y}.h5`` from ``data_root``: ``x`` of shape (N, 96, 96, 3),
    uint8, RGB, and ``y`` of shape (N, 1, 1, 1) with the labels 0 and 1. N may be any number; another one than the
    official gives a warning. Labels are read and checked at once, patches by :class:`LoadPatch` as they are needed.
    The data card is ``sdp_plugin.catalogue.cards.PCAM``.

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
        tiles = find_patches(self.data_root, self.split)
        self._warn_of_size(len(tiles), PCAM.sizes[self.split], f'the {self.split} split')
        return tiles
