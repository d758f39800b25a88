"""Twins PCPVT and SVT: one projection of MMSegmentation is two in MMPretrain."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sdp_plugin.conversion.key_map import LAST_STAGE, KeyMap, equivalent
from sdp_plugin.conversion.rules import SAME_NAMES, Rename, Rule, Split, ZeroFill
from sdp_plugin.conversion.trunks import Trunk

_ARCHITECTURE = ('embed_dims', 'depths', 'num_heads', 'patch_sizes', 'strides', 'mlp_ratios', 'sr_ratios')

GLOBAL_ATTENTION = (
    Split(
        'layers.{i}.{j}.attn.attn.in_proj_{p}',
        ('stages.{i}.{j}.attn.q.{p}', 'stages.{i}.{j}.attn.kv.{p}'),
        parts=(1, 2),
    ),
    Rename('layers.{i}.{j}.attn.attn.out_proj.{p}', 'stages.{i}.{j}.attn.proj.{p}'),
    Rename('layers.{name*}', 'stages.{name*}'),
    Rename('norm_list.{i}.{p}', 'norm_after_stage{i}.{p}'),
    SAME_NAMES,
)
OUTPUT_BIAS = ZeroFill(
    'stages.{i}.{j}.attn.proj.bias', 'without biases on its inputs, attention has none on its output in MMSegmentation'
)


def pcpvt_rules(source: Trunk, target: Trunk) -> tuple[Rule, ...]:
    """Every block attends globally."""
    bias = () if source.complete_settings()['qkv_bias'] else (OUTPUT_BIAS,)
    return (*bias, *GLOBAL_ATTENTION)


def svt_rules(source: Trunk, target: Trunk) -> tuple[Rule, ...]:
    """Blocks attend locally and globally in turn; a local one has the same parts in both libraries."""
    local = tuple(
        Rename(f'layers.{stage}.{block}.{{name*}}', f'stages.{stage}.{block}.{{name*}}')
        for stage, depth in enumerate(source.complete_settings()['depths'])
        for block in range(0, depth, 2)
    )
    return (*local, *pcpvt_rules(source, target))


def architecture(source: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture, in MMPretrain's one dictionary."""
    return {'arch': {name: list(source[name]) for name in _ARCHITECTURE}}


def svt_architecture(source: Mapping[str, Any]) -> dict[str, Any]:
    """The same with windows, whose name MMSegmentation misspells."""
    return {'arch': {**architecture(source)['arch'], 'window_sizes': list(source['windiow_sizes'])}}


def stages(source: Trunk) -> dict[str, Any]:
    """Every stage."""
    return {'out_indices': tuple(range(len(source.complete_settings()['depths'])))}


PCPVT = KeyMap(
    source='mmseg.PCPVT',
    target='mmpretrain.PCPVT',
    rules=pcpvt_rules,
    verdict=equivalent(1e-4, 'attention is computed by another routine'),
    same_settings=('in_channels', 'qkv_bias', 'norm_cfg', 'norm_after_stage'),
    derived_settings=architecture,
    choices={'out_indices': LAST_STAGE},
    ignored_settings=('out_indices', 'drop_rate', 'attn_drop_rate', 'drop_path_rate'),
    stages=stages,
)
SVT = replace(PCPVT, source='mmseg.SVT', target='mmpretrain.SVT', rules=svt_rules, derived_settings=svt_architecture)

KEY_MAPS = (PCPVT, SVT)
