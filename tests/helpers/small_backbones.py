"""Every backbone of MMSegmentation, as small as its class allows: settings, and how a classifier gets its weights."""

from __future__ import annotations

from dataclasses import dataclass

_BN = {'type': 'BN'}
_HRNET = {
    f'stage{stage}': {
        'num_modules': 1,
        'num_branches': stage,
        'block': 'BOTTLENECK' if stage == 1 else 'BASIC',
        'num_blocks': (1,) * stage,
        'num_channels': tuple(8 * 2**branch for branch in range(stage)),
    }
    for stage in range(1, 5)
}
_STDC = {
    'stdc_type': 'STDCNet1', 'in_channels': 3, 'channels': (8, 16, 32, 64, 128), 'bottleneck_type': 'cat',
    'norm_cfg': _BN, 'act_cfg': {'type': 'ReLU'}, 'num_convs': 4,
}  # fmt: skip
_VIT = {'img_size': 64, 'embed_dims': 32, 'num_layers': 2, 'num_heads': 2}
_ATROUS = {'stem_channels': 8, 'base_channels': 8}
_RESNET = {**_ATROUS, 'strides': (1, 2, 1, 1), 'dilations': (1, 1, 2, 4)}
_TWINS = {
    'embed_dims': [16, 32, 64, 128], 'depths': [1, 2, 1, 1], 'num_heads': [1, 2, 4, 8], 'mlp_ratios': [2, 2, 2, 2],
    'sr_ratios': [8, 4, 2, 1], 'patch_sizes': [4, 2, 2, 2], 'strides': [4, 2, 2, 2],
}  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """A backbone of a segmentor and what becomes of it.

    Args:
        kind (str): The class with its scope.
        settings (dict): Its settings.
        verdict (str): The verdict on the default target.
        target (str): The class of the default target.
        direct (str): The class of MMPretrain that takes the weights only, if there is one.
    """

    kind: str
    settings: dict
    verdict: str = 'exact'
    target: str = 'sdp_plugin.SegmentationBackbone'
    direct: str = ''


