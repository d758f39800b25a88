"""A trunk carried over from a checkpoint: bit-identical tensors, bit-identical features, or a named refusal."""

from __future__ import annotations

import hashlib
import time

import pytest
import torch
from small_models import SMALL_RESNET, checkpoint_of, classifier_config, segmentor_config

from sdp_plugin.checkpoints.reading import config_of, load_checkpoint
from sdp_plugin.conversion.account import summary, table, verification
from sdp_plugin.conversion.carry_over import carry_over, write
from sdp_plugin.conversion.source import Source
from sdp_plugin.conversion.trunks import Trunk, features
from sdp_plugin.errors import UserError

CHECKPOINTS = ('segmentor_checkpoint', 'classifier_checkpoint')


@pytest.mark.parametrize('fixture', CHECKPOINTS)
def test_tensors_and_features_are_bit_identical(fixture, request, saved, tmp_path):
    checkpoint = request.getfixturevalue(fixture)
    write(carry_over(saved(checkpoint)), tmp_path / 'converted.pth')
    converted = load_checkpoint(tmp_path / 'converted.pth')['state_dict']
    trunk = {name: tensor for name, tensor in checkpoint['state_dict'].items() if name.startswith('backbone.')}
    assert list(converted) == list(trunk)
    assert all(torch.equal(converted[name], trunk[name]) for name in trunk)

    usual = {key: value for key, value in SMALL_RESNET.items() if key not in ('type', 'norm_cfg')}
    scope = 'mmseg' if fixture == 'segmentor_checkpoint' else 'mmpretrain'
    source = Trunk(scope, 'ResNet', {**usual, 'out_indices': (3,)}).build()
    target = Trunk('mmpretrain', 'ResNet', usual).build()
    bare = {name.removeprefix('backbone.'): tensor for name, tensor in trunk.items()}
    source.load_state_dict(bare)
    target.load_state_dict({name.removeprefix('backbone.'): tensor for name, tensor in converted.items()})
    inputs = torch.randn(2, 3, 64, 64)
    assert torch.equal(features(source, inputs)[-1], features(target, inputs)[-1])


def test_the_output_says_where_it_comes_from(segmentor_checkpoint, saved, tmp_path):
    path = saved(segmentor_checkpoint)
    write(carry_over(path), tmp_path / 'converted.pth')
    written = load_checkpoint(tmp_path / 'converted.pth')
    record = written['meta']['conversion']
    assert record['source']['sha256'] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert record['source']['normalisation'] == {
        'mean': [123.675, 116.28, 103.53], 'std': [58.395, 57.12, 57.375], 'channel_order': 'rgb',
    }  # fmt: skip
    assert record['source']['classes'] == ['background', 'cat']
    assert [name for name, _ in record['dropped']] == ['decode_head.conv_seg.weight', 'decode_head.conv_seg.bias']
    assert all(reason for _, reason in record['dropped'])
    assert len(record['carried']) == len(written['state_dict'])
    assert (record['rule_set'], record['verdict']) == ('mmseg.ResNet -> mmpretrain.ResNet', 'exact')
    assert record['verified'] == [0, 0, 0, 0]
    assert record['versions']['torch'] == torch.__version__
    assert config_of(written).model.backbone == record['target']['backbone']


def atrous_checkpoint(**settings) -> dict:
    backbone = {**SMALL_RESNET, 'type': 'sdp_plugin.AtrousResNet', **settings}
    return checkpoint_of(segmentor_config(backbone), 'mmseg', 'decode_head.conv_seg')


def test_what_the_strides_change_is_reported_apart(segmentor_checkpoint, classifier_checkpoint, saved):
    changed = carry_over(saved(segmentor_checkpoint))
    assert all(stage.largest == 0 for stage in changed.verification.stages)
    assert changed.verification.geometry.pooled > 0.01
    assert (changed.verification.geometry.every, changed.verification.geometry.is_atrous) == (4, False)
    assert changed.verification.geometry.sampled > 0.01
    assert 'is not the coarser one dilated' in verification(changed.verification)
    assert carry_over(saved(classifier_checkpoint)).verification.geometry is None


@pytest.mark.parametrize(('stride', 'every'), [(8, 4), (16, 2)])
def test_an_atrous_trunk_is_the_classifier_dilated(saved, stride, every):
    carried = carry_over(saved(atrous_checkpoint(output_stride=stride)))
    assert (carried.target.kind, carried.key_map.verdict.name) == ('mmpretrain.ResNet', 'exact')
    assert all(stage.largest == 0 for stage in carried.verification.stages)
    geometry = carried.verification.geometry
    assert geometry.every == every
    assert geometry.sampled < 1e-12
    assert geometry.pooled > 0.001
    assert 'which is the coarser one dilated' in verification(carried.verification)
    assert carried.provenance()['geometry']['sampled'] == geometry.sampled


def test_an_atrous_trunk_without_dilation_changes_nothing(saved):
    assert carry_over(saved(atrous_checkpoint(output_stride=32))).verification.geometry is None


def test_a_dilated_target_is_verified_with_its_own_strides(segmentor_checkpoint, saved, tmp_path):
    target = tmp_path / 'target.py'
    classifier_config({**SMALL_RESNET, 'strides': (1, 2, 1, 1), 'dilations': (1, 1, 2, 4)}).dump(target)
    verified = carry_over(saved(segmentor_checkpoint), target_config=target).verification
    assert [stage.shape[2] for stage in verified.stages] == [16, 8, 8, 8]
    assert verified.geometry is None


