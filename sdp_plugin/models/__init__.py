"""Models and losses that the ``sdp_plugin`` scope adds to MMSegmentation and MMPretrain."""

import sdp_plugin.openmmlab  # noqa: F401, before mmcv.cnn
from sdp_plugin.models.backbones.atrous_resnet import AtrousResNet, AtrousResNeXt
from sdp_plugin.models.backbones.segmentation_backbone import SegmentationBackbone
from sdp_plugin.models.backbones.timm_backbone import TimmBackbone
from sdp_plugin.models.backbones.torchvision_resnet import TorchvisionResNet
from sdp_plugin.models.heads.deeplabv2_head import DeepLabV2Head
from sdp_plugin.models.heads.loss_on_device import FCNHead, LightHamHead, SegformerHead, UPerHead
from sdp_plugin.models.losses import PartialCrossEntropyLoss
from sdp_plugin.models.preprocessors.multi_label_preprocessor import MultiLabelPreprocessor
from sdp_plugin.models.preprocessors.segmentation_preprocessor import SegmentationPreprocessor

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
    'TorchvisionResNet',
    'UPerHead',
]
