"""The trunk of every DeepLabV2 config and the classifier that gets its weights: one function where both have values."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from small_models import randomise

from sdp_plugin.conversion.trunks import ADAPTER, Trunk, features, trunk_of_model

CONFIGS = Path(__file__).parents[2] / 'configs'
SIZE = 97
CLASSIFIERS = {
    'r18-d8': 'resnet18',
    'r34-d8': 'resnet34',
    'r50-d8': 'resnet50',
    'r101-d8': 'resnet101',
    'x50-32x4d-d8': 'resnext50-32x4d',
    'm-v3-d8': 'mobilenet-v3-large',
}
MMSEG_TRUNK = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321_mmseg-trunk.py'


def trunk_of(leaf: str) -> Trunk:
    return trunk_of_model(Config.fromfile(CONFIGS / leaf))


def last_map(trunk: Trunk, images: torch.Tensor) -> torch.Tensor:
    torch.manual_seed(0)
    module = trunk.build().double()
    randomise(module)
    return features(module, images)[-1]


def difference(segmentor: Trunk, classifier: Trunk) -> float:
    images = torch.randn(1, 3, SIZE, SIZE, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    dense, coarse = last_map(segmentor, images), last_map(classifier, images)
    every = 1 if classifier.kind == ADAPTER else 4
    sampled = dense[..., ::every, ::every]
    assert sampled.shape == coarse.shape
    return float((sampled - coarse).norm() / coarse.norm())


def _scribbles(short: str) -> str:
    return f'pretrain/deeplabv2_{short}_1xb10-40k_voc12-scribbles-321x321.py'


def test_every_deeplabv2_config_is_tried():
    leaves = {f'pretrain/{path.name}' for path in (CONFIGS / 'pretrain').glob('deeplabv2_*.py')} - {MMSEG_TRUNK}
    assert len(leaves) > len(CLASSIFIERS)
    assert {leaf for leaf in leaves if trunk_of(leaf) != trunk_of(_scribbles(leaf.split('_')[1]))} == set()


@pytest.mark.parametrize(
    'short', [pytest.param(short, marks=[pytest.mark.slow] * (short == 'r101-d8')) for short in CLASSIFIERS]
)
def test_the_trunk_is_the_classifier_dilated(short):
    classifier = trunk_of(f'finetune/{CLASSIFIERS[short]}_1xb32-100e_pcam.py')
    assert difference(trunk_of(_scribbles(short)), classifier) < 1e-12


@pytest.mark.parametrize(('depth', 'by'), [(18, 0.379), (34, 0.417), (50, 0.135)])
def test_the_trunk_of_mmsegmentation_is_not(depth, by):
    """The numbers of docs/conversion.md."""
    segmentor = trunk_of(MMSEG_TRUNK).with_settings(depth=depth)
    classifier = trunk_of(f'finetune/resnet{depth}_1xb32-100e_pcam.py')
    assert difference(segmentor, classifier) == pytest.approx(by, abs=0.001)
