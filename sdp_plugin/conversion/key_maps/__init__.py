"""The key maps, and which of them serves a pair of architectures."""

from __future__ import annotations

from sdp_plugin.conversion.key_map import KeyMap
from sdp_plugin.conversion.key_maps import resnet
from sdp_plugin.errors import UserError

KEY_MAPS: tuple[KeyMap, ...] = (*resnet.KEY_MAPS,)


def key_map_for(source: str, target: str | None = None) -> KeyMap:
    """The key map between two classes.

    Args:
        source: The source's class with its scope, such as ``mmseg.ResNet``.
        target: The target's, or None for the classifier's backbone that serves the source best.

    Raises:
        UserError: If there is none.
    """
    for key_map in KEY_MAPS:
        if key_map.source == source and target in (key_map.target, None):
            return key_map
    for key_map in KEY_MAPS:
        if (key_map.target, key_map.source) == (source, target):
            return key_map.reversed()
    raise UserError(
        'There is no key map for this conversion.',
        looked_for='one of: ' + ', '.join(key_map.name for key_map in KEY_MAPS),
        found=f'{source} -> {target or "a classifier"}',
        remedy='choose a backbone that has one, or add one to sdp_plugin/conversion/key_maps',
    )
