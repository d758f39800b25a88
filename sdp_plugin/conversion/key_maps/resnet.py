"""The ResNet family: the same function in both libraries, apart from the names of deep stems and shortcuts."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from sdp_plugin.conversion.key_map import EXACT, KeyMap
from sdp_plugin.conversion.rules import SAME_NAMES, Rename, Rule
from sdp_plugin.conversion.trunks import Trunk

CLASSIFIER_GEOMETRY = {'strides': (1, 2, 2, 2), 'dilations': (1, 1, 1, 1)}

WIDTH_SETTINGS = ('depth', 'in_channels', 'stem_channels', 'base_channels', 'num_stages', 'style')
LAYER_SETTINGS = ('conv_cfg', 'norm_cfg')
STEM_SETTINGS = ('deep_stem', 'avg_down')

# Three convolutions in a row, each with its norm and activation.
DEEP_STEM = tuple(
    Rename(f'stem.{3 * block + offset}.{{p}}', f'stem.{block}.{layer}.{{p}}')
    for block in range(3)
    for offset, layer in enumerate(('conv', 'bn'))
)


def rules(source: Trunk, target: Trunk) -> tuple[Rule, ...]:
    """The rules of both stems, and those of a shortcut that pools before its convolution.

    MMSegmentation always puts the pooling layer first, MMPretrain only where it has something to do.
    """
    shortcut: list[Rule] = []
    if source.complete_settings()['avg_down'] or source.name in ('ResNetV1d', 'ResNeSt'):
        shortcut = [
            Rename(f'layer{stage}.{{b}}.downsample.{layer + 1}.{{p}}', f'layer{stage}.{{b}}.downsample.{layer}.{{p}}')
            for stage, stride in enumerate(target.complete_settings()['strides'], 1)
            if stride == 1
            for layer in range(2)
        ]
    return (*DEEP_STEM, *shortcut, SAME_NAMES)


def stages(source: Trunk) -> dict[str, Any]:
    """Every stage."""
    return {'out_indices': tuple(range(source.complete_settings()['num_stages']))}


RESNET = KeyMap(
    source='mmseg.ResNet',
    target='mmpretrain.ResNet',
    rules=rules,
    verdict=EXACT,
    same_settings=(*WIDTH_SETTINGS, *LAYER_SETTINGS, *STEM_SETTINGS),
    geometry=CLASSIFIER_GEOMETRY,
    source_geometry={'contract_dilation': False, 'multi_grid': None},
    ignored_settings=('out_indices',),
    stages=stages,
)
_FIXED_STEM = replace(RESNET, same_settings=(*WIDTH_SETTINGS, *LAYER_SETTINGS))
V1C = replace(_FIXED_STEM, source='mmseg.ResNetV1c', target='mmpretrain.ResNetV1c')
V1D = replace(_FIXED_STEM, source='mmseg.ResNetV1d', target='mmpretrain.ResNetV1d')
RESNEXT = replace(
    RESNET,
    source='mmseg.ResNeXt',
    target='mmpretrain.ResNeXt',
    same_settings=(*RESNET.same_settings, 'groups'),
    renamed_settings={'base_width': 'width_per_group'},
)
_ATROUS = {'source_geometry': {**RESNET.source_geometry, 'output_stride': 32}}
ATROUS_RESNET = replace(RESNET, source='sdp_plugin.AtrousResNet', **_ATROUS)
ATROUS_RESNEXT = replace(RESNEXT, source='sdp_plugin.AtrousResNeXt', **_ATROUS)
RESNEST = replace(
    _FIXED_STEM,
    source='mmseg.ResNeSt',
    target='mmpretrain.ResNeSt',
    same_settings=(*_FIXED_STEM.same_settings, 'groups', 'radix', 'reduction_factor', 'avg_down_stride'),
    renamed_settings={'base_width': 'width_per_group'},
)
RESNET_OF_CLASSIFIER = KeyMap(
    source='mmpretrain.ResNet',
    target='mmpretrain.ResNet',
    rules=(SAME_NAMES,),
    verdict=EXACT,
    same_settings=(*RESNET.same_settings, 'expansion'),
    geometry=CLASSIFIER_GEOMETRY,
    ignored_settings=('out_indices', 'drop_path_rate'),
    stages=stages,
)

KEY_MAPS = (RESNET, V1C, V1D, RESNEXT, ATROUS_RESNET, ATROUS_RESNEXT, RESNEST, RESNET_OF_CLASSIFIER)
