"""Making a stock training loop keep a device busy: number format, memory order, compilation, logging."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from mmengine.hooks import Hook, LoggerHook, RuntimeInfoHook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from torch import nn

from sdp_plugin.engine.precision import autocast, autocast_type
from sdp_plugin.errors import UserError
from sdp_plugin.registry import HOOKS, OPTIM_WRAPPERS


@OPTIM_WRAPPERS.register_module()
class AutocastOptimWrapper(OptimWrapper):
    """An optimiser wrapper whose forward pass computes in bfloat16 where the device does so in hardware.

    MMEngine's ``AmpOptimWrapper`` refuses a CPU and scales the loss, which bfloat16, with the exponents of float32,
    does not need. Weights, gradients and the optimiser's state stay in float32.

    Args:
        precision (str): See :func:`sdp_plugin.engine.precision.autocast_type`. Defaults to ``'auto'``.
        **kwargs: Of :class:`mmengine.optim.OptimWrapper`.

    Raises:
        UserError: In the first step, for an unknown precision.
    """

    def __init__(self, precision: str = 'auto', **kwargs) -> None:
        super().__init__(**kwargs)
        self.precision = precision

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        """The context of a forward pass."""
        device = next(model.parameters()).device
        with super().optim_context(model), autocast(autocast_type(self.precision, model, device), device):
            yield


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


@HOOKS.register_module()
class DeferredRuntimeInfoHook(RuntimeInfoHook):
    """MMEngine's ``RuntimeInfoHook``, which reads losses from the device only when they are logged.

    MMEngine reads each value in each iteration, for which the host waits until the device has caught up. Here the
    values stay on the device until the logger's turn and then come over in one piece; the log shows the same numbers.
    """

    def __init__(self) -> None:
        self.interval = 1
        self._waiting: dict[str, list[torch.Tensor]] = {}

    def before_train(self, runner: Runner) -> None:
        """Learn when the logger has its turn."""
        super().before_train(runner)
        self.interval = next((hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)), 1)

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: object = None, outputs: Mapping | None = None
    ) -> None:
        """Keep the iteration's values, and hand them on when they are due."""
        for name, value in (outputs or {}).items():
            self._waiting.setdefault(name, []).append(torch.as_tensor(value).detach())
        is_due = self.every_n_inner_iters(batch_idx, self.interval) or self.is_last_train_iter(runner)
        if is_due or self.end_of_epoch(runner.train_dataloader, batch_idx):
            self._hand_on(runner)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Checkpoints hold the log's history, so that it goes on where it ended."""
        if self._waiting:
            self._hand_on(runner)
            checkpoint['message_hub'] = runner.message_hub.state_dict()

    def _hand_on(self, runner: Runner) -> None:
        for name, values in self._waiting.items():
            for value in torch.stack(values).tolist():
                runner.message_hub.update_scalar(f'train/{name}', value)
        self._waiting.clear()
