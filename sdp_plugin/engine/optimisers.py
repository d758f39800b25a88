"""Fused optimisers, and optimisers whose step a CUDA graph can hold."""

from __future__ import annotations

import torch
from mmengine.optim import OptimWrapper, OptimWrapperDict
from torch.optim import Optimizer


def fuse(optimiser: Optimizer, device: torch.device, capturable: bool) -> None:
    """Let an optimiser update all its tensors in one kernel, where its class has one for the device.

    The flags are set whatever a checkpoint from another device has brought along, and the state gets the memory order
    of the weights, which fused kernels take for granted. ``fused=False`` in the config is left alone.

    Args:
        optimiser (Optimizer): The optimiser, with or without state.
        device (torch.device): Where its parameters are.
        capturable (bool): Whether its step is to be recorded in a CUDA graph; see :func:`can_be_captured`.
    """
    fused = optimiser.defaults.get('fused', False) is not False and _has_fused(type(optimiser), device)
    for group in optimiser.param_groups:
        flags = {'fused': fused or None, 'capturable': capturable}
        group.update({name: flag for name, flag in flags.items() if name in optimiser.defaults})
        for parameter in group['params']:
            state = optimiser.state.get(parameter, {})
            if torch.is_tensor(state.get('step')):
                # The number of steps taken has to be where the kernel is that reads it.
                on = parameter.device if fused or capturable else torch.device('cpu')
                state['step'] = state['step'].to(on, torch.float32)
            state.update({name: _in_order_of(value, parameter) for name, value in state.items()})


def _in_order_of(value: object, parameter: torch.Tensor) -> object:
    if not torch.is_tensor(value) or value.shape != parameter.shape or value.stride() == parameter.stride():
        return value
    return torch.empty_like(parameter, dtype=value.dtype).copy_(value)


def optimisers_of(wrapper: OptimWrapper | OptimWrapperDict) -> list[Optimizer]:
    """The optimisers of a wrapper, of which an ``OptimWrapperDict`` has several."""
    wrappers = wrapper.values() if isinstance(wrapper, OptimWrapperDict) else [wrapper]
    return [each.optimizer for each in wrappers]


def can_be_captured(optimiser: Optimizer) -> bool:
    """Whether the optimiser's step reads its learning rate and its count of steps from the device, as a graph needs."""
    return 'capturable' in optimiser.defaults


def _has_fused(kind: type[Optimizer], device: torch.device) -> bool:
    parameter = torch.zeros(1, device=device, requires_grad=True)
    try:
        kind([parameter], lr=1e-3, fused=True)
    except (RuntimeError, TypeError):  # not on this device in this version; not for this class
        return False
    return True
