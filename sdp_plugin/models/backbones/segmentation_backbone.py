"""An MMSegmentation backbone inside an MMPretrain classifier."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine.model import BaseModule
from mmengine.registry import DefaultScope
from mmseg.registry import MODELS as SEGMENTATION_MODELS
from torch import Tensor

from sdp_plugin.errors import UserError
from sdp_plugin.registry import MODELS

REFUSED = {
    'VPD': 'it is a text-to-image diffusion model, which needs a text encoder beside the image',
}

FEATURE = {
    'UNet': 0,
    'BiSeNetV1': 0,
    'BiSeNetV2': 0,
    'FastSCNN': 1,
}
"""Which output a classifier pools, where it is not the last: UNet's outputs run from the deepest to the finest,
BiSeNet's begin with the fused one and go on with those of auxiliary heads, and the second of Fast-SCNN's three is the
global one."""

FEATURE_IN_TRAINING = {'PIDNet': 1}
"""The same, where training mode returns more outputs around it: PIDNet then adds its first and its boundary branch."""


@MODELS.register_module()
class SegmentationBackbone(BaseModule):
    """Run a backbone of MMSegmentation as it is, and return the feature map that a classifier pools.

    The wrapped backbone is the same class with the same weights, so its function is the one that was trained. Its
    tensors are named ``trunk.*``.

    Args:
        backbone (dict): The backbone's config, as in a segmentor.
        features (Sequence[int] | None): Which of the backbone's outputs to return. None takes the one in
            ``FEATURE``, else the last. Several serve a neck that fuses them, such as HRNet's. Defaults to None.
        init_cfg (dict | None): See :class:`mmengine.model.BaseModule`. Defaults to None.

    Raises:
        UserError: If the backbone cannot serve a classifier, or its package is not installed.
    """

    def __init__(
        self, backbone: Mapping, features: Sequence[int] | None = None, init_cfg: Mapping | None = None
    ) -> None:
        super().__init__(init_cfg)
        self.name = str(backbone['type']).rpartition('.')[2]
        self.features = None if features is None else tuple(features)
        if self.name in REFUSED:
            raise UserError(
                f'{self.name} cannot be the backbone of a classifier: {REFUSED[self.name]}.',
                remedy='choose another backbone',
            )
        with DefaultScope.overwrite_default_scope('mmseg'):
            try:
                self.trunk = SEGMENTATION_MODELS.build(dict(backbone))
            except RuntimeError as error:
                raise UserError(
                    f'The backbone {self.name} cannot be built.',
                    found=str(error),
                    remedy='install the package that it names (timm, for TIMMBackbone)',
                ) from error

    def forward(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """Compute the feature maps.

        Args:
            inputs (Tensor): Images (N, C, H, W), float, normalised.

        Returns:
            tuple[Tensor, ...]: Feature maps (N, C', H', W'); one unless ``features`` names several.
        """
        outputs = self.trunk(inputs)
        maps = (outputs,) if isinstance(outputs, torch.Tensor) else tuple(outputs)
        return tuple(maps[index] for index in self._chosen())

    def _chosen(self) -> tuple[int, ...]:
        if self.features is not None:
            return self.features
        if self.training and self.name in FEATURE_IN_TRAINING:
            return (FEATURE_IN_TRAINING[self.name],)
        return (FEATURE.get(self.name, -1),)
