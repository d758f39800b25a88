"""Names of the tensors of vision transformers: whose they are, and those of transformers as timm has them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

import torch
from torch import Tensor

from sdp_plugin.errors import shortened

SIGNS = {
    'timm': 'blocks.0.attn.qkv.weight',
    'transformers': 'encoder.layer.0.attention.attention.query.weight',
    "DINO's training code, with teacher and student": 'teacher.backbone.cls_token',
    'MMPretrain': 'backbone.layers.0.attn.qkv.weight',
    'open_clip': 'visual.trunk.blocks.0.attn.qkv.weight',
    "torchvision's or timm's ResNet": 'layer1.0.conv1.weight',
}
"""By whose names they are, a tensor that such files have."""


def origin_of(names: Mapping[str, Tensor]) -> str | None:
    """Whose names the tensors have, as far as is known."""
    return next((layout for layout, sign in SIGNS.items() if sign in names), None)


def described(tensors: Mapping[str, Tensor], origin: str | None) -> str:
    """A file in words: whose names its tensors have, depth and width."""
    numbers = [int(found[1]) for name in tensors if (found := re.search(r'(?:blocks|layer|layers)\.(\d+)\.', name))]
    widths = [tensor.shape[-1] for name, tensor in tensors.items() if name.endswith('cls_token')]
    parts = [origin or f'nothing that is known ({shortened(list(tensors), 3)})']
    parts += [f'{max(numbers) + 1} blocks'] if numbers else []
    parts += [f'width {widths[0]}'] if widths else []
    return ', '.join(parts)


RENAMED = (
    (r'embeddings\.cls_token', 'cls_token'),
    (r'embeddings\.register_tokens', 'reg_token'),
    (r'embeddings\.position_embeddings', 'pos_embed'),
    (r'embeddings\.patch_embeddings\.projection\.(\w+)', r'patch_embed.proj.\1'),
    (r'encoder\.layer\.(\d+)\.(?:norm1|layernorm_before)\.(\w+)', r'blocks.\1.norm1.\2'),
    (r'encoder\.layer\.(\d+)\.(?:norm2|layernorm_after)\.(\w+)', r'blocks.\1.norm2.\2'),
    (r'encoder\.layer\.(\d+)\.attention\.attention\.(query|key|value)\.(\w+)', r'blocks.\1.attn.qkv.\3'),
    (r'encoder\.layer\.(\d+)\.attention\.output\.dense\.(\w+)', r'blocks.\1.attn.proj.\2'),
    (r'encoder\.layer\.(\d+)\.(?:mlp\.fc1|mlp\.weights_in|intermediate\.dense)\.(\w+)', r'blocks.\1.mlp.fc1.\2'),
    (r'encoder\.layer\.(\d+)\.(?:mlp\.fc2|mlp\.weights_out|output\.dense)\.(\w+)', r'blocks.\1.mlp.fc2.\2'),
    (r'encoder\.layer\.(\d+)\.layer_scale([12])\.lambda1', r'blocks.\1.ls\2.gamma'),
    (r'layernorm\.(\w+)', r'norm.\1'),
)
"""Names of transformers' ViT and DINOv2 (with registers), and timm's. Both pack a SwiGLU's gate first."""


def renamed(tensors: Mapping[str, Tensor], splits_position: bool) -> Iterator[tuple[str, Tensor]]:
    """Tensors of transformers' ViT or DINOv2 under timm's names; what has none keeps its own.

    Args:
        tensors (Mapping[str, Tensor]): By the names of transformers, also behind ``vit.`` or ``dinov2.``.
        splits_position (bool): Whether the model adds no position to its class token (``no_embed_class``), as timm's
            with registers. That of the class token is then added to the token itself, which is the same sum.
    """
    named: dict[str, Tensor] = {}
    packed: dict[str, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        plain = re.sub(r'^(?:vit|dinov2|dinov2_with_registers|model)\.', '', name)
        pattern, target = next(((p, t) for p, t in RENAMED if re.fullmatch(p, plain)), (None, None))
        if pattern is None:
            named[name] = tensor
        elif '.qkv.' in target:
            found = re.fullmatch(pattern, plain)
            packed.setdefault(found.expand(target), {})[found[2]] = tensor
        else:
            named[re.sub(pattern, target, plain)] = tensor
    for name, parts in packed.items():
        if set(parts) == {'query', 'key', 'value'}:
            named[name] = torch.cat([parts[part] for part in ('query', 'key', 'value')])
        else:
            named |= {f'{name} ({part})': tensor for part, tensor in parts.items()}
    if splits_position and {'pos_embed', 'cls_token'} <= set(named):
        named['cls_token'] = named['cls_token'] + named['pos_embed'][:, :1]
        named['pos_embed'] = named['pos_embed'][:, 1:]
    yield from named.items()
