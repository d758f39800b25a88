"""Plain vision transformers: ViT and DeiT, BEiT, MAE."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sdp_plugin.conversion.key_map import AS_TRAINED, EXACT, KeyMap, equivalent
from sdp_plugin.conversion.resize import PositionTable
from sdp_plugin.conversion.rules import SAME_NAMES, Recompute, Rename, Rule, ZeroFill
from sdp_plugin.conversion.trunks import Trunk

_NOT_COMPUTING = ('out_indices', 'drop_rate', 'attn_drop_rate', 'drop_path_rate', 'interpolate_mode', 'frozen_exclude')


def architecture(source: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture, in MMPretrain's one dictionary."""
    arch = {name: source[name] for name in ('embed_dims', 'num_layers', 'num_heads')}
    return {'arch': {**arch, 'feedforward_channels': int(source['mlp_ratio'] * source['embed_dims'])}}


def every_layer(source: Trunk) -> dict[str, Any]:
    """The output of every layer, as a map."""
    return {'out_indices': tuple(range(source.complete_settings()['num_layers']))}


def rules(source: Trunk, target: Trunk) -> tuple[Rule, ...]:
    """The projections of attention by another name, and a bias that MMSegmentation's patches usually lack."""
    bias = () if source.complete_settings()['patch_bias'] else (PATCH_BIAS,)
    return (*bias, *PROJECTIONS, SAME_NAMES)


PATCH_BIAS = ZeroFill('patch_embed.projection.bias', "MMSegmentation's patch embedding has no bias")
PROJECTIONS = (
    Rename('layers.{i}.attn.attn.in_proj_{p}', 'layers.{i}.attn.qkv.{p}'),
    Rename('layers.{i}.attn.attn.out_proj.{p}', 'layers.{i}.attn.proj.{p}'),
)

VIT = KeyMap(
    source='mmseg.VisionTransformer',
    target='mmpretrain.VisionTransformer',
    rules=rules,
    verdict=equivalent(1e-4, 'attention is computed by another routine'),
    same_settings=('patch_size', 'in_channels', 'norm_cfg', 'qkv_bias', 'with_cls_token', 'final_norm', 'pre_norm'),
    derived_settings=architecture,
    geometry={'img_size': AS_TRAINED},
    choices={'out_type': 'featmap'},
    ignored_settings=(*_NOT_COMPUTING, 'patch_bias', 'output_cls_token'),
    stages=every_layer,
    target_stages={'out_type': 'featmap'},
    position_tables=(PositionTable('pos_embed', dimension=1, before=1),),
    input_size=None,
)
BEIT = KeyMap(
    source='mmseg.BEiT',
    target='mmpretrain.BEiTViT',
    rules=(Recompute('{name*}.relative_position_index', 'follows from the image size'), SAME_NAMES),
    verdict=EXACT,
    same_settings=('patch_size', 'in_channels', 'norm_cfg', 'final_norm'),
    renamed_settings={'init_values': 'layer_scale_init_value'},
    derived_settings=lambda source: {
        **architecture(source),
        'bias': 'qv_bias' if source['qv_bias'] else False,
    },
    geometry={'img_size': AS_TRAINED},
    choices={'out_type': 'featmap'},
    ignored_settings=_NOT_COMPUTING,
    stages=every_layer,
    target_stages={'out_type': 'featmap'},
    position_tables=(PositionTable('{name*}.relative_position_bias_table', dimension=0, after=3),),
    input_size=None,
)
MAE = replace(
    BEIT,
    source='mmseg.MAE',
    derived_settings=lambda source: {**architecture(source), 'bias': True, 'use_abs_pos_emb': True},
    position_tables=(*BEIT.position_tables, PositionTable('pos_embed', dimension=1, before=1)),
)

KEY_MAPS = (VIT, BEIT, MAE)
