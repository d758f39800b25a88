"""Copies from the host to a device."""

from __future__ import annotations

import torch
from torch import Tensor


def on_device(values: Tensor, device: torch.device) -> Tensor:
    """Values from the host on a device, copied there without making the host wait.

    Args:
        values (Tensor): On the host, of any type and shape. It may be let go at once.
        device (torch.device): Where to.

    Returns:
        Tensor: The values; ``values`` itself where they are there already.
    """
    # From pageable memory the copy would make the host wait.
    pinned = values.pin_memory() if device.type == 'cuda' and values.device.type == 'cpu' else values
    return pinned.to(device, non_blocking=True)
