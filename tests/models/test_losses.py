"""The scribble loss against independent formulations."""

from __future__ import annotations

import pytest
import torch

from sdp_plugin.errors import UserError
from sdp_plugin.models.losses import PartialCrossEntropyLoss

IGNORE = 255


@pytest.fixture
def batch() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(2, 5, 7, 6, generator=generator, dtype=torch.float64)
    label = torch.full((2, 7, 6), IGNORE)
    label[0, 1, 2], label[0, 3, 3], label[1, 6, 5] = 0, 4, 2
    return logits, label


def cost_by_hand(logits: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Equation 2 of the paper: minus the log probability of the label, summed over the labelled pixels."""
    cost = torch.zeros((), dtype=logits.dtype)
    for n, row, column in torch.nonzero(label != IGNORE).tolist():
        scores = logits[n, :, row, column]
        cost = cost - (scores[label[n, row, column]].exp() / scores.exp().sum()).log()
    return cost


@pytest.mark.parametrize(('normalisation', 'pixels'), [('labelled', 3), ('all', 2 * 7 * 6)])
def test_equals_the_equation(batch, normalisation, pixels):
    logits, label = batch
    loss = PartialCrossEntropyLoss(normalisation)(logits, label)
    torch.testing.assert_close(loss, cost_by_hand(logits, label) / pixels)


def test_default_averages_over_labelled_pixels(batch):
    logits, label = batch
    torch.testing.assert_close(PartialCrossEntropyLoss()(logits, label), cost_by_hand(logits, label) / 3)


@pytest.mark.parametrize('normalisation', ['labelled', 'all'])
def test_without_labels_loss_and_gradient_are_zero(batch, normalisation):
    logits = batch[0].requires_grad_()
    loss = PartialCrossEntropyLoss(normalisation)(logits, torch.full((2, 7, 6), IGNORE))
    loss.backward()
    assert loss.item() == 0.0
    assert torch.count_nonzero(logits.grad) == 0


def test_unlabelled_pixels_get_no_gradient(batch):
    logits, label = batch[0].requires_grad_(), batch[1]
    PartialCrossEntropyLoss()(logits, label).backward()
    touched = logits.grad.abs().sum(dim=1) > 0
    assert torch.equal(touched, label != IGNORE)


def test_weights_and_loss_weight_are_factors(batch):
    logits, label = batch
    plain = PartialCrossEntropyLoss()(logits, label)
    weighted = PartialCrossEntropyLoss(loss_weight=0.5)(logits, label, weight=torch.full(label.shape, 3.0))
    torch.testing.assert_close(weighted, 1.5 * plain)


def test_other_ignore_index(batch):
    logits, label = batch
    moved = torch.where(label == IGNORE, torch.tensor(7), label)
    torch.testing.assert_close(
        PartialCrossEntropyLoss()(logits, moved, ignore_index=7), PartialCrossEntropyLoss()(logits, label)
    )


def test_nothing_is_read_back_from_the_device(batch):
    """A tensor on the meta device has no values: reading one raises."""
    logits, label = (tensor.to('meta') for tensor in batch)
    assert PartialCrossEntropyLoss()(logits, label).is_meta


def test_unknown_normalisation_is_an_error():
    with pytest.raises(UserError, match=r"'labelled' or 'all'"):
        PartialCrossEntropyLoss('batch')
