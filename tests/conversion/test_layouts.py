"""Other people's ResNets are recognised by their names, and nothing else is taken for one."""

from __future__ import annotations

import pytest
import torch
from small_models import classifier_config, randomise, segmentor_config
from torchvision import models

from sdp_plugin.conversion.account import summary
from sdp_plugin.conversion.carry_over import carry_over
from sdp_plugin.conversion.layouts import check_is_told_apart, recognised
from sdp_plugin.conversion.trunks import Trunk
from sdp_plugin.errors import UserError


def torchvision_weights(name: str = 'resnet18') -> dict:
    model = getattr(models, name)(weights=None)
    randomise(model)
    return dict(model.state_dict())


def test_torchvision(saved):
    weights = torchvision_weights()
    carried = carry_over(saved(weights))
    assert 'torchvision or timm' in summary(carried)
    assert carried.verdict.name == 'exact on condition'
    assert carried.target.config == {'type': 'mmpretrain.ResNet', 'depth': 18}
    assert [stage.largest for stage in carried.verification.stages] == [0, 0, 0, 0]
    assert {record.sources[0] for record in carried.source.dropped} == {'fc.weight', 'fc.bias'}
    assert all(torch.equal(tensor, weights[name]) for name, tensor in carried.conversion.state.items())
    assert carried.source.normalisation['channel_order'] == 'rgb'


def test_weights_that_do_not_count_batches(saved):
    old = {name: tensor for name, tensor in torchvision_weights().items() if 'num_batches_tracked' not in name}
    carried = carry_over(saved({'state_dict': old}))
    filled = {record.targets[0] for record in carried.conversion.named('zero-fill')}
    assert len(filled) == 20
    assert all(not carried.conversion.state[name].any() for name in filled)


def bare_trunk() -> dict:
    trunk = Trunk('mmpretrain', 'ResNet', {'depth': 18}).build()
    return {f'backbone.{name}': tensor for name, tensor in trunk.state_dict().items()}


def test_the_zoo_of_mmpretrain(saved):
    carried = carry_over(saved({'meta': {}, 'state_dict': bare_trunk() | {'head.fc.weight': torch.ones(2, 512)}}))
    assert carried.source.layout == "MMPretrain's zoo"
    assert (carried.verdict.name, carried.key_map.verdict.name) == ('exact on condition', 'exact')
    assert "plain ResNet-18 of MMPretrain's zoo; the file does not say so" in summary(carried)
    assert [stage.largest for stage in carried.verification.stages] == [0, 0, 0, 0]


def test_a_bare_trunk_is_asked_for(saved):
    """It may be a segmentor's of stride 8, whose names are the same."""
    path = saved(bare_trunk())
    with pytest.raises(UserError, match=r'does not say which(.|\n)*--architecture'):
        carry_over(path)
    named = carry_over(path, architecture='resnet18')
    assert (named.verdict.name, named.source.architecture) == ('exact', 'resnet18, says --architecture')


@pytest.mark.parametrize('prefix', ['module.', 'module._orig_mod.'])
def test_prefixes_of_wrappers_are_taken_off(saved, prefix):
    weights = torchvision_weights()
    carried = carry_over(saved({f'{prefix}{name}': tensor for name, tensor in weights.items()}))
    assert f'names without the prefix {prefix}' in summary(carried)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in carried.conversion.state.items())


def test_prefixes_of_wrappers_are_taken_off_segmentors(segmentor_checkpoint, saved):
    tensors = {f'module.{name}': tensor for name, tensor in segmentor_checkpoint['state_dict'].items()}
    carried = carry_over(saved({**segmentor_checkpoint, 'state_dict': tensors}))
    assert carried.source.wrapper == 'module.'
    assert carried.verdict.name == 'exact'


@pytest.mark.parametrize('depth', [18, 34, 50, 101, 152])
def test_depths(depth):
    with torch.device('meta'):
        weights = getattr(models, f'resnet{depth}')(weights=None).state_dict()
    assert recognised(weights)[1].settings == {'depth': depth}


