"""Hooks that the ``sdp_plugin`` scope adds, and what the command-line tools need to run a config."""

from sdp_plugin.engine.acceleration import AutocastOptimWrapper, DeferredRuntimeInfoHook, PrepareModelHook
from sdp_plugin.engine.hooks import InitialisationHook, ModelCardHook
from sdp_plugin.engine.snapshots import PredictionSnapshotHook

__all__ = [
    'AutocastOptimWrapper',
    'DeferredRuntimeInfoHook',
    'InitialisationHook',
    'ModelCardHook',
    'PredictionSnapshotHook',
    'PrepareModelHook',
]
