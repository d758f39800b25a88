"""The key maps, and which of them serves a pair of architectures."""

from __future__ import annotations

from sdp_plugin.conversion.key_map import KeyMap
from sdp_plugin.conversion.key_maps import hrnet, mobilenet, resnet, swin, torchvision, twins, vit
from sdp_plugin.conversion.key_maps.adapter import adapter_map, wrapped
from sdp_plugin.conversion.key_maps.same_class import same_class
from sdp_plugin.conversion.trunks import ADAPTER, Trunk
from sdp_plugin.errors import UserError

KEY_MAPS: tuple[KeyMap, ...] = (
    *resnet.KEY_MAPS, *mobilenet.KEY_MAPS, *hrnet.KEY_MAPS, *swin.KEY_MAPS, *vit.KEY_MAPS, *twins.KEY_MAPS,
    *torchvision.KEY_MAPS,
)  # fmt: skip


def key_map_for(source: Trunk, target: Trunk | None = None) -> KeyMap:
    """The key map between two backbones.

    Args:
        source: The source.
        target: The target, or None for the backbone of a classifier that serves the source best: the counterpart in
            MMPretrain where it computes the same function, else the adapter.

    Raises:
        UserError: If there is none.
    """
    if target is None:
        return _best_for(source)
    for key_map in KEY_MAPS:
        if (key_map.source, key_map.target) == (source.kind, target.kind):
            return key_map
        if (key_map.target, key_map.source) == (source.kind, target.kind):
            return key_map.reversed()
    if target.kind == ADAPTER and source.is_of_segmentor:
        return adapter_map(source)
    if source.kind == ADAPTER and target.kind == wrapped(source).kind:
        return adapter_map(target).reversed()
    if source.kind == target.kind:
        return same_class(source)
    raise UserError(
        'There is no key map for this conversion.',
        looked_for='one of: ' + ', '.join(key_map.name for key_map in KEY_MAPS) + f', or {ADAPTER} around the source',
        found=f'{source.kind} -> {target.kind}',
        remedy='choose a target that has one, or add one to sdp_plugin/conversion/key_maps',
    )


def _best_for(source: Trunk) -> KeyMap:
    counterparts = [key_map for key_map in KEY_MAPS if key_map.source == source.kind]
    same_function = [key_map for key_map in counterparts if key_map.verdict.tolerance is not None]
    if same_function:
        return same_function[0]
    return adapter_map(source) if source.is_of_segmentor else same_class(source)
