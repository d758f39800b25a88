"""Checkpoints without a config: what the names and shapes of their tensors say, and what they leave open."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from sdp_plugin.conversion.trunks import Trunk
from sdp_plugin.errors import UserError

DEPTHS = {
    (False, (2, 2, 2, 2)): 18,
    (False, (3, 4, 6, 3)): 34,
    (True, (3, 4, 6, 3)): 50,
    (True, (3, 4, 23, 3)): 101,
    (True, (3, 8, 36, 3)): 152,
}
"""By whether blocks have three convolutions, and how many blocks each stage has."""

WRAPPERS = ('module.', '_orig_mod.')
"""What DataParallel and ``torch.compile`` put before each name."""

COUNTERS = '.num_batches_tracked'
"""Ends the names of tensors that checkpoints from before PyTorch 0.4.1 lack."""


@dataclass(frozen=True)
class Layout:
    """A way of naming the tensors of a ResNet.

    Args:
        name (str): Whose it is, as it is reported.
        kind (str): The class that computes the function, with its scope.
        prefix (str): What precedes the trunk's names.
        head (str): What precedes the head's.
    """

    name: str
    kind: str
    prefix: str
    head: str


LAYOUTS = (
    Layout('torchvision or timm', 'sdp_plugin.TorchvisionResNet', '', 'fc.'),
    Layout("MMPretrain's zoo", 'mmpretrain.ResNet', 'backbone.', 'head.'),
)

# What a file holds, by tensors that all of its kind have. The first that fits is named.
OTHERS = {
    'a ResNet with a stem of three convolutions (ResNet-C, -D or -T of timm, such as resnet50d)': (
        'conv1.0.weight', 'layer1.0.conv1.weight',
    ),
    'a ResNet with squeeze-and-excitation or another attention (seresnet50 of timm and the like)': (
        'conv1.weight', 'layer1.0.se.*',
    ),
    "MoCo's two encoders": ('encoder_q.*', 'encoder_k.*'),
    'a ResNet before activation (ResNetV2, BiT)': ('stem.conv.weight', 'stages.0.blocks.0.norm1.weight'),
    'an HRNet of timm or of its authors': ('conv1.weight', 'stage2.0.branches.*'),
    "a Swin Transformer of timm or of its authors (MMPretrain's has other names)": (
        'patch_embed.proj.weight', 'layers.0.blocks.0.attn.relative_position_bias_table',
    ),
    'a vision transformer of timm or of its authors (ViT, DeiT, BEiT, EVA, DINO)': (
        'patch_embed.proj.weight', 'blocks.0.attn.*',
    ),
    'a pyramid vision transformer (PVT)': ('patch_embed.proj.weight', 'stages.0.blocks.0.attn.*'),
    'a ConvNeXt of timm': ('stem.0.weight', 'stages.0.blocks.0.conv_dw.weight'),
    'a ConvNeXt of its authors': ('downsample_layers.0.0.weight', 'stages.0.0.dwconv.weight'),
    'an EfficientNet or MobileNetV3 of timm': ('conv_stem.weight', 'blocks.0.0.*'),
    'a RegNet of timm': ('stem.conv.weight', 's1.b1.*'),
    'a DenseNet': ('features.denseblock1.*',),
    'a VGG, AlexNet, MobileNet or ConvNeXt of torchvision': ('features.0.*',),
    'a model of Hugging Face transformers': ('*embeddings.*', '*encoder.layer*'),
    'a ResNet of Hugging Face transformers': ('*embedder.embedder.convolution.weight',),
    'the two towers of a CLIP model': ('visual.*', 'logit_scale'),
}  # fmt: skip


def unwrapped(tensors: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], str]:
    """The tensors without what a wrapper put before all of their names, and that prefix."""
    prefix = ''
    while found := next((one for one in WRAPPERS if all(name.startswith(one) for name in tensors)), ''):
        tensors = {name.removeprefix(found): tensor for name, tensor in tensors.items()}
        prefix += found
    return dict(tensors), prefix


def recognised(tensors: Mapping[str, Tensor]) -> tuple[Layout, Trunk] | None:
    """The layout and the trunk that all names and shapes belong to, or None if they are no plain ResNet's.

    They leave open which of several networks computes with them: see :mod:`sdp_plugin.conversion.architectures`.
    """
    for layout in LAYOUTS:
        state = {
            name.removeprefix(layout.prefix): tensor
            for name, tensor in tensors.items()
            if name.startswith(layout.prefix) and not name.startswith(layout.head)
        }
        depth = _depth(state)
        # A segmentor's trunk has these names too, but not its strides and dilations: it needs its config.
        whole = all(name.startswith((layout.prefix, layout.head)) for name in tensors)
        if whole and depth and shapes_of(state) == _plain_shapes(depth):
            return layout, Trunk(*layout.kind.split('.'), {'depth': depth})
    return None


def check_is_told_apart(tensors: Mapping[str, Tensor]) -> None:
    """Say of a file without a config what it holds, where that is known and nothing converts it.

    Raises:
        UserError: If it is another library's network, or the bare trunk of an OpenMMLab model.
    """
    if all(name.startswith('backbone.') for name in tensors):
        raise UserError(
            'The file holds the trunk of a segmentor or of a classifier, and does not say which.',
            looked_for="its config in meta['cfg'], or a name for it",
            found=f'{len(tensors)} tensors under backbone.',
            remedy='name the config that it was trained with (--config); for the plain ResNet of a classifier, '
            '--architecture resnet50, or the like, will do',
        )
    kind = next((kind for kind, marks in OTHERS.items() if all(_has(tensors, mark) for mark in marks)), None)
    if kind is None and 'layer1.0.conv1.weight' in tensors and 'conv1.weight' in tensors:
        kind = f'a ResNet that is not a plain one: {_what_is_other(tensors)}'
    if kind is None:
        return
    raise UserError(
        f'The file holds {kind}. There are no rules that convert one.',
        looked_for='a checkpoint of MMSegmentation or MMPretrain, or a plain ResNet of torchvision or timm',
        found=f'tensors named {", ".join(list(tensors)[:4])}, ...',
        remedy="let timm's own class run in the classifier, where timm has the model: "
        "backbone=dict(type='sdp_plugin.TimmBackbone', model=...)",
    )


def _has(tensors: Mapping[str, Tensor], mark: str) -> bool:
    if '*' not in mark:
        return mark in tensors
    pattern = re.compile('.*'.join(map(re.escape, mark.split('*'))))
    return any(pattern.fullmatch(name) for name in tensors)


def _what_is_other(tensors: Mapping[str, Tensor]) -> str:
    ours = shapes_of({name: tensor for name, tensor in tensors.items() if not name.startswith('fc.')})
    depth = _depth(tensors)
    if not depth:
        return 'its blocks are those of none of the depths 18, 34, 50, 101 and 152'
    plain = _plain_shapes(depth)
    for what, names in (
        ('it has', ours.keys() - plain.keys()),
        ('it lacks', plain.keys() - ours.keys()),
        ('it has another shape of', {name for name in ours if ours[name] != plain.get(name)}),
    ):
        if names:
            return f'{what} {min(names)}' + (f' and {len(names) - 1} more' if len(names) > 1 else '')
    return 'its head is not one layer named fc'


def _depth(names: Iterable[str]) -> int | None:
    names = set(names)
    blocks = {found.groups() for found in map(re.compile(r'layer(\d)\.(\d+)\.').match, names) if found}
    count = Counter(stage for stage, _ in blocks)
    return DEPTHS.get(('layer1.0.conv3.weight' in names, tuple(count[str(stage)] for stage in range(1, 5))))


def shapes_of(state: Mapping[str, Tensor]) -> dict[str, tuple[int, ...]]:
    """The shapes of tensors by name, without counters of batches."""
    return {name: tuple(tensor.shape) for name, tensor in state.items() if not name.endswith(COUNTERS)}


def _plain_shapes(depth: int) -> dict[str, tuple[int, ...]]:
    with torch.device('meta'):
        return shapes_of(Trunk('sdp_plugin', 'TorchvisionResNet', {'depth': depth}).build().state_dict())
