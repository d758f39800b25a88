"""What says which network a file's tensors are for, and what is promised where nothing does."""

from __future__ import annotations

import builtins
import functools
import json
import sys

import pytest
import torch
from small_models import randomise
from torchvision import models

from sdp_plugin.checkpoints.reading import save_checkpoint
from sdp_plugin.conversion.account import summary
from sdp_plugin.conversion.carry_over import CarriedOver
from sdp_plugin.conversion.carry_over import carry_over as carry_over_verified
from sdp_plugin.errors import UserError

TRAPS = {'resnetblur50': 0.05, 'resnetaa50': 0.5}
"""Networks of timm with the tensors of a ResNet-50, and how far their features are at least from it."""


def carry_over(*arguments, **keywords) -> CarriedOver:
    """Without the comparison of both sides, which does not ask what the source is."""
    return carry_over_verified(*arguments, verified=False, **keywords)


@functools.cache
def weights_of(name: str = 'resnet18') -> dict:
    model = getattr(models, name)(weights=None)
    randomise(model)
    return dict(model.state_dict())


@pytest.fixture
def without_timm(monkeypatch):
    real = builtins.__import__

    def refuse(name, *arguments, **keywords):
        if name.partition('.')[0] == 'timm':
            raise ImportError(name)
        return real(name, *arguments, **keywords)

    monkeypatch.setattr(builtins, '__import__', refuse)
    for name in [name for name in sys.modules if name.partition('.')[0] == 'timm']:
        monkeypatch.delitem(sys.modules, name)


def test_a_file_that_says_nothing_is_exact_on_condition(saved):
    carried = carry_over(saved(weights_of()))
    assert carried.provenance()['verdict'] == 'exact on condition'
    assert 'if this is a plain ResNet-18 of torchvision or timm; the file does not say so' in summary(carried)


@pytest.mark.parametrize('name', ['resnet18', 'torchvision/resnet18', 'timm/resnet18.a1_in1k', 'ResNet18'])
def test_a_name_makes_it_exact(name, saved):
    carried = carry_over(saved(weights_of()), architecture=name)
    assert (carried.verdict.name, carried.source.architecture) == ('exact', 'resnet18, says --architecture')


def test_a_training_script_says_it(saved):
    carried = carry_over(saved({'arch': 'resnet18', 'epoch': 90, 'state_dict': weights_of()}))
    assert (carried.verdict.name, carried.source.architecture) == ('exact', 'resnet18, says the checkpoint')


def test_metadata_of_safetensors_say_it(tmp_path):
    path = tmp_path / 'model.safetensors'
    save_checkpoint({'state_dict': weights_of(), 'meta': {'architecture': 'resnet18'}}, path)
    carried = carry_over(path)
    assert (carried.verdict.name, carried.source.architecture) == ('exact', 'resnet18, says its metadata')


def test_a_config_beside_it_says_it_and_how_images_are_normalised(tmp_path):
    path = tmp_path / 'model.safetensors'
    save_checkpoint({'state_dict': weights_of()}, path)
    config = {'architecture': 'resnet18', 'pretrained_cfg': {'mean': [0.5, 0.5, 0.5], 'std': [0.2, 0.2, 0.4]}}
    (tmp_path / 'config.json').write_text(json.dumps(config))
    carried = carry_over(path)
    assert (carried.verdict.name, carried.source.architecture) == ('exact', 'resnet18, says config.json beside it')
    assert carried.source.normalisation == {'mean': [127.5] * 3, 'std': [51, 51, 102], 'channel_order': 'rgb'}
    assert carry_over(path, architecture='resnet18').source.architecture.endswith('--architecture')


@pytest.mark.parametrize('text', ['', '[]', '{"architecture": 3}', '{"pretrained_cfg": 1}', 'no json'])
def test_a_config_beside_it_that_says_nothing_is_no_statement(tmp_path, text):
    save_checkpoint({'state_dict': weights_of()}, tmp_path / 'weights.pth')
    (tmp_path / 'config.json').write_text(text)
    assert carry_over(tmp_path / 'weights.pth').verdict.name == 'exact on condition'


def test_a_name_of_another_depth_is_refused(saved):
    with pytest.raises(UserError, match='calls the file a resnet34, and its tensors are those of a plain ResNet-18'):
        carry_over(saved(weights_of()), architecture='resnet34')


def test_a_name_beside_a_config_is_one_too_many(saved, segmentor_checkpoint):
    with pytest.raises(UserError, match='one too many'):
        carry_over(saved(segmentor_checkpoint), architecture='resnet18')


@pytest.mark.parametrize('name', TRAPS)
def test_a_network_of_timm_with_the_same_tensors_is_caught(name, saved):
    timm = pytest.importorskip('timm')
    weights = timm.create_model(name, pretrained=False)
    randomise(weights)
    carried = carry_over(saved(weights.state_dict()), architecture=name)
    assert carried.verdict.name == 'weights only'
    assert f"timm's {name} computes another function" in carried.verdict.note
    difference = float(carried.verdict.note.rpartition(' ')[2].rstrip('%')) / 100
    assert difference > TRAPS[name]
    assert 'sdp_plugin.TimmBackbone' in summary(carried)


@pytest.mark.parametrize('name', TRAPS)
def test_without_timm_it_is_not_called_exact(name, saved, without_timm):
    carried = carry_over(saved(weights_of('resnet50')), architecture=name)
    assert carried.verdict.name == 'exact on condition'
    assert 'pip install timm' in carried.verdict.note


def test_without_a_name_the_traps_are_named(saved):
    note = carry_over(saved(weights_of('resnet50'))).verdict.note
    assert all(name in note for name in TRAPS)


def test_another_network_of_timm_that_computes_the_same_is_exact(saved):
    timm = pytest.importorskip('timm')
    same = timm.create_model('tv_resnet34', pretrained=False) if timm.is_model('tv_resnet34') else None
    name = 'tv_resnet34' if same is not None else 'resnet34'
    assert carry_over(saved(weights_of('resnet34')), architecture=f'timm/{name}').verdict.name == 'exact'


@pytest.mark.parametrize(('name', 'said'), [('resnet19', 'nobody here knows'), ('resnet50d', 'other tensors')])
def test_a_name_that_does_not_fit_is_refused(name, said, saved):
    pytest.importorskip('timm')
    with pytest.raises(UserError, match=said):
        carry_over(saved(weights_of()), architecture=name)


@pytest.mark.parametrize('depth', [18, 50, *(pytest.param(depth, marks=pytest.mark.slow) for depth in (34, 101, 152))])
def test_the_plain_resnets_of_timm_are_those_of_torchvision(depth):
    """So that their names need no comparison when a file is converted."""
    timm = pytest.importorskip('timm')
    theirs, ours = (
        timm.create_model(f'resnet{depth}', pretrained=False),
        getattr(models, f'resnet{depth}')(weights=None),
    )
    randomise(ours)
    theirs.load_state_dict(ours.state_dict())
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        torch.testing.assert_close(theirs.eval()(images), ours.eval()(images))
