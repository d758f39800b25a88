"""ResNets whose dense feature maps are those of the classifier, at more positions."""

from __future__ import annotations

from collections.abc import Iterator

from mmseg.models.backbones import ResNet, ResNeXt
from torch import nn

from sdp_plugin.errors import UserError
from sdp_plugin.registry import MODELS

OUTPUT_STRIDES = (8, 16, 32)
_STRIDE_OF_STEM = 4
_UNSUPPORTED = ('multi_grid', 'dcn', 'plugins', 'avg_down')
"""Settings with which a stride cannot be traded for a dilation, or with which nobody has checked that it can."""


class _AtrousStages:
    """What both classes below add to MMSegmentation's: strides beyond the output stride become dilations.

    A classifier halves its feature map in the first 3x3 convolution of layer2, layer3 and layer4. Where such a stride
    is left out, that convolution keeps the dilation of those before it, and all after it read positions twice as far
    apart (the à-trous algorithm; Chen et al. 2018, arXiv 1606.00915, section 3.1). Every second position of the map
    then holds what the classifier computes from the same weights.
    """

    def __init__(self, output_stride: int = 8, **kwargs) -> None:
        super().__init__(**kwargs)
        self.output_stride = output_stride
        if output_stride not in OUTPUT_STRIDES:
            raise UserError(
                f'{type(self).__name__} has no such output stride.',
                looked_for=f'output_stride among {", ".join(map(str, OUTPUT_STRIDES))}',
                found=output_stride,
            )
        strides, dilations = [], []
        dilation, reached = 1, _STRIDE_OF_STEM
        for name, stride in zip(self.res_layers, self.strides, strict=True):
            kept = stride if reached * stride <= output_stride else 1
            reached *= kept
            if kept != stride or dilation > 1:
                self._check_that_stages_are_plain()
                dilation = _trade_strides_for_dilations(getattr(self, name), dilation)
            strides.append(kept)
            dilations.append(dilation)
        if dilation > 1:
            self.strides, self.dilations = tuple(strides), tuple(dilations)

    def _check_that_stages_are_plain(self) -> None:
        found = [f'{name}={getattr(self, name)}' for name in _UNSUPPORTED if getattr(self, name)]
        found += [f'dilations={self.dilations}'] if any(dilation != 1 for dilation in self.dilations) else []
        if found:
            raise UserError(
                f'{type(self).__name__} cannot trade the strides of this ResNet for dilations.',
                looked_for='plain convolutions that are not dilated yet',
                found=', '.join(found),
                remedy='leave these settings out, set output_stride=32, or use the ResNet of MMSegmentation',
            )


def _trade_strides_for_dilations(stage: nn.Sequential, dilation: int) -> int:
    """Leave out the strides of a stage that begins at ``dilation``; return the one that it ends at."""
    for block in stage:
        reached = dilation
        for conv in _convolutions(block):
            stride = conv.stride[0]
            conv.stride = (1, 1)
            conv.dilation = (reached, reached)
            conv.padding = tuple(reached * (length // 2) for length in conv.kernel_size)
            reached *= stride
        if block.downsample is not None:
            block.downsample[0].stride = (1, 1)
        block.stride, block.dilation = 1, reached
        dilation = reached
    return dilation


def _convolutions(block: nn.Module) -> Iterator[nn.Conv2d]:
    return (getattr(block, name) for name in ('conv1', 'conv2', 'conv3') if hasattr(block, name))


@MODELS.register_module()
class AtrousResNet(_AtrousStages, ResNet):
    """A ResNet for dense prediction that computes the classifier's function from the classifier's weights.

    Sampled at every ``32 / output_stride``-th position of each axis, its feature map is the one of a ResNet with
    strides (1, 2, 2, 2), up to rounding, and so is what a classifier does with a trunk that was trained here.
    MMSegmentation's own ResNet dilates the first convolution of a basic block only, and the first block of a stage like
    those after it: at stride 8 it computes another function. The names of the tensors are the same in both.

    Args:
        output_stride (int): Pixels of the image between neighbouring positions of the last feature map: 8, 16 or 32.
            Defaults to 8.
        **kwargs: Of :class:`mmseg.models.backbones.ResNet`, of which ``strides`` are those of the classifier.

    Raises:
        UserError: For another output stride, or settings with which the strides cannot be traded for dilations.
    """


@MODELS.register_module()
class AtrousResNeXt(_AtrousStages, ResNeXt):
    """A ResNeXt likewise.

    Args:
        output_stride (int): As of :class:`AtrousResNet`.
        **kwargs: Of :class:`mmseg.models.backbones.ResNeXt`.

    Raises:
        UserError: As :class:`AtrousResNet`.
    """
