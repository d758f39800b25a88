"""What a network draws in an iteration, the same whether a training was interrupted before it or not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner

from sdp_plugin.registry import HOOKS


@HOOKS.register_module()
class IterationSeedHook(Hook):
    """Seed PyTorch's generators from the run's seed and the iteration, before each iteration.

    Dropout, dropped paths and the like then need no state of generators in checkpoints. What is drawn for the samples
    is seeded by :class:`sdp_plugin.datasets.samplers.RepeatableSampler`. Takes the host 50 microseconds.
    """

    priority = 'VERY_HIGH'

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Mapping | Sequence | None = None) -> None:
        """Seed the generators of all devices."""
        mixed = np.random.SeedSequence((runner.seed, runner.iter)).generate_state(1, np.uint64)
        torch.manual_seed(int(mixed[0]))
