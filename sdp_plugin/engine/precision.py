"""In which number format a network computes, chosen by what the device has."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import nn

from sdp_plugin.errors import UserError
from sdp_plugin.hardware import processor_flags

PRECISIONS = ('auto', 'float32', 'bfloat16')
_CPU_FLAGS_OF_BFLOAT16 = frozenset({'amx_bf16', 'avx512_bf16'})
_CAPABILITY_OF_BFLOAT16 = (8, 0)  # Ampere; older devices emulate it, slowly


def autocast_type(precision: str, model: nn.Module, device: torch.device) -> torch.dtype | None:
    """The type to compute convolutions and matrix products in, where it is not that of the weights.

    Args:
        precision (str): ``'bfloat16'``; ``'float32'``, which computes in the type of the weights; or ``'auto'``, which
            is ``'bfloat16'`` where the device has instructions for it (NVIDIA since Ampere; processors with AMX or
            AVX512-BF16) and ``'float32'`` elsewhere.
        model (nn.Module): The network. One in float64 computes in float64 unless ``'bfloat16'`` is asked for.
        device (torch.device): Where it computes.

    Returns:
        torch.dtype | None: ``torch.bfloat16``, or None for the type of the weights.

    Raises:
        UserError: Another word than these three.
    """
    if precision not in PRECISIONS:
        raise UserError('Unknown precision.', looked_for=', '.join(map(repr, PRECISIONS)), found=repr(precision))
    if precision == 'auto':
        single = next(model.parameters()).dtype == torch.float32
        precision = 'bfloat16' if single and has_bfloat16(device) else 'float32'
    return torch.bfloat16 if precision == 'bfloat16' else None


def has_bfloat16(device: torch.device) -> bool:
    """Whether the device multiplies matrices of bfloat16 in hardware."""
    if device.type == 'cuda':
        return torch.cuda.get_device_capability(device) >= _CAPABILITY_OF_BFLOAT16
    return device.type == 'cpu' and bool(_CPU_FLAGS_OF_BFLOAT16 & processor_flags())


def autocast(dtype: torch.dtype | None, device: torch.device) -> AbstractContextManager:
    """The context in which a network computes in ``dtype``; None leaves all as it is."""
    return nullcontext() if dtype is None else torch.autocast(device.type, dtype)
