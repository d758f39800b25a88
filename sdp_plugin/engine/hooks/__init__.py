"""Hooks that the ``sdp_plugin`` scope adds."""

from sdp_plugin.engine.hooks.checkpoints import TimedCheckpointHook
from sdp_plugin.engine.hooks.divergence import DivergenceHook
from sdp_plugin.engine.hooks.initialisation import InitialisationHook, ModelCardHook
from sdp_plugin.engine.hooks.periodic_test import PeriodicTestHook
from sdp_plugin.engine.hooks.prepare_model import PrepareModelHook
from sdp_plugin.engine.hooks.runtime_info import DeferredRuntimeInfoHook
from sdp_plugin.engine.hooks.seeding import IterationSeedHook
from sdp_plugin.engine.hooks.snapshots import PredictionSnapshotHook
from sdp_plugin.engine.hooks.step_progress import StepProgressHook
from sdp_plugin.engine.hooks.trunks import KeepTrunksHook

__all__ = [
    'DeferredRuntimeInfoHook',
    'DivergenceHook',
    'InitialisationHook',
    'IterationSeedHook',
    'KeepTrunksHook',
    'ModelCardHook',
    'PeriodicTestHook',
    'PredictionSnapshotHook',
    'PrepareModelHook',
    'StepProgressHook',
    'TimedCheckpointHook',
]
