"""Other people's ResNets are recognised by their names, and nothing else is taken for one."""

from __future__ import annotations

import pytest
import torch
from small_models import classifier_config, randomise, segmentor_config
from torchvision import models

from sdp_plugin.conversion.account import summary
from sdp_plugin.conversion.carry_over import carry_over
from sdp_plugin.conversion.layouts import recognised
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


def test_the_zoo_of_mmpretrain(saved):
    trunk = Trunk('mmpretrain', 'ResNet', {'depth': 18}).build()
    published = {f'backbone.{name}': tensor for name, tensor in trunk.state_dict().items()}
    carried = carry_over(saved({'meta': {}, 'state_dict': published | {'head.fc.weight': torch.ones(2, 512)}}))
    assert carried.source.layout == "MMPretrain's zoo"
    assert [stage.largest for stage in carried.verification.stages] == [0, 0, 0, 0]


@pytest.mark.parametrize('depth', [18, 34, 50, 101, 152])
def test_depths(depth):
    with torch.device('meta'):
        weights = getattr(models, f'resnet{depth}')(weights=None).state_dict()
    assert recognised(weights)[1].settings == {'depth': depth}


@pytest.mark.parametrize('name', ['resnext50_32x4d', 'wide_resnet50_2', 'vgg11', 'mobilenet_v2'])
def test_others_are_not_taken_for_one(name, saved):
    with torch.device('meta'):
        weights = getattr(models, name)(weights=None).state_dict()
    assert recognised(weights) is None
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
