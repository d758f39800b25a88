"""Scribble-supervised pre-training for digital pathology, as an OpenMMLab plugin."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mmengine.config import Config

__version__ = '0.1.0'


def get_config(name: str, options: Mapping[str, Any] | None = None) -> Config:
    """A config that comes with the plugin; see :func:`sdp_plugin.shipped.get_config`."""
    from sdp_plugin import shipped  # not at the top: reading a version needs no mmengine

    return shipped.get_config(name, options)
