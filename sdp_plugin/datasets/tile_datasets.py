"""Data sets of labelled tiles for MMPretrain. What their files are is said in ``sdp_plugin.catalogue``."""

from __future__ import annotations

import logging
from dataclasses import fields
from typing import ClassVar

from mmengine.logging import print_log
from mmpretrain.datasets import BaseDataset

from sdp_plugin.catalogue.crc import CRC, KatherTiles
from sdp_plugin.catalogue.nct_crc import NCT_CRC, NCTTiles
from sdp_plugin.catalogue.pcam import PCAM, PCam
from sdp_plugin.catalogue.tile_folder import TileFolder
from sdp_plugin.catalogue.tiles import TileCollection
from sdp_plugin.datasets import arguments
from sdp_plugin.registry import DATASETS


class TileDataset(BaseDataset):
    """Labelled tiles with splits, from which N examples a class can be drawn for training.

    A subclass names its :attr:`COLLECTION`. Each item of ``data_list`` holds ``gt_label`` (int), ``tile_id`` (str, the
    key by which tiles are drawn) and what the loading transform needs.

    Args:
        **kwargs: The fields of the collection (``data_root``, ``split``, ``examples_per_class``, ``seed``, ...), and
            those of :class:`mmpretrain.datasets.BaseDataset`, e.g. ``pipeline``, ``indices``, ``test_mode``.

    Attributes:
        collection (TileCollection): Which tiles are asked for.

    Raises:
        UserError: What the collection raises, for its arguments and for its files.
    """

    COLLECTION: ClassVar[type[TileCollection]]

    def __init_subclass__(cls, **kwargs) -> None:
        super().__init_subclass__(**kwargs)
        cls.__signature__ = arguments.merged_signature(cls.COLLECTION, BaseDataset, without=('ann_file',))

    def __init__(self, **kwargs) -> None:
        self.collection = self.COLLECTION.from_config(kwargs)
        own = {field.name for field in fields(self.collection)}
        others = {name: value for name, value in kwargs.items() if name not in own}
        if 'classes' not in self.METAINFO:
            others['classes'] = self.collection.class_names
        super().__init__(ann_file='', data_root=self.collection.data_root, **others)

    def load_data_list(self) -> list[dict]:
        """Find the tiles, draw the examples, and describe each as a dict.

        Returns:
            list[dict]: ``gt_label`` (int), ``tile_id`` (str), and the keys that the loading transform requires.
        """
        found = self.collection.read()
        self._warn_of_size(len(found))
        for remark in self.collection.remarks():
            print_log(f'{type(self).__name__}: {remark}', logger='current', level=logging.WARNING)
        tiles = self.collection.chosen(found)
        return [
            {**source, 'gt_label': label, 'tile_id': key}
            for source, label, key in zip(tiles.sources, tiles.labels.tolist(), tiles.keys, strict=True)
        ]

    def extra_repr(self) -> list[str]:
        """Lines for ``repr``: those of the base class, and which tiles are asked for."""
        own = [f'{field.name}: \t{getattr(self.collection, field.name)}' for field in fields(self.collection)]
        return [*super().extra_repr(), *own]

    def _warn_of_size(self, found: int) -> None:
        expected = self.collection.complete_size
        if expected in (None, found):
            return
        print_log(
            f'{type(self).__name__}: {found:,} tiles in {self.collection.data_root} ({self.collection.split}), '
            f'the complete data set has {expected:,}. Results on it do not compare with published ones.',
            logger='current',
            level=logging.WARNING,
        )


@DATASETS.register_module()
class PCamDataset(TileDataset):
    """PatchCamelyon: patches of 96 x 96 pixels, with or without tumour tissue in their centre.

    Arguments and files are those of :class:`sdp_plugin.catalogue.pcam.PCam`. Each item of ``data_list`` holds
    ``h5_path`` (str), ``h5_index`` (int), ``gt_label`` (int) and ``tile_id`` (str).
    """

    COLLECTION = PCam
    METAINFO = PCAM.metainfo()


@DATASETS.register_module()
class CRCDataset(TileDataset):
    """Kather 2016: colorectal tiles of 150 x 150 pixels in eight classes, with folds for cross-validation.

    Arguments and files are those of :class:`sdp_plugin.catalogue.crc.KatherTiles`. Each item of ``data_list`` holds
    ``img_path`` (str), ``gt_label`` (int) and ``tile_id`` (str).
    """

    COLLECTION = KatherTiles
    METAINFO = CRC.metainfo()


@DATASETS.register_module()
class NCTCRCDataset(TileDataset):
    """NCT-CRC-HE-100K to train on and CRC-VAL-HE-7K to test on: colorectal tiles of 224 pixels in nine classes.

    Arguments and files are those of :class:`sdp_plugin.catalogue.nct_crc.NCTTiles`. Each item of ``data_list`` holds
    ``img_path`` (str), ``gt_label`` (int) and ``tile_id`` (str).
    """

    COLLECTION = NCTTiles
    METAINFO = NCT_CRC.metainfo()


@DATASETS.register_module()
class TileFolderDataset(TileDataset):
    """Tiles of one's own as image files in one folder a class, with folds for cross-validation.

    Arguments and files are those of :class:`sdp_plugin.catalogue.tile_folder.TileFolder`. Each item of ``data_list``
    holds ``img_path`` (str), ``gt_label`` (int) and ``tile_id`` (str).
    """

    COLLECTION = TileFolder
