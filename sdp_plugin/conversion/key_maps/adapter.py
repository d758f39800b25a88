"""Any backbone of MMSegmentation inside the adapter: the same class, hence the same function."""

from __future__ import annotations

from dataclasses import dataclass

from sdp_plugin.conversion.key_map import EXACT, KeyMap, raise_other_architecture, same
from sdp_plugin.conversion.rules import Rename
from sdp_plugin.conversion.trunks import ADAPTER, Trunk, trunk_from_config

_FREE = ('strides', 'dilations', 'contract_dilation', 'multi_grid', 'out_indices', 'drop_path_rate', 'drop_rate')


def wrapped(adapter: Trunk) -> Trunk:
    """The backbone inside an adapter."""
    return trunk_from_config(adapter.settings['backbone'], 'mmseg')


@dataclass(frozen=True)
class AdapterMap(KeyMap):
    """From a backbone of MMSegmentation to the adapter around it."""

    def target_for(self, source: Trunk) -> Trunk:
        """The adapter around the source, with the source's strides and dilations."""
        scope, _, name = ADAPTER.rpartition('.')
        return Trunk(scope, name, {'backbone': source.config})

    def check_target(self, source: Trunk, target: Trunk) -> None:
        """Check that the adapter wraps the same class with the same settings, apart from its strides."""
        inner = wrapped(target)
        ours, theirs = source.complete_settings(), inner.complete_settings()
        differing = [
            f'{name}: {ours.get(name)} in the segmentor, {theirs.get(name)} in the adapter'
            for name in sorted({*ours, *theirs} - {*_FREE})
            if not same(ours.get(name), theirs.get(name))
        ]
        if inner.kind != source.kind:
            differing = [f'type: {source.kind} in the segmentor, {inner.kind} in the adapter']
        if differing:
            raise_other_architecture(source, target, differing)

    def _comparable(self, source: Trunk, target: Trunk, decisive: Trunk) -> tuple[Trunk, Trunk]:
        return wrapped(target), target


def adapter_map(source: Trunk) -> AdapterMap:
    """The key map from a backbone of MMSegmentation into the adapter."""
    return AdapterMap(source=source.kind, target=ADAPTER, rules=(Rename('{name*}', 'trunk.{name*}'),), verdict=EXACT)
