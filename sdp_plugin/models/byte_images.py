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
    # Channel by channel: in channels-last order an operation with three means has an inner loop of three, which on
    # a CPU costs four times as much.
    floats = torch.empty(images.shape, device=images.device, memory_format=torch.channels_last)
    sources = range(2, -1, -1) if swap_channels else range(3)
    for channel, source in enumerate(sources):
        if mean is None:
            floats[:, channel] = images[:, source]
        else:
            centred = images[:, source].float().sub_(mean.view(-1)[channel])
            torch.div(centred, std.view(-1)[channel], out=floats[:, channel])
    return floats
