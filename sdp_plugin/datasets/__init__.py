"""Data sets that the ``sdp_plugin`` scope adds to MMSegmentation and MMPretrain."""

from sdp_plugin.datasets.crc import CRCDataset
from sdp_plugin.datasets.pcam import PCamDataset
from sdp_plugin.datasets.tile_folder import TileFolderDataset
from sdp_plugin.datasets.voc import VOCClassLabelDataset, VOCDataset

__all__ = ['CRCDataset', 'PCamDataset', 'TileFolderDataset', 'VOCClassLabelDataset', 'VOCDataset']
