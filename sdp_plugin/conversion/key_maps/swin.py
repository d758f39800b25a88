"""Swin: the same names; exact once MMPretrain pads feature maps that are smaller than a window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sdp_plugin.conversion.key_map import AS_TRAINED, EXACT, LAST_STAGE, KeyMap
from sdp_plugin.conversion.resize import PositionTable
from sdp_plugin.conversion.rules import SAME_NAMES, Drop, Fresh, Recompute, Rule
from sdp_plugin.conversion.trunks import Trunk

UNREAD_NORM = 'the norm of a stage that the classifier does not read'


def rules(source: Trunk, target: Trunk) -> tuple[Rule, ...]:
    """All names stay; the norms of stages that the classifier does not return are left out."""
    return (
        Recompute('{name*}.relative_position_index', 'follows from the window size'),
        *unread_norms(source, target),
        SAME_NAMES,
    )


def unread_norms(source: Trunk, target: Trunk) -> tuple[Rule, ...]:
    """Drop ``norm<i>`` for each stage that the source returns and the target does not; fresh the other way round."""
    written, read = (set(trunk.complete_settings()['out_indices']) for trunk in (source, target))
    return (
        *(Drop(f'norm{stage}.{{p}}', UNREAD_NORM) for stage in sorted(written - read)),
        *(Fresh(f'norm{stage}.{{p}}', UNREAD_NORM) for stage in sorted(read - written)),
    )


def settings(source: Mapping[str, Any]) -> dict[str, Any]:
    """The architecture, in MMPretrain's one dictionary."""
    derived = {
        'arch': {name: list(source[name]) if name != 'embed_dims' else source[name] for name in _ARCHITECTURE},
        'pad_small_map': True,
    }
    return derived | ({'img_size': source['pretrain_img_size']} if source['use_abs_pos_embed'] else {})


_ARCHITECTURE = ('embed_dims', 'depths', 'num_heads')

SWIN = KeyMap(
    source='mmseg.SwinTransformer',
    target='mmpretrain.SwinTransformer',
    rules=rules,
    verdict=EXACT,
    same_settings=('in_channels', 'patch_size', 'use_abs_pos_embed', 'norm_cfg'),
    derived_settings=settings,
    geometry={'window_size': AS_TRAINED},
    choices={'out_indices': LAST_STAGE},
    ignored_settings=(
        'out_indices', 'drop_rate', 'attn_drop_rate', 'drop_path_rate', 'pretrain_img_size'
    ),
    stages=lambda source: {'out_indices': tuple(range(len(source.complete_settings()['depths'])))},
    position_tables=(PositionTable('{name*}.relative_position_bias_table', dimension=0),),
)  # fmt: skip

KEY_MAPS = (SWIN,)