# What torchvision's names, and lists of other libraries' names, are said to be.
OTHER_MODELS = {
    'resnext50_32x4d': 'it has another shape of layer1.0.bn1.bias',
    'wide_resnet50_2': 'it has another shape of layer1.0.bn1.bias',
    'vgg11': 'a VGG',
    'mobilenet_v2': 'a VGG, AlexNet, MobileNet',
    'densenet121': 'a DenseNet',
}
OTHER_NAMES = {
    'of a ResNet-D': (['conv1.0.weight', 'layer1.0.conv1.weight'], 'ResNet-C, -D or -T'),
    'of an SE-ResNet': (['conv1.weight', 'layer1.0.conv1.weight', 'layer1.0.se.fc1.weight'], 'squeeze-and-excitation'),
    'of MoCo': (['module.encoder_q.conv1.weight', 'module.encoder_k.conv1.weight'], 'MoCo'),
    'of a ViT': (['cls_token', 'patch_embed.proj.weight', 'blocks.0.attn.qkv.weight'], 'a vision transformer of timm'),
    'of a Swin': (
        ['patch_embed.proj.weight', 'layers.0.blocks.0.attn.relative_position_bias_table'],
        'a Swin Transformer of timm',
    ),
    'of a ConvNeXt': (['stem.0.weight', 'stages.0.blocks.0.conv_dw.weight'], 'a ConvNeXt of timm'),
    'of transformers': (['vit.embeddings.cls_token', 'vit.encoder.layer.0.output.dense.weight'], 'Hugging Face'),
}


@pytest.mark.parametrize('name', OTHER_MODELS)
def test_other_networks_are_called_by_their_name(name, saved):
    with torch.device('meta'):
        weights = getattr(models, name)(weights=None).state_dict()
    assert recognised(weights) is None
    with pytest.raises(UserError, match=OTHER_MODELS[name]):
        check_is_told_apart(weights)


@pytest.mark.parametrize('kind', OTHER_NAMES)
def test_other_layouts_are_called_by_their_name(kind, saved):
    names, said = OTHER_NAMES[kind]
    with pytest.raises(UserError, match=said) as refusal:
        carry_over(saved({name: torch.ones(1) for name in names}))
    assert '--config' not in str(refusal.value)


@pytest.mark.parametrize('change', ['lacks', 'has'])
def test_a_resnet_that_is_not_plain_is_not_taken_for_one(change, saved):
    weights = torchvision_weights()
    weights.pop('bn1.running_mean') if change == 'lacks' else weights.update({'layer1.0.extra': torch.ones(1)})
    with pytest.raises(UserError, match=f'not a plain one: it {change} (bn1.running_mean|layer1.0.extra)'):
        carry_over(saved(weights))


def test_what_nobody_knows_is_asked_for_its_config(saved):
    with pytest.raises(UserError, match='--config'):
        carry_over(saved({'classifier.weight': torch.ones(2)}))


@pytest.mark.parametrize('strides', [(1, 2, 2, 2), (1, 2, 1, 1)])
def test_into_a_segmentor(strides, saved, tmp_path):
    segmentor_config({'type': 'ResNet', 'depth': 18, 'strides': strides}).dump(tmp_path / 'segmentor.py')
    carried = carry_over(saved(torchvision_weights()), target_config=tmp_path / 'segmentor.py')
    assert carried.target.kind == 'mmseg.ResNet'
    assert [stage.largest for stage in carried.verification.stages] == [0, 0, 0, 0]


def test_another_depth_is_refused(saved, tmp_path):
    classifier_config({'type': 'ResNet', 'depth': 34}).dump(tmp_path / 'target.py')
    with pytest.raises(UserError, match='depth: 18'):
        carry_over(saved(torchvision_weights()), target_config=tmp_path / 'target.py')


def test_a_segmentor_without_its_config_is_asked_for_it(saved):
    trunk = Trunk('mmseg', 'ResNet', {'depth': 18}).build()
    bare = {f'backbone.{name}': tensor for name, tensor in trunk.state_dict().items()}
    with pytest.raises(UserError, match='--config'):
        carry_over(saved(bare | {'decode_head.conv_seg.weight': torch.ones(2, 512)}))
