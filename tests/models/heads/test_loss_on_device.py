"""The losses of the decode heads, against plain PyTorch and against MMSegmentation's."""

from __future__ import annotations

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models import decode_heads
from mmseg.structures import SegDataSample
from torch.nn import functional

from sdp_plugin.models import DeepLabV2Head, FCNHead, LightHamHead, SegformerHead, UPerHead

LOSS = dict(type='sdp_plugin.PartialCrossEntropyLoss')
OURS = [FCNHead, LightHamHead, SegformerHead, UPerHead]


@pytest.fixture
def head() -> DeepLabV2Head:
    return DeepLabV2Head(in_channels=8, num_classes=5, align_corners=True, loss_decode=LOSS)


def sample(label: torch.Tensor) -> SegDataSample:
    return SegDataSample(gt_sem_seg=PixelData(data=label[None]))


@pytest.mark.parametrize('ours', OURS, ids=lambda head: head.__name__)
def test_losses_and_accuracy_are_those_of_mmsegmentation(ours):
    theirs = getattr(decode_heads, ours.__name__)
    assert issubclass(ours, theirs)
    # The rest of a head has no part in its loss.
    inputs = dict(in_channels=8) if ours is FCNHead else dict(in_channels=[4, 8], in_index=[0, 1])
    settings = dict(channels=4, num_classes=5, loss_decode=[LOSS, dict(LOSS, loss_weight=2.0)], **inputs)
    torch.manual_seed(0)
    logits = torch.randn(2, 5, 7, 7)
    label = torch.where(torch.rand(2, 25, 25) < 0.1, torch.randint(5, (2, 25, 25)), 255)
    samples = [sample(label[0]), sample(label[1])]
    losses = [kind(**settings).loss_by_feat(logits, samples) for kind in (ours, theirs)]
    assert losses[0].keys() == losses[1].keys()
    for name, loss in losses[1].items():
        torch.testing.assert_close(losses[0][name], loss.squeeze())


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
