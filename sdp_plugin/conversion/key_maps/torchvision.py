"""The ResNet of torchvision, which timm names alike: both OpenMMLab libraries took their names from it."""

from __future__ import annotations

from dataclasses import replace

from sdp_plugin.conversion.key_map import EXACT, KeyMap
from sdp_plugin.conversion.key_maps.resnet import CLASSIFIER_GEOMETRY, stages
from sdp_plugin.conversion.rules import SAME_NAMES, ZeroFill

CLASSIFIER = KeyMap(
    source='sdp_plugin.TorchvisionResNet',
    target='mmpretrain.ResNet',
    rules=(
        SAME_NAMES,
        ZeroFill('{name*}.num_batches_tracked', 'checkpoints from before PyTorch 0.4.1 do not count the batches'),
    ),
    verdict=EXACT,
    same_settings=('depth', 'num_stages'),
    derived_settings=lambda source: {'style': 'pytorch', 'deep_stem': False, 'avg_down': False},
    ignored_settings=('out_indices',),
    stages=stages,
    target_stages=CLASSIFIER_GEOMETRY,
)
SEGMENTOR = replace(
    CLASSIFIER,
    target='mmseg.ResNet',
    target_stages={**CLASSIFIER_GEOMETRY, 'contract_dilation': False, 'multi_grid': None},
)
ATROUS_SEGMENTOR = replace(
    SEGMENTOR, target='sdp_plugin.AtrousResNet', target_stages={**SEGMENTOR.target_stages, 'output_stride': 32}
)

KEY_MAPS = (CLASSIFIER, SEGMENTOR, ATROUS_SEGMENTOR)
