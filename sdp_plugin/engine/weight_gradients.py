"""Gradients of the weights of convolutions as matrix products, on CPUs where the convolution library is slower.

The gradient of a convolution's weights is one matrix product: the gradients of all output positions times the inputs
that each of them saw (its column, in the words of im2col). oneDNN takes up to seven times as long for it where the maps
are small, which those of small images are. The columns are written for a few images at a time, so that they stay in the
processor's cache, and the products are added up. docs/speed.md has the measurements.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from sdp_plugin.hardware import processor_flags

BYTES_OF_COLUMNS = 8 * 2**20
"""How much to write before it is multiplied. Of 1 to 16 MiB the fastest, by up to a third, on a processor with half a
MiB a core and 32 MiB shared; a single piece takes twice as long as oneDNN on maps of 24 x 24."""

LEAST_CHANNELS = 32
"""Of the input. For the 3 of an image the product is too narrow to be fast, and oneDNN is fast; 64 to 2,048 were
measured."""

MOST_POSITIONS_IN_BFLOAT16 = 64
"""Of a map of outputs. On larger ones, and where there are fewer outputs than ``LEAST_CHANNELS``, oneDNN's kernels for
matrix units are faster."""

MOST_POSITIONS_WITH_AVX512 = 9
"""Likewise for the other types on a processor with AVX-512. On one with AVX2 alone there is no such limit."""


# One function by device until PyTorch 2.4.
if hasattr(torch, 'get_autocast_dtype'):
    _is_autocast_enabled = partial(torch.is_autocast_enabled, 'cpu')
    _autocast_dtype = partial(torch.get_autocast_dtype, 'cpu')
else:
    _is_autocast_enabled = torch.is_autocast_cpu_enabled
    _autocast_dtype = torch.get_autocast_cpu_dtype


@contextmanager
def weight_gradients_by_products(model: nn.Module) -> Iterator[None]:
    """Compute the weight gradients of a network's convolutions in this way, until the context ends.

    Values, names and types of the weights stay what they are; the gradients differ by rounding, since the terms are
    added in another order. Convolutions with groups, with other padding than zeros, of a class of their own or with
    fewer than 32 input channels are left alone, and so are maps for which the library is faster. The results of a
    forward pass are the same bit for bit.

    Args:
        model (nn.Module): The network, on a CPU, in channels-last order.
    """
    convolutions = [module for module in model.modules() if _is_served(module)]
    for module in convolutions:
        module.__class__ = _ProductGradientConv2d
    try:
        yield
    finally:
        for module in convolutions:
            module.__class__ = nn.Conv2d


def _is_served(module: nn.Module) -> bool:
    return (
        type(module) is nn.Conv2d
        and module.groups == 1
        and module.padding_mode == 'zeros'
        and not isinstance(module.padding, str)
        and module.in_channels >= LEAST_CHANNELS
    )


class _ProductGradientConv2d(nn.Conv2d):
    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        served = torch.is_grad_enabled() and weight.requires_grad and input.device.type == 'cpu'
        if not served or input.dim() != 4 or not len(input):
            return super()._conv_forward(input, weight, bias)
        if _is_autocast_enabled():
            # Here and not in the function below, so that the weights get their gradient in their own type.
            input, weight, bias = (
                each if each is None else each.to(_autocast_dtype()) for each in (input, weight, bias)
            )
        if input.dtype != weight.dtype:
            return super()._conv_forward(input, weight, bias)
        return _Convolution.apply(input, weight, bias, self.stride, self.padding, self.dilation)

    def __reduce_ex__(self, protocol: int) -> tuple:
        # Copies and files, which outlive the context, hold an ordinary convolution.
        return nn.Conv2d.__new__, (nn.Conv2d,), self.__dict__


class _Convolution(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
        dilation: tuple[int, int],
    ) -> Tensor:
        ctx.save_for_backward(inputs, weight)
        ctx.geometry = stride, padding, dilation
        return nn.functional.conv2d(inputs, weight, bias, stride, padding, dilation)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        inputs, weight = ctx.saved_tensors
        stride, padding, dilation = ctx.geometry
        by_product = ctx.needs_input_grad[1] and _is_product_faster(gradient)
        wanted = [ctx.needs_input_grad[0], ctx.needs_input_grad[1] and not by_product, False]
        of_inputs = of_weight = of_bias = None
        if any(wanted):
            of_inputs, of_weight, _ = torch.ops.aten.convolution_backward(
                gradient, inputs, weight, None, stride, padding, dilation, False, [0, 0], 1, wanted
            )
        if by_product:
            of_weight = weight_gradient(inputs, gradient, weight.shape[2:], stride, padding, dilation)
        if ctx.needs_input_grad[2]:
            of_bias = gradient.sum((0, 2, 3))
        return of_inputs, of_weight, of_bias, None, None, None


def _is_product_faster(gradient: Tensor) -> bool:
    outputs, height, width = gradient.shape[1:]
    if gradient.dtype == torch.bfloat16:
        return outputs >= LEAST_CHANNELS and height * width <= MOST_POSITIONS_IN_BFLOAT16
    return height * width <= MOST_POSITIONS_WITH_AVX512 or not _has_avx512()


@cache
def _has_avx512() -> bool:
    return 'avx512f' in processor_flags()


def weight_gradient(
    inputs: Tensor,
    gradient: Tensor,
    kernel_size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> Tensor:
    """The gradient of the weights of a convolution without groups.

    Args:
        inputs (Tensor): What it was applied to, shape (N, C, H, W); fastest in channels-last order.
        gradient (Tensor): Of its outputs, shape (N, O, h, w); fastest in channels-last order.
        kernel_size (tuple[int, int]): Height and width of the kernel.
        stride (tuple[int, int]): As in ``nn.Conv2d``, and so are the others.
        padding (tuple[int, int]): In pixels.
        dilation (tuple[int, int]): In pixels.

    Returns:
        Tensor: Shape (O, C, *kernel_size), in channels-last order, in the type of the inputs.
    """
    columns = _columns(inputs, gradient.shape[2:], kernel_size, stride, padding, dilation)
    gradient = gradient.permute(0, 2, 3, 1)
    outputs, length = gradient.shape[3], columns.shape[3:].numel()
    parts = math.ceil(columns.numel() * columns.element_size() / BYTES_OF_COLUMNS)
    parts = min(len(inputs), parts)
    factors = (
        (of_outputs.reshape(-1, outputs).t(), seen.reshape(-1, length))
        for of_outputs, seen in zip(gradient.tensor_split(parts), columns.tensor_split(parts), strict=True)
    )
    total = torch.mm(*next(factors))
    if parts > 1:
        # A sum in bfloat16 would swallow its later terms.
        summed = total.float() if total.dtype == torch.bfloat16 else total
        for left, right in factors:
            summed += torch.mm(left, right)
        total = summed.to(total.dtype)
    return total.view(outputs, *columns.shape[3:]).permute(0, 3, 1, 2)


def _columns(
    inputs: Tensor,
    size: tuple[int, int],
    kernel_size: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    dilation: tuple[int, int],
) -> Tensor:
    """What each output position sees, shape (N, h, w, *kernel_size, C): a view of the padded input, nothing copied."""
    inputs = inputs.permute(0, 2, 3, 1)
    around = (0, 0, padding[1], padding[1], padding[0], padding[0])
    padded = (nn.functional.pad(inputs, around) if any(padding) else inputs).contiguous()
    image, row, pixel, channel = padded.stride()
    return padded.as_strided(
        (len(inputs), *size, *kernel_size, inputs.shape[3]),
        (image, row * stride[0], pixel * stride[1], row * dilation[0], pixel * dilation[1], channel),
    )