PAIRS = {
    'ResNet-18': Pair('mmseg.ResNet', {'depth': 18, **_RESNET}, target='mmpretrain.ResNet'),
    'ResNet-50': Pair('mmseg.ResNet', {'depth': 50, **_RESNET}, target='mmpretrain.ResNet'),
    'À-trous ResNet-18': Pair('sdp_plugin.AtrousResNet', {'depth': 18, **_ATROUS}, target='mmpretrain.ResNet'),
    'À-trous ResNeXt': Pair(
        'sdp_plugin.AtrousResNeXt',
        {'depth': 50, 'groups': 8, 'base_width': 8, **_ATROUS},
        target='mmpretrain.ResNeXt',
    ),
    'ResNet-18 with a deep stem': Pair(
        'mmseg.ResNet', {'depth': 18, 'deep_stem': True, 'avg_down': True, **_RESNET}, target='mmpretrain.ResNet'
    ),
    'ResNetV1c': Pair('mmseg.ResNetV1c', {'depth': 50, **_RESNET}, target='mmpretrain.ResNetV1c'),
    'ResNetV1c, contracted dilation': Pair(
        'mmseg.ResNetV1c', {'depth': 18, 'contract_dilation': True, **_RESNET}, target='mmpretrain.ResNetV1c'
    ),
    'ResNetV1d': Pair('mmseg.ResNetV1d', {'depth': 50, **_RESNET}, target='mmpretrain.ResNetV1d'),
    'ResNeXt': Pair(
        'mmseg.ResNeXt', {'depth': 50, 'groups': 8, 'base_width': 8, **_RESNET}, target='mmpretrain.ResNeXt'
    ),
    'ResNeSt': Pair('mmseg.ResNeSt', {'depth': 50, 'radix': 2, **_RESNET}, target='mmpretrain.ResNeSt'),
    'MobileNetV2': Pair(
        'mmseg.MobileNetV2',
        {'widen_factor': 0.25, 'strides': (1, 2, 2, 1, 1, 1, 1), 'dilations': (1, 1, 1, 2, 2, 4, 4)},
        target='mmpretrain.MobileNetV2',
    ),
    'Swin': Pair(
        'mmseg.SwinTransformer',
        {'embed_dims': 16, 'depths': (1, 2, 1, 1), 'num_heads': (1, 2, 4, 8), 'window_size': 4},
        target='mmpretrain.SwinTransformer',
    ),
    'ViT': Pair('mmseg.VisionTransformer', _VIT, 'equivalent', 'mmpretrain.VisionTransformer'),
    'ViT with a final norm': Pair(
        'mmseg.VisionTransformer',
        {**_VIT, 'final_norm': True, 'norm_cfg': {'type': 'LN', 'eps': 1e-6}, 'out_indices': (0, 1)},
        'equivalent',
        'mmpretrain.VisionTransformer',
    ),
    'BEiT': Pair('mmseg.BEiT', {**_VIT, 'norm_cfg': {'type': 'LN', 'eps': 1e-6}}, target='mmpretrain.BEiTViT'),
    'MAE': Pair('mmseg.MAE', {**_VIT, 'init_values': 1.0}, target='mmpretrain.BEiTViT'),
    'PCPVT': Pair('mmseg.PCPVT', _TWINS, 'equivalent', 'mmpretrain.PCPVT'),
    'PCPVT with biases': Pair('mmseg.PCPVT', {**_TWINS, 'qkv_bias': True}, 'equivalent', 'mmpretrain.PCPVT'),
    'SVT': Pair('mmseg.SVT', {**_TWINS, 'windiow_sizes': [4, 4, 4, 4]}, 'equivalent', 'mmpretrain.SVT'),
    'ConvNeXt': Pair(
        'mmpretrain.ConvNeXt',
        {
            'arch': {'depths': [1, 2, 1, 1], 'channels': [8, 16, 32, 64]}, 'out_indices': [0, 1, 2, 3],
            'gap_before_final_norm': False, 'layer_scale_init_value': 1.0,
        },
        target='mmpretrain.ConvNeXt',
    ),
    'PoolFormer': Pair(
        'mmpretrain.PoolFormer',
        {
            'arch': {
                'layers': [1, 2, 1, 1], 'embed_dims': [8, 16, 32, 64], 'mlp_ratios': [2, 2, 2, 2],
                'layer_scale_init_value': 1e-5,
            },
            'out_indices': (0, 2, 4, 6),
        },
        target='mmpretrain.PoolFormer',
    ),
    'BiSeNetV1': Pair(
        'mmseg.BiSeNetV1',
        {'backbone_cfg': {'type': 'ResNet', 'depth': 18}},
        target='mmpretrain.ResNet',
    ),
    'ICNet': Pair(
        'mmseg.ICNet',
        {
            'backbone_cfg': {
                'type': 'ResNetV1c', 'depth': 50, 'out_indices': (0, 1, 2, 3), **_RESNET, 'stem_channels': 8,
            },
            'layer_channels': (64, 256),
        },
        target='mmpretrain.ResNetV1c',
    ),
    'HRNet': Pair('mmseg.HRNet', {'extra': _HRNET}, direct='mmpretrain.HRNet'),
    'MobileNetV3': Pair(
        'mmseg.MobileNetV3', {'arch': 'small', 'out_indices': (0, 1, 12)}, direct='mmpretrain.MobileNetV3'
    ),
    'MiT': Pair('mmseg.MixVisionTransformer', {'embed_dims': 8, 'num_layers': [1, 2, 1, 1]}),
    'MSCAN': Pair('mmseg.MSCAN', {'embed_dims': [8, 16, 32, 64], 'depths': [1, 1, 1, 1]}),
    'UNet': Pair('mmseg.UNet', {'base_channels': 4}),
    'STDC': Pair('mmseg.STDCNet', _STDC),
    'STDC with its context path': Pair(
        'mmseg.STDCContextPathNet',
        {
            'backbone_cfg': {'type': 'STDCNet', **_STDC}, 'last_in_channels': (128, 64), 'out_channels': 16,
            'ffm_cfg': {'in_channels': 48, 'out_channels': 32, 'scale_factor': 4},
        },
    ),
    'BiSeNetV2': Pair(
        'mmseg.BiSeNetV2',
        {'detail_channels': (8, 8, 16), 'semantic_channels': (4, 8, 16, 16), 'bga_channels': 16},
    ),
    'PIDNet': Pair('mmseg.PIDNet', {'channels': 16, 'ppm_channels': 16, 'num_stem_blocks': 2, 'num_branch_blocks': 2}),
    'DDRNet': Pair('mmseg.DDRNet', {'channels': 8, 'ppm_channels': 16}),
    'Fast-SCNN': Pair('mmseg.FastSCNN', {}),
    'CGNet': Pair('mmseg.CGNet', {'num_blocks': (1, 2)}),
    'ERFNet': Pair('mmseg.ERFNet', {}),
}  # fmt: skip
