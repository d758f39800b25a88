"""A backbone of MMPretrain on both sides: a classifier's own, or ConvNeXt and PoolFormer inside a segmentor."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sdp_plugin.conversion.key_map import EXACT, KeyMap
from sdp_plugin.conversion.key_maps.swin import unread_norms
from sdp_plugin.conversion.rules import SAME_NAMES, Rule
from sdp_plugin.conversion.trunks import Trunk, default_settings


def same_class(source: Trunk) -> KeyMap:
    """The key map from a backbone to the same class, of which a classifier reads the last stage only."""
    settings = source.complete_settings()
    indices = settings.get('out_indices')
    by_stage = isinstance(indices, Sequence)
    named = {*default_settings(source.scope, source.name), *source.settings} - {'out_indices'}
    return KeyMap(
        source=source.kind,
        target=source.kind,
        rules=_rules if by_stage else (SAME_NAMES,),
        verdict=EXACT,
        same_settings=tuple(sorted(named)),
        choices={'out_indices': (indices[-1],)} if by_stage else {},
        ignored_settings=('out_indices',),
        stages=_stages if by_stage else lambda trunk: {},
        input_size=None if 'img_size' in settings else 64,
    )


def _rules(source: Trunk, target: Trunk) -> tuple[Rule, ...]:
    return (*unread_norms(source, target), SAME_NAMES)


def _stages(source: Trunk) -> dict[str, Any]:
    return {'out_indices': source.complete_settings()['out_indices']}
