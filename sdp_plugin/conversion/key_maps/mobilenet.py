"""MobileNetV2 and V3."""

from __future__ import annotations

from sdp_plugin.conversion.key_map import KeyMap, Verdict, weights_only
from sdp_plugin.conversion.rules import SAME_NAMES, Fresh

MOBILENET_V2 = KeyMap(
    source='mmseg.MobileNetV2',
    target='mmpretrain.MobileNetV2',
    rules=(Fresh('conv2.{name*}', 'the last 1x1 convolution of the classifier has no source'), SAME_NAMES),
    verdict=Verdict('exact', 0.0, 'up to the last stage; the 1x1 convolution behind it has no source'),
    same_settings=('widen_factor', 'conv_cfg', 'norm_cfg', 'act_cfg'),
    source_geometry={'strides': (1, 2, 2, 2, 1, 2, 1), 'dilations': (1, 1, 1, 1, 1, 1, 1)},
    ignored_settings=('out_indices',),
    stages=lambda source: {'out_indices': (1, 2, 4, 6)},
)


MOBILENET_V3 = KeyMap(
    source='mmseg.MobileNetV3',
    target='mmpretrain.MobileNetV3',
    rules=(SAME_NAMES,),
    verdict=weights_only('the two classes pad, stride and dilate differently'),
    same_settings=('arch', 'conv_cfg', 'norm_cfg'),
    ignored_settings=('out_indices',),
)

KEY_MAPS = (MOBILENET_V2, MOBILENET_V3)
