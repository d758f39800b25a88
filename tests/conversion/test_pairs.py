"""Every pair of architectures at its verdict, and every backbone of MMSegmentation with a way into a classifier."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import mmseg.models.backbones
import pytest
import torch
from small_backbones import PAIRS
from small_models import checkpoint_of, classifier_config, segmentor_config

from sdp_plugin.conversion.account import summary
from sdp_plugin.conversion.carry_over import CarriedOver, carry_over
from sdp_plugin.conversion.convert import Record, convert
from sdp_plugin.conversion.key_maps import KEY_MAPS
from sdp_plugin.conversion.source import INNER_TRUNKS
from sdp_plugin.conversion.trunks import Trunk
from sdp_plugin.conversion.verify import verify
from sdp_plugin.errors import UserError
from sdp_plugin.models.backbones.segmentation_backbone import REFUSED

DIRECT = [name for name, pair in PAIRS.items() if pair.direct]


@functools.cache
def checkpoint(name: str) -> dict:
    pair = PAIRS[name]
    return checkpoint_of(segmentor_config({'type': pair.kind, **pair.settings}), 'mmseg', 'decode_head.conv_seg')


@pytest.fixture(scope='module')
def carried(tmp_path_factory) -> Callable[[str], CarriedOver]:
    """Each pair's conversion to its default target, verified; made once."""

    @functools.cache
    def carry(name: str) -> CarriedOver:
        path = tmp_path_factory.mktemp('pair') / 'iter_1.pth'
        torch.save(checkpoint(name), path)
        return carry_over(path)

    return carry


@pytest.mark.parametrize('name', PAIRS)
def test_a_pair_keeps_its_verdict(name, carried):
    pair, found = PAIRS[name], carried(name)
    assert (found.target.kind, found.verification.verdict.name) == (pair.target, pair.verdict)
    assert found.verification.stages
    assert all(stage.relative <= found.key_map.verdict.tolerance for stage in found.verification.stages)


def test_every_backbone_has_a_way():
    covered = {pair.kind.removeprefix('mmseg.') for pair in PAIRS.values() if pair.kind.startswith('mmseg.')}
    assert covered | {'TIMMBackbone'} | set(REFUSED) == set(mmseg.models.backbones.__all__)
    assert len(PAIRS) == 36


def test_every_key_map_is_among_the_pairs():
    tried = {(pair.kind, target) for pair in PAIRS.values() for target in (pair.target, pair.direct)}
    untried = {(key_map.source, key_map.target) for key_map in KEY_MAPS} - tried
    # These are tried in test_carry_over and test_layouts.
    assert untried == {
        ('mmpretrain.ResNet', 'mmpretrain.ResNet'),
        ('sdp_plugin.TorchvisionResNet', 'mmpretrain.ResNet'),
        ('sdp_plugin.TorchvisionResNet', 'mmseg.ResNet'),
        ('sdp_plugin.TorchvisionResNet', 'sdp_plugin.AtrousResNet'),
    }


def test_the_page_on_conversion_names_every_pair_and_its_verdict():
    page = (Path(__file__).parents[2] / 'docs' / 'conversion.md').read_text()
    rows = [[cell.strip(' `') for cell in line.split('|')[1:4]] for line in page.splitlines() if line.startswith('| `')]
    missing = [
        key_map.name for key_map in KEY_MAPS if [key_map.source, key_map.target, key_map.verdict.name] not in rows
    ]
    assert missing == []


@pytest.mark.parametrize('name', DIRECT)
def test_weights_only_is_said_with_the_difference(name, saved, tmp_path):
    pair = PAIRS[name]
    settings = {key: value for key, value in pair.settings.items() if key != 'out_indices'}
    settings['norm_cfg'] = {'type': 'BN'}
    classifier_config({'type': pair.direct, **settings}).dump(tmp_path / 'target.py')
    carried = carry_over(saved(checkpoint(name)), target_config=tmp_path / 'target.py')
    assert carried.verification.verdict.name == 'weights only'
    assert carried.verification.stages[-1].relative > 0.01
    assert 'warning: the target computes another function' in summary(carried)


def drop(tensors: dict, one: str, other: str) -> None:
    del tensors[one]


def add(tensors: dict, one: str, other: str) -> None:
    tensors['extra.weight'] = torch.ones(2)


