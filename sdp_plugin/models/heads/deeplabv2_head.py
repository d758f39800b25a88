"""The decode head of DeepLabV2."""

from __future__ import annotations

import logging
from collections.abc import Sequence

from mmengine.logging import print_log
from torch import Tensor, nn

from sdp_plugin.models.heads.loss_on_device import LossOnDevice
from sdp_plugin.registry import MODELS


@MODELS.register_module()
class DeepLabV2Head(LossOnDevice):
    """Atrous spatial pyramid pooling as in DeepLabV2 (Chen et al. 2018, arXiv 1606.00915).

    Parallel 3x3 convolutions with bias, one a dilation, map the trunk's features straight to class scores, and the
    scores are summed. There is no normalisation, activation or dropout.

    A dilation as long as the map sees nothing but padding beside its centre: small crops want smaller ones. It is said
    once, in training, as the weights that learn nothing then meet content in the test, on whole images.

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
        self._reach_is_known = False
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
        if self.training and not self._reach_is_known:
            self._say_what_is_blind(features.shape[-2:])
        if self.dropout is not None:
            features = self.dropout(features)
        scores = self.branches[0](features)
        for branch in self.branches[1:]:
            scores = scores + branch(features)
        return scores

    def _say_what_is_blind(self, size: Sequence[int]) -> None:
        self._reach_is_known = True
        blind = [dilation for dilation in self.dilations if dilation >= max(size)]
        if blind:
            print_log(
                f'The dilations {", ".join(map(str, blind))} see only padding on maps of {size[0]} x {size[1]}: set '
                'head_dilations in proportion to the map (6 to 24 are for 41 x 41), or a larger crop_size',
                logger='current',
                level=logging.WARNING,
            )
