"""Hooks and optimiser wrappers that the ``sdp_plugin`` scope adds."""

from sdp_plugin.engine.hooks.acceleration import AutocastOptimWrapper, DeferredRuntimeInfoHook, PrepareModelHook
from sdp_plugin.engine.hooks.checkpoints import TimedCheckpointHook
from sdp_plugin.engine.hooks.initialisation import InitialisationHook, ModelCardHook
from sdp_plugin.engine.hooks.progress import StepProgressHook
from sdp_plugin.engine.hooks.seeding import IterationSeedHook
from sdp_plugin.engine.hooks.snapshots import PredictionSnapshotHook
from sdp_plugin.engine.hooks.trunks import KeepTrunksHook

__all__ = [
    'AutocastOptimWrapper',
    'DeferredRuntimeInfoHook',
    'InitialisationHook',
    'IterationSeedHook',
    'KeepTrunksHook',
    'ModelCardHook',
    'PredictionSnapshotHook',
    'PrepareModelHook',
    'StepProgressHook',
    'TimedCheckpointHook',
]
