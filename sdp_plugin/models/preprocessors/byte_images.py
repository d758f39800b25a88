"""Batches of images that come as bytes, normalised on the device all at once."""

from __future__ import annotations

import torch
from torch import Tensor


def as_floats(images: Tensor, swap_channels: bool, mean: Tensor | None = None, std: Tensor | None = None) -> Tensor:
    """Reorder and normalise a batch: to the same floats as the data preprocessors of OpenMMLab, image by image.

    Args:
        images (Tensor): uint8, shape (N, 3, H, W).
        swap_channels (bool): Whether to turn BGR into RGB, or back.
        mean (Tensor | None): What to subtract, three values in the order of the result; None leaves values as they are.
        std (Tensor | None): What to divide by thereafter, likewise.

    Returns:
        Tensor: float32, shape (N, 3, H, W), in channels-last order.
    """
    values = images.permute(0, 2, 3, 1)
    if swap_channels:
        values = torch.stack(values.unbind(-1)[::-1], -1)
    floats = values.float().contiguous()
    if mean is not None:
        # Row by row: with three means, one for each channel, the inner loop of a CPU would be three values long.
        width = floats.shape[2]
        floats.view(-1, width * 3).sub_(mean.view(-1).repeat(width)).div_(std.view(-1).repeat(width))
    return floats.permute(0, 3, 1, 2)
