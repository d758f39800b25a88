"""ResNet: the same names and the same function in both libraries."""

from __future__ import annotations

from sdp_plugin.conversion.key_map import EXACT, KeyMap
from sdp_plugin.conversion.rules import SAME_NAMES

CLASSIFIER_GEOMETRY = {'strides': (1, 2, 2, 2), 'dilations': (1, 1, 1, 1)}

SAME_SETTINGS = (
    'depth', 'in_channels', 'stem_channels', 'base_channels', 'num_stages', 'style', 'deep_stem', 'avg_down',
    'conv_cfg', 'norm_cfg',
)  # fmt: skip

RESNET = KeyMap(
    source='mmseg.ResNet',
    target='mmpretrain.ResNet',
    rules=(SAME_NAMES,),
    verdict=EXACT,
    same_settings=SAME_SETTINGS,
    geometry=CLASSIFIER_GEOMETRY,
    source_geometry={'contract_dilation': False, 'multi_grid': None},
    ignored_settings=('out_indices', 'stage_with_dcn'),
    all_stages={'out_indices': (0, 1, 2, 3)},
)
RESNET_OF_CLASSIFIER = KeyMap(
    source='mmpretrain.ResNet',
    target='mmpretrain.ResNet',
    rules=(SAME_NAMES,),
    verdict=EXACT,
    same_settings=(*SAME_SETTINGS, 'expansion'),
    geometry=CLASSIFIER_GEOMETRY,
    ignored_settings=('out_indices', 'drop_path_rate'),
    all_stages={'out_indices': (0, 1, 2, 3)},
)

KEY_MAPS = (RESNET, RESNET_OF_CLASSIFIER)
