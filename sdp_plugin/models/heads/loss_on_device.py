"""Decode heads whose losses read nothing back from the device."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.models import decode_heads
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from torch import Tensor, nn

from sdp_plugin.registry import MODELS


class LossOnDevice(BaseDecodeHead):
    """A decode head that computes its loss and its accuracy without making the host wait.

    The base class's accuracy selects the labelled pixels by a Boolean index, for which the host waits in every step.
    """

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """Compute the loss and the pixel accuracy, both on the device.

        Args:
            seg_logits (Tensor): Class scores, shape (N, C, h, w).
            batch_data_samples (list[SegDataSample]): Samples with ``gt_sem_seg`` of shape (1, H, W).

        Returns:
            dict[str, Tensor]: The losses by name, and ``acc_seg``, the share of the labelled pixels that are
            right, in per cent.
        """
        seg_label = self._stack_batch_gt(batch_data_samples).squeeze(1)
        seg_logits = resize(
            seg_logits, size=seg_label.shape[1:], mode='bilinear', align_corners=self.align_corners, warning=False
        )
        weight = None if self.sampler is None else self.sampler.sample(seg_logits, seg_label.unsqueeze(1))
        losses: dict[str, Tensor] = {}
        for loss_decode in self._losses():
            loss = loss_decode(seg_logits, seg_label, weight=weight, ignore_index=self.ignore_index)
            name = loss_decode.loss_name
            losses[name] = losses[name] + loss if name in losses else loss
        losses['acc_seg'] = _pixel_accuracy(seg_logits.detach(), seg_label, self.ignore_index)
        return losses

    def _losses(self) -> Sequence[nn.Module]:
        return self.loss_decode if isinstance(self.loss_decode, nn.ModuleList) else [self.loss_decode]


def _pixel_accuracy(seg_logits: Tensor, seg_label: Tensor, ignore_index: int) -> Tensor:
    labelled = seg_label != ignore_index
    right = labelled & (seg_logits.argmax(dim=1) == seg_label)
    return 100.0 * torch.count_nonzero(right) / torch.count_nonzero(labelled).clamp(min=1)


@MODELS.register_module()
class FCNHead(LossOnDevice, decode_heads.FCNHead):
    """MMSegmentation's ``FCNHead``, see :class:`LossOnDevice`."""


@MODELS.register_module()
class LightHamHead(LossOnDevice, decode_heads.LightHamHead):
    """MMSegmentation's ``LightHamHead``, see :class:`LossOnDevice`.

    Its decomposition still draws 16 kB of bases an image on the host, for whose copy the host waits.
    """


@MODELS.register_module()
class SegformerHead(LossOnDevice, decode_heads.SegformerHead):
    """MMSegmentation's ``SegformerHead``, see :class:`LossOnDevice`."""


@MODELS.register_module()
class UPerHead(LossOnDevice, decode_heads.UPerHead):
    """MMSegmentation's ``UPerHead``, see :class:`LossOnDevice`."""