def test_the_config_can_come_from_a_file(segmentor_checkpoint, saved, tmp_path):
    segmentor_config(SMALL_RESNET).dump(tmp_path / 'config.py')
    without = {'state_dict': segmentor_checkpoint['state_dict']}
    carried = carry_over(saved(without), config=tmp_path / 'config.py')
    assert carried.target.settings['depth'] == 18


def test_reports(segmentor_checkpoint, saved):
    carried = carry_over(saved(segmentor_checkpoint))
    lines = table(carried).splitlines()
    assert len(lines) == 1 + len(segmentor_checkpoint['state_dict'])
    assert any(line.startswith('drop') and 'decode_head.conv_seg.weight' in line for line in lines)
    assert 'mmseg.ResNet of depth 18' in summary(carried)
    assert verification(carried.verification).count('bit-identical') == 4


def without_tensor(checkpoint: dict, name: str) -> dict:
    return {**checkpoint, 'state_dict': {key: value for key, value in checkpoint['state_dict'].items() if key != name}}


REFUSED = {
    'another depth than its config says': (
        lambda good: {**good, 'meta': {'cfg': segmentor_config({**SMALL_RESNET, 'depth': 34}).pretty_text}},
        r'depth 34[\s\S]*layer1\.2\.conv1\.weight',
    ),
    'a missing tensor': (lambda good: without_tensor(good, 'backbone.bn1.running_var'), r'bn1\.running_var'),
    'an extra tensor': (
        lambda good: {**good, 'state_dict': good['state_dict'] | {'backbone.extra': torch.ones(1)}},
        'extra',
    ),
    'a part that no model has': (
        lambda good: {**good, 'state_dict': good['state_dict'] | {'generator.conv': torch.ones(1)}},
        r'generator\.conv',
    ),
    'NaN': (
        lambda good: {**good, 'state_dict': good['state_dict'] | {'backbone.bn1.bias': torch.full((8,), torch.nan)}},
        r'not finite: bn1\.bias',
    ),
    'no trunk': (
        lambda good: {**good, 'state_dict': {'decode_head.weight': torch.ones(1)}},
        'no tensor under backbone',
    ),
    'a model of another library': (
        lambda good: {**good, 'meta': {'cfg': "model = dict(type='FasterRCNN', backbone=dict(type='ResNet'))"}},
        'FasterRCNN',
    ),
    'deformable convolutions': (
        lambda good: {**good, 'meta': {'cfg': segmentor_config({**SMALL_RESNET, 'dcn': {'type': 'DCN'}}).pretty_text}},
        'dcn',
    ),
    'a setting that the backbone rejects': (
        lambda good: {**good, 'meta': {'cfg': segmentor_config({**SMALL_RESNET, 'depth': 19}).pretty_text}},
        'invalid depth 19',
    ),
}


@pytest.mark.parametrize('name', REFUSED)
def test_refuses_by_name(name, segmentor_checkpoint, saved):
    mutate, message = REFUSED[name]
    with pytest.raises(UserError, match=message):
        carry_over(saved(mutate(segmentor_checkpoint)))


def test_refuses_a_target_of_another_depth(segmentor_checkpoint, saved, tmp_path):
    classifier_config({**SMALL_RESNET, 'depth': 34}).dump(tmp_path / 'target.py')
    with pytest.raises(UserError, match='depth: 18 in the checkpoint, 34 in the target'):
        carry_over(saved(segmentor_checkpoint), target_config=tmp_path / 'target.py')


@pytest.mark.parametrize('is_of_file', [True, False])
def test_nothing_is_imported_for_a_config_that_came_with_weights(tmp_path, monkeypatch, is_of_file):
    """The second wall: were a name to slip through the check, mmengine would import the module of that name."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'slipped.py').write_text(f'open({str(tmp_path / "ran")!r}, "w")')
    trunk = Trunk('sdp_plugin', 'SegmentationBackbone', {'backbone': {'type': 'slipped'}}, is_of_file)
    with pytest.raises(UserError, match='cannot be built'):
        trunk.build()
    assert (tmp_path / 'ran').exists() != is_of_file


@pytest.mark.parametrize('trusted', [True, False])
def test_what_is_made_of_a_config_in_a_file_is_known_to_be(segmentor_checkpoint, saved, trusted):
    carried = carry_over(saved(segmentor_checkpoint), trusted=trusted, verified=False)
    assert carried.source.trunk.is_of_file != trusted
    assert carried.target.is_of_file != trusted


def test_never_overwrites(segmentor_checkpoint, saved, tmp_path):
    out = tmp_path / 'converted.pth'
    out.write_bytes(b'precious')
    with pytest.raises(UserError, match='not overwritten'):
        write(carry_over(saved(segmentor_checkpoint)), out)
    assert out.read_bytes() == b'precious'


def test_a_source_keeps_its_tensors(segmentor_checkpoint, saved):
    source: Source = carry_over(saved(segmentor_checkpoint)).source
    assert all(
        torch.equal(tensor, segmentor_checkpoint['state_dict'][f'backbone.{name}'])
        for name, tensor in source.state.items()
    )


def test_a_resnet34_takes_under_three_seconds(saved):
    source = segmentor_config({'type': 'ResNet', 'depth': 34, 'strides': (1, 2, 1, 1), 'dilations': (1, 1, 2, 4)})
    path = saved(checkpoint_of(source, 'mmseg', 'decode_head'))
    carry_over(path)  # imports
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    start = time.process_time()
    carry_over(path)
    taken = time.process_time() - start
    torch.set_num_threads(threads)
    assert taken < 3
