"""The folders of the colorectal tiles of Kather et al. (2016), and what their names tell."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from sdp_plugin.catalogue.cards import CRC
from sdp_plugin.errors import UserError

CLASS_FOLDERS = tuple(f'{number:02}_{name}' for number, name in enumerate(CRC.classes, start=1))
GROUP_PATTERNS: Mapping[str, str | None] = MappingProxyType({'none': None, 'source_image': r'CRC-Prim-HE-\d+'})


def group_pattern(group_by: str) -> str | None:
    """The regular expression that finds what must not be split between folds; None for ``'none'``.

    Raises:
        UserError: There is no such way to group.
    """
    if group_by not in GROUP_PATTERNS:
        raise UserError('Unknown group_by.', looked_for=', '.join(GROUP_PATTERNS), found=repr(group_by))
    return GROUP_PATTERNS[group_by]
