"""Bringing a model and its optimiser into the form in which their device computes fastest."""

from __future__ import annotations

from contextlib import ExitStack

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from sdp_plugin.engine.optimisers import fuse, optimisers_of
from sdp_plugin.engine.weight_gradients import weight_gradients_by_products
from sdp_plugin.errors import UserError
from sdp_plugin.registry import HOOKS


@HOOKS.register_module()
class PrepareModelHook(Hook):
    """Bring model and optimiser into the form in which their device computes fastest, before the first iteration.

    Names and values of the weights stay, so checkpoints are the same with and without. The optimiser updates all
    tensors in one kernel where its class has one, see :func:`sdp_plugin.engine.optimisers.fuse`.

    Args:
        channels_last (bool): Keep weights in channels-last order, which the convolutions of tensor cores and of oneDNN
            want. Batches of bytes come in it, and feature maps follow them, whatever that of the weights. On CPUs
            weight gradients are then products where that is faster, see :mod:`sdp_plugin.engine.weight_gradients`.
            Defaults to True.
        compile_backbone (bool): Let ``torch.compile`` fuse the backbone, which takes a minute or more at the first
            iteration and needs a C++ compiler. Defaults to False.

    Raises:
        UserError: Before training, if PyTorch is too old to compile a module in place.
    """

    def __init__(self, channels_last: bool = True, compile_backbone: bool = False) -> None:
        self.channels_last = channels_last
        self.compile_backbone = compile_backbone
        self._until_trained = ExitStack()

    def before_train(self, runner: Runner) -> None:
        """Prepare the model, once a run."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        device = next(model.parameters()).device
        if self.channels_last:
            model.to(memory_format=torch.channels_last)
        if self.channels_last and device.type == 'cpu':
            self._until_trained.enter_context(weight_gradients_by_products(model))
        if self.compile_backbone:
            compile_in_place(model.backbone)
        for optimiser in optimisers_of(runner.optim_wrapper):
            fuse(optimiser, device, capturable=False)

    def after_train(self, runner: Runner) -> None:
        """Give the convolutions their own class back."""
        self._until_trained.close()


def compile_in_place(backbone: nn.Module) -> None:
    """Let ``torch.compile`` compile a backbone when it is called next; names and values of the weights stay.

    Raises:
        UserError: PyTorch is too old.
    """
    if not hasattr(backbone, 'compile'):
        raise UserError(
            'This version of PyTorch cannot compile a module in place.',
            looked_for='PyTorch 2.2 or newer',
            found=torch.__version__,
            remedy='set compile_backbone=False, or compile=False in train_cfg',
        )
    backbone.compile()
