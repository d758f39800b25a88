"""One step of training a classifier on a batch that is on the device already."""

from __future__ import annotations

import torch
from mmengine.optim import OptimWrapper
from mmpretrain.models import ImageClassifier
from torch import Tensor, nn

from sdp_plugin.engine.precision import autocast


class TrainingStep:
    """Forward, loss, backward and update, as ``ImageClassifier.train_step`` does them, without reading anything back.

    Args:
        model (ImageClassifier): The network, for which
            :func:`sdp_plugin.engine.in_memory.fallback.obstacles_of_model` names none.
        optim_wrapper (OptimWrapper): Its optimiser, with gradient clipping where it is configured.
        dtype (torch.dtype | None): See :func:`sdp_plugin.engine.precision.autocast_type`.
    """

    def __init__(self, model: ImageClassifier, optim_wrapper: OptimWrapper, dtype: torch.dtype | None) -> None:
        self.model = model
        self.optim_wrapper = optim_wrapper
        self.optimiser = optim_wrapper.optimizer
        self.dtype = dtype

    def __call__(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Train on a batch.

        Args:
            inputs (Tensor): Normalised images, shape (N, 3, H, W).
            labels (Tensor): int64 class indices, shape (N,).

        Returns:
            Tensor: The loss before the update, a detached scalar on the device.
        """
        with autocast(self.dtype, inputs.device):
            scores = class_scores(self.model, inputs)
            loss = self.model.head.loss_module(scores, labels, avg_factor=len(labels))
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self._clip()
        self.optimiser.step()
        return loss.detach()

    def _clip(self) -> None:
        # OptimWrapper's own clipping reads the norm back for the log.
        if self.optim_wrapper.clip_grad_kwargs is None:
            return
        parameters = [parameter for group in self.optimiser.param_groups for parameter in group['params']]
        self.optim_wrapper.clip_func(
            [parameter for parameter in parameters if parameter.grad is not None], **self.optim_wrapper.clip_grad_kwargs
        )


def class_scores(model: ImageClassifier, inputs: Tensor) -> Tensor:
    """The scores before the softmax, in float32 at least; shape (N, num_classes)."""
    scores = model.head(model.extract_feat(inputs))
    return scores.float() if scores.dtype in (torch.bfloat16, torch.float16) else scores


def draws_random_numbers(model: nn.Module) -> bool:
    """Whether training the network draws random numbers: dropout or dropped paths with a rate above zero."""
    return any(
        _is_rate(getattr(module, 'dropout', 0.0)) or ('drop' in type(module).__name__.lower() and _rate_of(module) > 0)
        for module in model.modules()
    )


def _is_rate(value: object) -> bool:
    # As in nn.MultiheadAttention; elsewhere a module has this name.
    return isinstance(value, float) and value > 0


def _rate_of(module: nn.Module) -> float:
    rates = [getattr(module, name, None) for name in ('p', 'drop_prob', 'drop_path_rate')]
    given = [rate for rate in rates if isinstance(rate, int | float)]
    return max(given, default=1.0)
