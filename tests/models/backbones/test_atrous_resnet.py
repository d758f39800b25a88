"""À-trous ResNets: the classifier's function at more positions, under MMSegmentation's names."""

from __future__ import annotations

import pytest
import torch
from mmseg.models.backbones import ResNet
from small_models import randomise
from torchvision import models

from sdp_plugin.errors import UserError
from sdp_plugin.models.backbones.atrous_resnet import AtrousResNet, AtrousResNeXt

SMALL = {'stem_channels': 8, 'base_channels': 8}
NETWORKS = {
    '18': (AtrousResNet, {'depth': 18}),
    '50': (AtrousResNet, {'depth': 50}),
    '50, strided in the first convolution': (AtrousResNet, {'depth': 50, 'style': 'caffe'}),
    '18 with a deep stem': (AtrousResNet, {'depth': 18, 'deep_stem': True}),
    'ResNeXt': (AtrousResNeXt, {'depth': 50, 'groups': 4, 'base_width': 16}),
}


def built(kind: type, output_stride: int, **settings) -> torch.nn.Module:
    torch.manual_seed(0)
    module = kind(output_stride=output_stride, **SMALL, **settings)
    randomise(module)
    module.double().eval()  # which returns None in MMSegmentation
    return module


@pytest.mark.parametrize('name', NETWORKS)
@pytest.mark.parametrize('output_stride', [8, 16])
@pytest.mark.parametrize('size', [64, 97])
def test_holds_the_features_of_the_classifier(name, output_stride, size):
    kind, settings = NETWORKS[name]
    dense, classifier = built(kind, output_stride, **settings), built(kind, 32, **settings)
    images = torch.randn(2, 3, size, size, dtype=torch.float64)
    with torch.no_grad():
        maps = zip(dense(images), classifier(images), strict=True)
    for ours, wanted in maps:
        every = -(-ours.shape[-1] // wanted.shape[-1])
        torch.testing.assert_close(ours[..., ::every, ::every], wanted, rtol=0, atol=1e-12 * wanted.abs().max().item())
    assert ours.shape[-1] == -(-size // output_stride)


@pytest.mark.parametrize(('output_stride', 'dilated'), [(8, [False, True, True]), (16, [False, False, True])])
def test_is_torchvisions_with_strides_replaced(output_stride, dilated):
    """Which dilates bottlenecks only."""
    reference = models.resnet50(weights=None, replace_stride_with_dilation=dilated).double().eval()
    randomise(reference)
    ours = AtrousResNet(depth=50, output_stride=output_stride, out_indices=(3,))
    ours.double().eval()
    ours.load_state_dict({k: v for k, v in reference.state_dict().items() if not k.startswith('fc.')})
    reference.avgpool = reference.fc = torch.nn.Identity()
    images = torch.randn(1, 3, 65, 65, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images)[0].flatten(1), reference(images), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize('output_stride', [8, 16])
def test_is_timms_of_an_output_stride(output_stride):
    """Which dilates basic blocks, too."""
    timm = pytest.importorskip('timm')
    reference = timm.create_model('resnet18', pretrained=False, output_stride=output_stride).double().eval()
    randomise(reference)
    ours = AtrousResNet(depth=18, output_stride=output_stride, out_indices=(3,))
    ours.double().eval()
    ours.load_state_dict({k: v for k, v in reference.state_dict().items() if not k.startswith('fc.')})
    images = torch.randn(1, 3, 65, 65, dtype=torch.float64)
    with torch.no_grad():
        torch.testing.assert_close(ours(images)[0], reference.forward_features(images), rtol=1e-12, atol=1e-12)


def test_names_and_start_are_those_of_mmsegmentation():
    torch.manual_seed(0)
    ours = AtrousResNet(depth=18, **SMALL)
    ours.init_weights()
    torch.manual_seed(0)
    theirs = ResNet(depth=18, strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), **SMALL)
    theirs.init_weights()
    assert (ours.strides, ours.dilations) == (theirs.strides, theirs.dilations)
    assert ours.state_dict().keys() == theirs.state_dict().keys()
    assert all(torch.equal(tensor, theirs.state_dict()[name]) for name, tensor in ours.state_dict().items())


@pytest.mark.parametrize(
    'settings',
    [
        {'output_stride': 4},
        {'output_stride': 12},
        {'output_stride': '8'},
        {'dilations': (1, 1, 2, 4)},
        {'multi_grid': (1, 2, 4)},
        {'avg_down': True},
    ],
    ids=str,
)
def test_what_it_cannot_do_is_refused(settings):
    with pytest.raises(UserError, match=f'{next(iter(settings))}'):
        AtrousResNet(depth=50, **SMALL, **settings)
