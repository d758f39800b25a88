"""Small segmentors and classifiers, as checkpoints of a training would hold them."""

from __future__ import annotations

import torch
from mmengine.config import Config
from torch import nn

from sdp_plugin.conversion.trunks import trunk_from_config

SMALL_RESNET = {'type': 'ResNet', 'depth': 18, 'stem_channels': 8, 'base_channels': 8, 'norm_cfg': {'type': 'SyncBN'}}
STRIDE_8 = {'strides': (1, 2, 1, 1), 'dilations': (1, 1, 2, 4)}
PREPROCESSOR = {'mean': [123.675, 116.28, 103.53], 'std': [58.395, 57.12, 57.375]}


def randomise(module: nn.Module, seed: int = 0) -> None:
    """Give every tensor of a model, batch-norm statistics included, a value of its own."""
    generator = torch.Generator().manual_seed(seed)
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            continue
        noise = torch.randn(tensor.shape, generator=generator)
        scale = 0.1 if tensor.dim() < 2 else tensor[0].numel() ** -0.5
        tensor.copy_(noise.abs() + 0.5 if name.endswith('running_var') else tensor.mean() + scale * noise)


def segmentor_config(backbone: dict) -> Config:
    model = {
        'type': 'EncoderDecoder',
        'data_preprocessor': {'type': 'SegDataPreProcessor', **PREPROCESSOR, 'bgr_to_rgb': True},
        'backbone': backbone,
        'decode_head': {'type': 'FCNHead'},
    }
    return Config({'default_scope': 'mmseg', 'model': model})


def classifier_config(backbone: dict) -> Config:
    return Config(
        {
            'default_scope': 'mmpretrain',
            'data_preprocessor': {**PREPROCESSOR, 'to_rgb': True},
            'model': {'type': 'ImageClassifier', 'backbone': backbone, 'head': {'type': 'LinearClsHead'}},
        }
    )


def checkpoint_of(config: Config, scope: str, head: str) -> dict:
    trunk = trunk_from_config(config.model.backbone, scope).build()
    randomise(trunk)
    tensors = {f'backbone.{name}': tensor for name, tensor in trunk.state_dict().items()}
    return {
        'meta': {'cfg': config.pretty_text, 'dataset_meta': {'classes': ('background', 'cat')}},
        'state_dict': tensors | {f'{head}.weight': torch.ones(2, 64), f'{head}.bias': torch.ones(2)},
    }
