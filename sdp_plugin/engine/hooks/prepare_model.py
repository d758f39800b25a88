"""Bringing a model into the form in which its device computes fastest."""

from __future__ import annotations

import torch
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from sdp_plugin.errors import UserError
from sdp_plugin.registry import HOOKS


@HOOKS.register_module()
class PrepareModelHook(Hook):
    """Bring a model into the form in which its device computes fastest, before the first iteration.

    Neither changes names or values of the weights, so checkpoints are the same with and without.

    Args:
        channels_last (bool): Keep weights and feature maps in channels-last order, which the convolutions of tensor
            cores and of oneDNN want. Defaults to True.
        compile_backbone (bool): Let ``torch.compile`` fuse the backbone, which takes a minute or more at the first
            iteration and needs a C++ compiler. Defaults to False.

    Raises:
        UserError: Before training, if PyTorch is too old to compile a module in place.
    """

    def __init__(self, channels_last: bool = True, compile_backbone: bool = False) -> None:
        self.channels_last = channels_last
        self.compile_backbone = compile_backbone

    def before_train(self, runner: Runner) -> None:
        """Prepare the model, once a run."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if self.channels_last:
            model.to(memory_format=torch.channels_last)
        if self.compile_backbone:
            compile_in_place(model.backbone)


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
