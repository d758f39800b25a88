"""HRNet: the same tensors in both libraries, but another upsampling between the branches."""

from __future__ import annotations

from sdp_plugin.conversion.key_map import KeyMap, weights_only
from sdp_plugin.conversion.rules import SAME_NAMES

HRNET = KeyMap(
    source='mmseg.HRNet',
    target='mmpretrain.HRNet',
    rules=(SAME_NAMES,),
    verdict=weights_only('branches are fused by bilinear upsampling in MMSegmentation, by nearest in MMPretrain'),
    same_settings=('extra', 'in_channels', 'conv_cfg', 'norm_cfg', 'multiscale_output'),
)

KEY_MAPS = (HRNET,)
