"""An initialisation fits a model entirely, or the model stays as it was."""

from __future__ import annotations

import re

import pytest
import torch
from mmpretrain.registry import MODELS
from small_models import PREPROCESSOR, SMALL_RESNET, checkpoint_of, segmentor_config
from torchvision import models

from sdp_plugin.checkpoints.reading import save_checkpoint
from sdp_plugin.conversion.carry_over import carry_over, write
from sdp_plugin.conversion.initialise import load_initialisation
from sdp_plugin.errors import UserError


def classifier(**backbone) -> torch.nn.Module:
    config = {
        'type': 'mmpretrain.ImageClassifier',
        'data_preprocessor': {'type': 'mmpretrain.ClsDataPreprocessor', **PREPROCESSOR, 'to_rgb': True},
        'backbone': {**SMALL_RESNET, 'type': 'mmpretrain.ResNet', 'norm_cfg': {'type': 'BN'}, **backbone},
        'neck': {'type': 'mmpretrain.GlobalAveragePooling'},
        'head': {'type': 'mmpretrain.LinearClsHead', 'num_classes': 3, 'in_channels': 64},
    }
    return MODELS.build(config)


@pytest.fixture
def converted(segmentor_checkpoint, saved, tmp_path):
    write(carry_over(saved(segmentor_checkpoint), verified=False), tmp_path / 'converted.pth')
    return tmp_path / 'converted.pth'


def test_loads_every_tensor_of_the_trunk_and_no_other(converted, segmentor_checkpoint):
    model = classifier()
    head = model.head.fc.weight.clone()
    load_initialisation(model, converted)
    for name, tensor in model.backbone.state_dict().items():
        assert torch.equal(tensor, segmentor_checkpoint['state_dict'][f'backbone.{name}']), name
    assert torch.equal(model.head.fc.weight, head)


def test_what_the_conversion_leaves_fresh_may_be_missing_and_nothing_else(saved, tmp_path):
    config = segmentor_config({'type': 'MobileNetV2', 'widen_factor': 0.25})
    carried = carry_over(saved(checkpoint_of(config, 'mmseg', 'decode_head')), verified=False)
    model = MODELS.build({'type': 'mmpretrain.ImageClassifier', 'backbone': carried.target.config})
    last = model.backbone.conv2.conv.weight.clone()
    write(carried, tmp_path / 'converted.pth')
    load_initialisation(model, tmp_path / 'converted.pth')
    assert torch.equal(model.backbone.conv2.conv.weight, last)
    assert torch.equal(model.backbone.conv1.conv.weight, carried.source.state['conv1.conv.weight'])
    incomplete = carried.checkpoint()
    del incomplete['state_dict']['backbone.conv1.conv.weight']
    save_checkpoint(incomplete, tmp_path / 'incomplete.pth')
    with pytest.raises(UserError, match=r'missing: backbone\.conv1\.conv\.weight\n'):
        load_initialisation(model, tmp_path / 'incomplete.pth')


@pytest.mark.parametrize(('architecture', 'warnings'), [(None, 1), ('resnet18', 0)])
def test_a_verdict_that_nobody_knows_is_said_again(architecture, warnings, saved, tmp_path, monkeypatch):
    said = []
    monkeypatch.setattr('sdp_plugin.conversion.initialise.print_log', lambda text, **_: said.append(text))
    weights = models.resnet18(weights=None).state_dict()
    write(carry_over(saved(weights), verified=False, architecture=architecture), tmp_path / 'converted.pth')
    load_initialisation(classifier(stem_channels=64, base_channels=64), tmp_path / 'converted.pth')
    assert len([text for text in said if 'exact on condition' in text]) == warnings


@pytest.mark.parametrize(
    ('changed', 'warning'),
    [({}, None), ({'std': [1.0, 1.0, 1.0]}, 'with std'), ({'to_rgb': False}, 'with channel_order rgb; .* bgr')],
)
def test_another_normalisation_is_said(changed, warning, converted, monkeypatch):
    said = []
    monkeypatch.setattr('sdp_plugin.conversion.initialise.print_log', lambda text, **_: said.append(text))
    model = classifier()
    preprocessor = {'type': 'mmpretrain.ClsDataPreprocessor', **PREPROCESSOR, 'to_rgb': True, **changed}
    model.data_preprocessor = MODELS.build(preprocessor)
    load_initialisation(model, converted)
    assert [bool(re.search(warning, text)) for text in said] == ([True] if warning else [])


MISFITS = {
    'deeper': ({'depth': 34}, r'of depth 18[\s\S]*of depth 34[\s\S]*missing: backbone\.layer1\.2'),
    'wider': ({'base_channels': 16}, r'of another shape: backbone\.layer1\.0\.conv1\.weight \(8, 8, 3, 3\) instead'),
    'with another stem': ({'deep_stem': True}, r'missing: backbone\.stem[\s\S]*left over: backbone\.conv1\.weight'),
}


@pytest.mark.parametrize('name', MISFITS)
def test_a_misfit_is_named_and_changes_nothing(name, converted):
    settings, message = MISFITS[name]
    model = classifier(**settings)
    before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
    with pytest.raises(UserError, match=message):
        load_initialisation(model, converted)
    assert all(torch.equal(tensor, before[key]) for key, tensor in model.state_dict().items())


def test_head_tensors_do_not_belong_in_an_initialisation(segmentor_checkpoint, saved, tmp_path):
    written = carry_over(saved(segmentor_checkpoint), verified=False).checkpoint()
    written['state_dict']['head.fc.bias'] = torch.zeros(3)
    save_checkpoint(written, tmp_path / 'with_head.pth')
    with pytest.raises(UserError, match=r'left over: head\.fc\.bias'):
        load_initialisation(classifier(), tmp_path / 'with_head.pth')


def test_an_unconverted_checkpoint_is_refused_with_the_command(segmentor_checkpoint, saved):
    with pytest.raises(UserError, match=r'tools/convert_weights\.py \S+iter_1\.pth OUT'):
        load_initialisation(classifier(), saved(segmentor_checkpoint))


def test_mmpretrain_loads_it_as_a_plain_checkpoint(converted):
    from mmengine.runner import load_checkpoint

    model = classifier()
    load_checkpoint(model, str(converted), map_location='cpu')
    own = {f'backbone.{name}': tensor for name, tensor in model.backbone.state_dict().items()}
    given = torch.load(converted, weights_only=False)['state_dict']
    assert own.keys() == given.keys()
    assert all(torch.equal(own[name], given[name]) for name in own)
