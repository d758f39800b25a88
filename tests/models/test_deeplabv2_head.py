"""The DeepLabV2 head against a few lines of plain PyTorch."""

from __future__ import annotations

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch.nn import functional

from sdp_plugin.models import DeepLabV2Head

LOSS = dict(type='sdp_plugin.PartialCrossEntropyLoss')


@pytest.fixture
def head() -> DeepLabV2Head:
    torch.manual_seed(0)
    head = DeepLabV2Head(in_channels=8, num_classes=5, align_corners=True, loss_decode=LOSS)
    head.init_weights()
    return head


def sample(label: torch.Tensor) -> SegDataSample:
    return SegDataSample(gt_sem_seg=PixelData(data=label[None]))


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


def test_loss_equals_upsampled_cross_entropy_over_labelled_pixels(head):
    torch.manual_seed(1)
    logits = torch.randn(2, 5, 5, 5)
    label = torch.full((2, 33, 33), 255)
    label[0, 4, 7:20], label[1, 30, :9] = 3, 1
    losses = head.loss_by_feat(logits, [sample(label[0]), sample(label[1])])
    upsampled = functional.interpolate(logits, size=(33, 33), mode='bilinear', align_corners=True)
    labelled = label != 255
    scores = upsampled.permute(0, 2, 3, 1)[labelled]
    torch.testing.assert_close(losses['loss_ce'], functional.cross_entropy(scores, label[labelled]))
    right = (scores.argmax(dim=1) == label[labelled]).float().mean() * 100
    torch.testing.assert_close(losses['acc_seg'], right)


def test_losses_of_one_name_add_up():
    head = DeepLabV2Head(in_channels=8, num_classes=5, loss_decode=[LOSS, dict(LOSS, loss_weight=2.0)])
    label = torch.zeros(1, 9, 9, dtype=torch.long)
    logits = torch.randn(1, 5, 9, 9)
    losses = head.loss_by_feat(logits, [sample(label[0])])
    torch.testing.assert_close(losses['loss_ce'], 3 * functional.cross_entropy(logits, label))


def test_without_labels_accuracy_is_zero_and_loss_finite(head):
    losses = head.loss_by_feat(torch.randn(1, 5, 3, 3), [sample(torch.full((9, 9), 255))])
    assert losses['acc_seg'].item() == 0
    assert losses['loss_ce'].item() == 0