def reshape(tensors: dict, one: str, other: str) -> None:
    tensors[one] = tensors[one][..., None]


def spoil(tensors: dict, one: str, other: str) -> None:
    tensors[one] = torch.full_like(tensors[one], torch.nan)


MUTATIONS = {
    drop: 'made from nothing: {target}',
    add: r'extra\.weight',
    reshape: 'another shape than the target wants: {target}',
    spoil: 'not finite: {target}',
}


@pytest.mark.parametrize('name', PAIRS)
@pytest.mark.parametrize('mutate', MUTATIONS)
def test_a_mutation_of_the_source_is_caught(name, mutate, carried):
    good = carried(name)
    one, other = weights_of_equal_shape(good)
    tensors = dict(good.source.state)
    mutate(tensors, one.sources[0], other.sources[0])
    rules = good.key_map.rules_for(good.source.trunk, good.target)
    with pytest.raises(UserError, match=MUTATIONS[mutate].format(target=re.escape(one.targets[0]))):
        convert(tensors, rules, good.target.build().state_dict())


@pytest.mark.parametrize('name', PAIRS)
def test_a_swapped_pair_is_caught(name, carried):
    good = carried(name)
    one, other = (record.targets[0] for record in weights_of_equal_shape(good))
    state = dict(good.conversion.state)
    state[one], state[other] = state[other], state[one]
    swapped = replace(good.conversion, state=state)
    with pytest.raises(UserError, match='another function'):
        verify(good.key_map, good.source.trunk, good.source.state, good.target, swapped)


def weights_of_equal_shape(carried: CarriedOver) -> tuple[Record, Record]:
    """The first two weights of one shape that a rename carries."""
    by_shape: dict[tuple, Record] = {}
    for record in carried.conversion.named('rename'):
        shape = tuple(carried.source.state[record.sources[0]].shape)
        if len(shape) >= 2 and by_shape.setdefault(shape, record) is not record:
            return by_shape[shape], record
    raise AssertionError('no two weights of one shape')


REVERSIBLE = [name for name, pair in PAIRS.items() if pair.kind not in INNER_TRUNKS]


@pytest.mark.parametrize('name', REVERSIBLE)
def test_the_way_back_gives_the_same_tensors(name, carried, saved, tmp_path):
    pair, original, there = PAIRS[name], checkpoint(name), carried(name)
    segmentor_config({'type': pair.kind, **pair.settings}).dump(tmp_path / 'segmentor.py')
    back = carry_over(saved(there.checkpoint(), 'converted.pth'), target_config=tmp_path / 'segmentor.py')
    assert back.verification.verdict.name == pair.verdict
    returned = {f'backbone.{key}': tensor for key, tensor in back.conversion.state.items()}
    trunk = {key for key in original['state_dict'] if key.startswith('backbone.')}
    dropped = {f'backbone.{record.sources[0]}' for record in there.conversion.named('drop')}
    assert returned.keys() == trunk - dropped
    assert all(torch.equal(returned[key], original['state_dict'][key]) for key in returned)


def test_refusals_are_documented():
    with pytest.raises(UserError, match='diffusion'):
        Trunk('sdp_plugin', 'SegmentationBackbone', {'backbone': {'type': 'mmseg.VPD'}}).build()


SIZES = {
    'ViT': ({'img_size': 96}, ['pos_embed']),
    'BEiT': ({'img_size': 96}, [f'layers.{layer}.attn.relative_position_bias_table' for layer in range(2)]),
    'MAE': ({'img_size': 96}, ['pos_embed', *(f'layers.{n}.attn.relative_position_bias_table' for n in range(2))]),
    'Swin': ({'window_size': 5}, None),
}


@pytest.mark.parametrize('name', SIZES)
def test_another_size_resizes_the_position_tables(name, saved, tmp_path):
    settings, resized = SIZES[name]
    path = saved(checkpoint(name))
    target = carry_over(path, verified=False).target
    classifier_config({'type': target.kind, **target.settings, **settings}).dump(tmp_path / 'target.py')
    carried = carry_over(path, target_config=tmp_path / 'target.py')
    if resized is not None:
        assert sorted(carried.resized) == sorted(resized)
    assert carried.resized
    assert all(stage.relative <= carried.key_map.verdict.tolerance for stage in carried.verification.stages)
