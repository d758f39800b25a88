"""The decode head of DeepLabV2."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.utils import resize
from torch import Tensor, nn

from sdp_plugin.registry import MODELS


@MODELS.register_module()
class DeepLabV2Head(BaseDecodeHead):
    """Atrous spatial pyramid pooling as in DeepLabV2 (Chen et al. 2018, arXiv 1606.00915).

    Parallel 3x3 convolutions with bias, one a dilation, map the trunk's features straight to class scores, and the
    scores are summed. There is no normalisation, activation or dropout.

    Args:
        in_channels (int): Channels of the trunk's feature map.
        num_classes (int): Number of classes, C.
        dilations (Sequence[int]): Dilation of each convolution. Defaults to (6, 12, 18, 24). Some public code sums
            the first two only, by mistake; (6, 12) reproduces it.
        init_cfg (dict): Initialisation. Defaults to N(0, 0.01) weights and zero biases.
        **kwargs: Further arguments of :class:`mmseg.models.decode_heads.decode_head.BaseDecodeHead`.
    """

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        dilations: Sequence[int] = (6, 12, 18, 24),
        init_cfg: dict | None = None,
        **kwargs,
    ) -> None:
        kwargs.setdefault('dropout_ratio', 0)
        super().__init__(
            in_channels,
            channels=num_classes,
            num_classes=num_classes,
            init_cfg=init_cfg or dict(type='Normal', layer='Conv2d', std=0.01),
            **kwargs,
        )
        self.dilations = tuple(dilations)
        # The parallel convolutions are the classifier: the base class's 1x1 one would be dead weight.
        self.conv_seg = None
        self.branches = nn.ModuleList(
            nn.Conv2d(self.in_channels, self.out_channels, kernel_size=3, padding=dilation, dilation=dilation)
            for dilation in self.dilations
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        """Score the classes at every position of the feature map.

        Args:
            inputs (Sequence[Tensor]): The trunk's feature maps; the one at ``in_index`` has shape (N, in_channels,
                h, w).

        Returns:
            Tensor: Class scores, shape (N, C, h, w).
        """
        features = self._transform_inputs(inputs)
        if self.dropout is not None:
            features = self.dropout(features)
        scores = self.branches[0](features)
        for branch in self.branches[1:]:
            scores = scores + branch(features)
        return scores

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: list) -> dict[str, Tensor]:
        """Compute the loss and the pixel accuracy, both on the device.

        The base class's accuracy selects the labelled pixels by a Boolean index, for which the host waits in every
        step.

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
    labelled = torch.count_nonzero(seg_label != ignore_index).clamp(min=1)
    # An unlabelled pixel is never counted as right: ignore_index is no class that argmax could return.
    return 100.0 * torch.count_nonzero(seg_logits.argmax(dim=1) == seg_label) / labelled
