"""Any backbone of MMSegmentation inside the adapter: the same class, hence the same function."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sdp_plugin.conversion.key_map import EXACT, KeyMap, same
from sdp_plugin.conversion.rules import Rename
from sdp_plugin.conversion.trunks import ADAPTER, Trunk, trunk_from_config

_FREE = (
    'strides', 'dilations', 'contract_dilation', 'multi_grid', 'output_stride', 'out_indices', 'drop_path_rate',
    'drop_rate',
)  # fmt: skip


def wrapped(adapter: Trunk) -> Trunk:
    """The backbone inside an adapter."""
    return trunk_from_config(adapter.settings['backbone'], 'mmseg', adapter.is_of_file)


@dataclass(frozen=True)
class AdapterMap(KeyMap):
    """From a backbone of MMSegmentation to the adapter around it."""

    def target_for(self, source: Trunk) -> Trunk:
        """The adapter around the source, with the source's strides and dilations."""
        scope, _, name = ADAPTER.rpartition('.')
        return Trunk(scope, name, {'backbone': source.config}, source.is_of_file)

    def differing(self, source: Trunk, target: Trunk) -> list[tuple[str, Any, Any]]:
        """The settings in which the class inside the adapter differs, apart from its strides and dilations."""
        inner = wrapped(target)
        if inner.kind != source.kind:
            return [('type', source.kind, inner.kind)]
        ours, theirs = source.complete_settings(), inner.complete_settings()
        return [
            (name, ours.get(name), theirs.get(name))
            for name in sorted({*ours, *theirs} - {*_FREE})
            if not same(ours.get(name), theirs.get(name))
        ]

    def _comparable(self, source: Trunk, target: Trunk, decisive: Trunk) -> tuple[Trunk, Trunk]:
        return wrapped(target), target


def adapter_map(source: Trunk) -> AdapterMap:
    """The key map from a backbone of MMSegmentation into the adapter."""
    return AdapterMap(source=source.kind, target=ADAPTER, rules=(Rename('{name*}', 'trunk.{name*}'),), verdict=EXACT)
