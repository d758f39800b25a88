"""Transforms that the ``sdp_plugin`` scope adds to MMSegmentation and MMPretrain."""

from sdp_plugin.datasets.transforms.class_label_packing import PackClassLabels, collate_class_labels
from sdp_plugin.datasets.transforms.geometry import RandomLabelledCrop, RandomRescale
from sdp_plugin.datasets.transforms.loading_image import LoadImage
from sdp_plugin.datasets.transforms.loading_masks import ClassLabelsFromMask, LoadClassLabels, LoadMask
from sdp_plugin.datasets.transforms.loading_patch import LoadPatch
from sdp_plugin.datasets.transforms.loading_scribbles import LoadScribbles
from sdp_plugin.datasets.transforms.loading_strokes import LoadStrokes
from sdp_plugin.datasets.transforms.packing import PackBytes, collate_bytes
from sdp_plugin.datasets.transforms.random_crop import RandomCrop
from sdp_plugin.datasets.transforms.rescaled_crop import RandomRescaledCrop

__all__ = [
    'ClassLabelsFromMask',
    'LoadClassLabels',
    'LoadImage',
    'LoadMask',
    'LoadPatch',
    'LoadScribbles',
    'LoadStrokes',
    'PackBytes',
    'PackClassLabels',
    'RandomCrop',
    'RandomLabelledCrop',
    'RandomRescale',
    'RandomRescaledCrop',
    'collate_bytes',
    'collate_class_labels',
]
