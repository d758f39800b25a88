"""The statistics of batch normalisation, for images that a network was not trained on."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@torch.no_grad()
def reestimate_batch_norm(
    model: nn.Module, batches: Iterable[Tensor], forward: Callable[[Tensor], object] | None = None
) -> int:
    """Estimate the running means and variances of all batch norms of a model anew, and change nothing else.

    Each batch is normalised by its own statistics, as in training, and the running ones become the mean over the
    batches, which should therefore be of about the same size (Li et al. 2018, "Adaptive batch normalization", Pattern
    Recognition 80). Dropout and dropped paths are off. No label and no gradient is involved.

    Args:
        model (nn.Module): The model. Each of its modules keeps its mode.
        batches (Iterable[Tensor]): Normalised images, float, shape (N, C, H, W) each, with N above 1.
        forward (Callable): What to compute of a batch. Defaults to the model itself.

    Returns:
        int: How many batch norms there are. With none, nothing is computed.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm) and module.track_running_stats]
    if not norms:
        return 0
    modes = [(module, module.training) for module in model.modules()]
    momenta = [norm.momentum for norm in norms]
    try:
        for module, _ in modes:
            module.training = False
        for norm in norms:
            norm.reset_running_stats()
            norm.training, norm.momentum = True, None  # which averages
        for batch in batches:
            (forward or model)(batch)
    finally:
        for module, mode in modes:
            module.training = mode
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
    return len(norms)
