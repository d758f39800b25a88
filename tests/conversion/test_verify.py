"""The comparison of features catches what looks right tensor by tensor."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from small_models import randomise

from sdp_plugin.conversion.convert import convert
from sdp_plugin.conversion.key_maps import key_map_for
from sdp_plugin.conversion.key_maps.resnet import RESNET
from sdp_plugin.conversion.rules import SAME_NAMES, Rename
from sdp_plugin.conversion.trunks import Trunk
from sdp_plugin.conversion.verify import verify
from sdp_plugin.errors import UserError

SOURCE = Trunk('mmseg', 'ResNet', {'depth': 18, 'stem_channels': 8, 'base_channels': 8, 'strides': (1, 2, 1, 1)})


def freshly_trained() -> dict:
    """Weights that hide mistakes: statistics all alike, and residual branches that end in zeros."""
    module = SOURCE.build()
    for name, tensor in module.state_dict().items():
        if name.endswith('bn2.weight'):
            tensor.zero_()
    return module.state_dict()


def trained() -> dict:
    module = SOURCE.build()
    randomise(module)
    return module.state_dict()


SWAPS = [
    ('layer1.0.conv1.weight', 'layer1.1.conv2.weight'),
    ('layer3.1.bn1.running_mean', 'layer3.1.bn2.running_mean'),
    ('layer4.0.bn1.running_var', 'layer4.0.bn2.running_var'),
    ('bn1.weight', 'bn1.bias'),
]


@pytest.mark.parametrize('weights', [freshly_trained, trained])
@pytest.mark.parametrize('pair', SWAPS)
def test_a_swapped_pair_in_the_rules_is_caught(weights, pair):
    one, other = pair
    swapped = replace(RESNET, rules=(Rename(one, other), Rename(other, one), SAME_NAMES))
    state, target = weights(), RESNET.target_for(SOURCE)
    conversion = convert(state, swapped.rules, target.build().state_dict())
    with pytest.raises(UserError, match='another function'):
        verify(swapped, SOURCE, state, target, conversion)


@pytest.mark.parametrize('pair', SWAPS)
def test_a_swapped_pair_in_the_tensors_is_caught(pair):
    one, other = pair
    state, target = trained(), RESNET.target_for(SOURCE)
    conversion = convert(state, RESNET.rules_for(SOURCE, target), target.build().state_dict())
    verify(RESNET, SOURCE, state, target, conversion)
    tensors = conversion.state
    tensors[one], tensors[other] = tensors[other], tensors[one]
    with pytest.raises(UserError, match='another function'):
        verify(RESNET, SOURCE, state, target, conversion)


def test_one_changed_value_is_caught():
    state, target = trained(), RESNET.target_for(SOURCE)
    conversion = convert(state, RESNET.rules_for(SOURCE, target), target.build().state_dict())
    conversion.state['conv1.weight'] = conversion.state['conv1.weight'].clone()
    conversion.state['conv1.weight'][0, 0, 3, 3] += 1e-3
    with pytest.raises(UserError, match='another function'):
        verify(RESNET, SOURCE, state, target, conversion)


@pytest.mark.parametrize('depth', [18, 34, 50, 101, 152])
def test_resnets_are_exact_at_every_depth(depth):
    source = SOURCE.with_settings(depth=depth, dilations=(1, 1, 2, 4), strides=(1, 2, 1, 1), contract_dilation=True)
    module = source.build()
    key_map = key_map_for(source)
    target = key_map.target_for(source)
    assert target.settings['depth'] == depth
    state = module.state_dict()
    conversion = convert(state, key_map.rules_for(source, target), target.build().state_dict())
    found = verify(key_map, source, state, target, conversion)
    assert [stage.largest for stage in found.stages] == [0, 0, 0, 0]
    assert all(torch.equal(conversion.state[name], tensor) for name, tensor in state.items())
