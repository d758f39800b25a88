"""torchvision's ResNet as a backbone."""

from __future__ import annotations

from torch import Tensor, nn
from torchvision import models

from sdp_plugin.registry import MODELS


@MODELS.register_module()
class TorchvisionResNet(nn.Module):
    """torchvision's ResNet without its pooling and classifier, returning feature maps: what a conversion compares with.

    Args:
        depth (int): 18, 34, 50, 101 or 152.
        num_stages (int): Always 4. Defaults to 4.
        out_indices (tuple[int, ...]): The stages to return. Defaults to all.
    """

    def __init__(self, depth: int, num_stages: int = 4, out_indices: tuple[int, ...] = (0, 1, 2, 3)) -> None:
        super().__init__()
        for name, child in getattr(models, f'resnet{depth}')(weights=None).named_children():
            if name not in ('avgpool', 'fc'):
                self.add_module(name, child)
        self.out_indices = out_indices

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Feature maps of images (N, 3, H, W)."""
        features = self.maxpool(self.relu(self.bn1(self.conv1(images))))
        maps = []
        for stage in (self.layer1, self.layer2, self.layer3, self.layer4):
            features = stage(features)
            maps.append(features)
        return tuple(maps[index] for index in self.out_indices)
