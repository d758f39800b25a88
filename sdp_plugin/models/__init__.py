"""Models and losses that the ``sdp_plugin`` scope adds to MMSegmentation and MMPretrain."""

from sdp_plugin.models.adapter import SegmentationBackbone
from sdp_plugin.models.backbones.atrous_resnet import AtrousResNet, AtrousResNeXt
from sdp_plugin.models.decode_heads import FCNHead, LightHamHead, SegformerHead, UPerHead
from sdp_plugin.models.deeplabv2_head import DeepLabV2Head
from sdp_plugin.models.losses import PartialCrossEntropyLoss
from sdp_plugin.models.multi_label_preprocessor import MultiLabelPreprocessor
from sdp_plugin.models.segmentation_preprocessor import SegmentationPreprocessor
from sdp_plugin.models.timm_backbone import TimmBackbone

__all__ = [
    'AtrousResNeXt',
    'AtrousResNet',
    'DeepLabV2Head',
    'FCNHead',
    'LightHamHead',
    'MultiLabelPreprocessor',
    'PartialCrossEntropyLoss',
    'SegformerHead',
    'SegmentationBackbone',
    'SegmentationPreprocessor',
    'TimmBackbone',
    'UPerHead',
]
