"""Losses for masks in which most pixels carry no label."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from sdp_plugin.errors import UserError
from sdp_plugin.registry import MODELS

Normalisation = Literal['labelled', 'all']


@MODELS.register_module()
class PartialCrossEntropyLoss(nn.Module):
    """Two-dimensional cross-entropy in which unlabelled pixels cost nothing (Teh and Taylor 2022, equations 1 and 2).

    The sum over the labelled pixels of a batch is divided either by their number or, as equation 1 has it literally,
    by the number of all pixels. With scribbles, which label some three per cent of an image, the two differ by a
    factor of about thirty in the gradient. A batch without any label gives zero, with a zero gradient. The count
    stays on the device: nothing is read back in a training step, unlike MMSegmentation's ``avg_non_ignore=True``.

    Args:
        normalisation (str): ``'labelled'`` divides by the number of labelled pixels, ``'all'`` by the number of all
            pixels. Defaults to ``'labelled'``.
        loss_weight (float): Factor of the loss. Defaults to 1.0.
        loss_name (str): Name in the log; the prefix ``loss_`` makes it part of the total. Defaults to ``'loss_ce'``.

    Raises:
        UserError: If ``normalisation`` is neither of the two.
    """

    def __init__(
        self, normalisation: Normalisation = 'labelled', loss_weight: float = 1.0, loss_name: str = 'loss_ce'
    ) -> None:
        super().__init__()
        if normalisation not in get_args(Normalisation):
            raise UserError(
                'Unknown normalisation of PartialCrossEntropyLoss.',
                looked_for=' or '.join(map(repr, get_args(Normalisation))),
                found=repr(normalisation),
            )
        self.normalisation = normalisation
        self.loss_weight = loss_weight
        self._loss_name = loss_name

    @property
    def loss_name(self) -> str:
        """str: Name of the loss in the log."""
        return self._loss_name

    def forward(self, seg_logits: Tensor, seg_label: Tensor, weight: Tensor | None = None, ignore_index: int = 255):
        """Compute the loss.

        Args:
            seg_logits (Tensor): Class scores, shape (N, C, H, W).
            seg_label (Tensor): Class indices in [0, C) or ``ignore_index``, int64, shape (N, H, W).
            weight (Tensor, optional): Factor of each pixel's cost, shape (N, H, W). Defaults to None.
            ignore_index (int): Label of the unlabelled pixels. Defaults to 255.

        Returns:
            Tensor: The loss, a scalar.
        """
        reduction = 'sum' if weight is None else 'none'
        cost = functional.cross_entropy(seg_logits, seg_label, ignore_index=ignore_index, reduction=reduction)
        if weight is not None:
            cost = (cost * weight).sum()
        return self.loss_weight * cost / self._count(seg_label, ignore_index)

    def _count(self, seg_label: Tensor, ignore_index: int) -> Tensor | int:
        if self.normalisation == 'all':
            return seg_label.numel()
        return torch.count_nonzero(seg_label != ignore_index).clamp(min=1)

    def extra_repr(self) -> str:
        return f'normalisation={self.normalisation!r}, loss_weight={self.loss_weight}'
