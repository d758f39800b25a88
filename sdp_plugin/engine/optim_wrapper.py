"""The optimiser wrapper of pre-training: bfloat16 where the device has it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from mmengine.optim import OptimWrapper
from torch import nn

from sdp_plugin.engine.precision import autocast, autocast_type
from sdp_plugin.registry import OPTIM_WRAPPERS


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
