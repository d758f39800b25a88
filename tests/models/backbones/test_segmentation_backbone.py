"""Backbones of MMSegmentation inside a classifier of MMPretrain."""

from __future__ import annotations

import mmseg.models.backbones
import pytest
import torch
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS as CLASSIFICATION_MODELS
from mmpretrain.structures import DataSample
from small_backbones import PAIRS

from sdp_plugin.errors import UserError
from sdp_plugin.models.backbones.segmentation_backbone import REFUSED, SegmentationBackbone

WRAPPED = {pair.kind: pair.settings for pair in PAIRS.values() if pair.kind.startswith('mmseg.')}

# Channels and stride of the map that a classifier pools, of the small backbones.
DEEPEST = {
    'mmseg.UNet': (64, 16),
    'mmseg.BiSeNetV2': (16, 8),
    'mmseg.PIDNet': (64, 8),
    'mmseg.DDRNet': (32, 8),
    'mmseg.FastSCNN': (128, 32),
    'mmseg.HRNet': (64, 32),
    'mmseg.MixVisionTransformer': (64, 32),
    'mmseg.MSCAN': (64, 32),
    'mmseg.STDCNet': (128, 32),
    'mmseg.STDCContextPathNet': (32, 8),
    'mmseg.BiSeNetV1': (256, 8),
    'mmseg.CGNet': (256, 8),
    'mmseg.ERFNet': (16, 2),
    'mmseg.MobileNetV3': (576, 8),
}


def settings_on_one_device(kind: str) -> dict:
    return {**WRAPPED[kind], **({'norm_cfg': {'type': 'BN'}} if kind == 'mmseg.MSCAN' else {})}


def test_all_backbones_are_tried():
    assert len(WRAPPED) == 27
    assert {kind.removeprefix('mmseg.') for kind in WRAPPED} == (
        set(mmseg.models.backbones.__all__) - set(REFUSED) - {'TIMMBackbone'}
    )


@pytest.mark.parametrize('kind', WRAPPED)
def test_trains_and_predicts_in_a_classifier(kind):
    module = SegmentationBackbone({'type': kind, **settings_on_one_device(kind)})
    module.eval()
    channels = module(torch.randn(1, 3, 64, 64))[0].shape[1]
    model = {
        'type': 'ImageClassifier',
        'backbone': {
            'type': 'sdp_plugin.SegmentationBackbone',
            'backbone': {'type': kind, **settings_on_one_device(kind)},
        },
        'neck': {'type': 'GlobalAveragePooling'},
        'head': {'type': 'LinearClsHead', 'num_classes': 3, 'in_channels': channels},
    }
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        classifier = CLASSIFICATION_MODELS.build(model)
    samples = [DataSample().set_gt_label(label) for label in range(2)]
    classifier.train()
    loss = classifier.loss(torch.randn(2, 3, 64, 64), samples)['loss']
    loss.backward()
    assert loss.isfinite()
    gradients = [weight.grad is not None and bool(weight.grad.any()) for weight in classifier.backbone.parameters()]
    assert sum(gradients) > len(gradients) / 3
    classifier.eval()
    assert classifier.head.fc.weight.grad.any()
    assert classifier.predict(torch.randn(2, 3, 64, 64))[0].pred_score.shape == (3,)


@pytest.mark.parametrize('kind', DEEPEST)
def test_picks_the_same_map_in_training_and_evaluation(kind):
    module = SegmentationBackbone({'type': kind, **settings_on_one_device(kind)})
    inputs = torch.randn(2, 3, 64, 64)
    module.eval()
    evaluated = module(inputs)
    for layer in module.modules():
        # Only the flag that backbones look at: batch norm and dropout stay as in evaluation.
        if not isinstance(layer, (torch.nn.modules.batchnorm._BatchNorm, torch.nn.modules.dropout._DropoutNd)):
            layer.training = True
    trained = module(inputs)
    channels, stride = DEEPEST[kind]
    assert evaluated[0].shape == (2, channels, 64 // stride, 64 // stride)
    if kind != 'mmseg.MixVisionTransformer':  # stochastic depth draws in training mode
        assert torch.equal(trained[0], evaluated[0])


def test_several_maps_for_a_neck_that_fuses_them():
    module = SegmentationBackbone({'type': 'HRNet', **WRAPPED['mmseg.HRNet']}, features=(0, 1, 2, 3))
    module.eval()
    assert [feature.shape[1] for feature in module(torch.randn(1, 3, 64, 64))] == [8, 16, 32, 64]


def test_a_diffusion_model_is_refused():
    with pytest.raises(UserError, match='diffusion'):
        SegmentationBackbone({'type': 'VPD', 'diffusion_cfg': {}, 'class_embed_path': ''})


def test_timm_backbones():
    config = {'type': 'TIMMBackbone', 'model_name': 'resnet18', 'features_only': True, 'pretrained': False}
    try:
        import timm  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match='timm'):
            SegmentationBackbone(config)
        return
    assert SegmentationBackbone(config)(torch.randn(2, 3, 64, 64))[0].shape == (2, 512, 2, 2)
