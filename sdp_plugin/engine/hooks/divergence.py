"""Stopping a training that has diverged: nothing good comes after a loss or a weight that is no number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from mmengine.hooks import Hook, LoggerHook
from mmengine.runner import Runner

from sdp_plugin.errors import UserError
from sdp_plugin.registry import HOOKS

LOSS = 'train/loss'


@HOOKS.register_module()
class DivergenceHook(Hook):
    """End a training whose loss is NaN or infinite, and write no checkpoint of weights that are.

    Losses are looked at when the log has them: after each ``LoggerHook.interval`` of iterations, or each epoch of the
    in-memory loop. Nothing is read from the device for it.

    Raises:
        UserError: In the iteration in which it is seen.
    """

    # After what hands the losses on to the log, before the checkpoints.
    priority = 'HIGH'

    def before_train(self, runner: Runner) -> None:
        """Learn how many losses come at once."""
        self._interval = next((hook.interval for hook in runner.hooks if isinstance(hook, LoggerHook)), 1)

    def after_train_iter(
        self,
        runner: Runner,
        batch_idx: int,
        data_batch: Mapping | Sequence | None = None,
        outputs: Mapping | None = None,
    ) -> None:
        """Look at the newest losses in the log."""
        if LOSS not in runner.message_hub.log_scalars:
            return
        newest = runner.message_hub.get_scalar(LOSS).data[0][-self._interval :]
        if len(newest) and not torch.isfinite(torch.as_tensor(newest)).all():
            raise _diverged(f'a loss of {newest[-1]} by iteration {runner.iter + 1}')

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict) -> None:
        """Look at the weights that are to be written."""
        self._check(checkpoint['state_dict'], runner.iter + 1)

    def after_train(self, runner: Runner) -> None:
        """Look at the weights that are to be tested, which no checkpoint need hold."""
        self._check(runner.model.state_dict(), runner.iter)

    def _check(self, weights: Mapping[str, torch.Tensor], iteration: int) -> None:
        broken = [name for name, tensor in weights.items() if not torch.isfinite(tensor).all()]
        if broken:
            raise _diverged(f'{broken[0]} after iteration {iteration} holds numbers that are NaN or infinite')


def _diverged(found: str) -> UserError:
    return UserError(
        'The training has diverged.',
        looked_for='losses and weights that are finite numbers',
        found=found,
        remedy='lower lr, or write optim_wrapper = dict(clip_grad=dict(max_norm=1.0)) into a config of yours with this '
        'one as its _base_; with precision=bfloat16 try float32',
    )
