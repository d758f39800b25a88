"""The DeepLabV2 head against a few lines of plain PyTorch."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from sdp_plugin.models import DeepLabV2Head
from sdp_plugin.models.heads import deeplabv2_head

LOSS = dict(type='sdp_plugin.PartialCrossEntropyLoss')


@pytest.fixture
def head() -> DeepLabV2Head:
    torch.manual_seed(0)
    head = DeepLabV2Head(in_channels=8, num_classes=5, align_corners=True, loss_decode=LOSS)
    head.init_weights()
    return head


@pytest.mark.parametrize('dilations', [(6, 12, 18, 24), (6, 12)])
def test_is_the_sum_of_parallel_dilated_convolutions(dilations):
    torch.manual_seed(0)
    head = DeepLabV2Head(in_channels=8, num_classes=5, dilations=dilations, loss_decode=LOSS)
    features = torch.randn(2, 8, 9, 11)
    weights = head.state_dict()
    expected = sum(
        functional.conv2d(
            features,
            weights[f'branches.{i}.weight'],
            weights[f'branches.{i}.bias'],
            padding=dilation,
            dilation=dilation,
        )
        for i, dilation in enumerate(dilations)
    )
    torch.testing.assert_close(head([features]), expected)
    assert len(weights) == 2 * len(dilations), 'no other parameter, such as the base class has'


def test_initialisation(head):
    weights = torch.cat([branch.weight.flatten() for branch in head.branches])
    assert weights.std().item() == pytest.approx(0.01, rel=0.05)
    assert all(torch.count_nonzero(branch.bias) == 0 for branch in head.branches)


@pytest.mark.parametrize(('side', 'said'), [(7, ['18, 24 see only padding on maps of 7 x 7']), (25, [])])
def test_dilations_that_see_only_padding_are_said_once(head, monkeypatch, side, said):
    lines: list[str] = []
    monkeypatch.setattr(deeplabv2_head, 'print_log', lambda text, **_: lines.append(text))
    head.eval()([torch.zeros(1, 8, 2, 2)])
    for _ in range(2):
        head.train()([torch.zeros(1, 8, side, side)])
    assert [line for line in lines if not any(words in line for words in said)] == []
    assert len(lines) == len(said)
