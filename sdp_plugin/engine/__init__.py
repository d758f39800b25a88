"""Hooks that the ``sdp_plugin`` scope adds, and what the command-line tools need to run a config."""

from sdp_plugin.engine.hooks import InitialisationHook, ModelCardHook
from sdp_plugin.engine.progress import ProgressLineHook

__all__ = ['InitialisationHook', 'ModelCardHook', 'ProgressLineHook']
