"""A training step recorded as a CUDA graph, which one call launches as a whole.

For small images and batches the launches of some thousand kernels cost more than the kernels. A graph reads and writes
fixed memory: batches are copied to where it reads, and learning rates are tensors.
"""

from __future__ import annotations

import gc
import logging

import torch
from mmengine.logging import print_log
from torch import Tensor

from sdp_plugin.engine.in_memory.step import TrainingStep

WARM_UP = 3
"""Steps before the capture. cuDNN chooses its kernels and the optimiser makes its state in them."""


class CapturedStep:
    """Run a step as it is for a few batches, then record it, and replay the record for batches of that size.

    The steps before the capture are training steps like any other; recording computes nothing. Batches of another size
    (the last one of an epoch) are never recorded. If recording fails for another reason than too little memory, the
    step goes on as it is, the log says so, and nothing more is recorded in this process: by PyTorch's issues 180395 and
    190348 some versions leave their allocator unable to.

    Must be called on one stream that is not the default one. The optimiser must have been prepared by
    :func:`sdp_plugin.engine.in_memory.optimisers.fuse` with ``capturable=True``.

    Args:
        step (TrainingStep): The step.
        batch_size (int): The size of the batches to record.
    """

    _failed = False

    def __init__(self, step: TrainingStep, batch_size: int) -> None:
        self.step = step
        self.batch_size = batch_size
        self._warm_up_left = WARM_UP if self.is_possible() else -1
        self._graph: torch.cuda.CUDAGraph | None = None

    @classmethod
    def is_possible(cls) -> bool:
        """Whether no step of this process has failed to be recorded."""
        return not cls._failed

    def __call__(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Train on a batch; see :class:`TrainingStep`. The loss is overwritten by the next call."""
        if len(inputs) != self.batch_size:
            return self.step(inputs, labels)
        if self._graph is None and self._warm_up_left == 0:
            self._record(inputs, labels)
        if self._graph is None:
            self._warm_up_left -= 1
            return self.step(inputs, labels)
        self._inputs.copy_(inputs, non_blocking=True)
        self._labels.copy_(labels, non_blocking=True)
        for group, rate in zip(self.step.optimiser.param_groups, self._rates, strict=True):
            rate.fill_(group['lr'])
        self._graph.replay()
        return self._loss

    def _record(self, inputs: Tensor, labels: Tensor) -> None:
        self._inputs, self._labels = torch.empty_like(inputs), torch.empty_like(labels)
        groups = self.step.optimiser.param_groups
        rates = [group['lr'] for group in groups]
        self._rates = [torch.tensor(float(rate), device=inputs.device) for rate in rates]
        graph = torch.cuda.CUDAGraph()
        # Collecting the graph of an earlier training would invalidate this one.
        collects = gc.isenabled()
        gc.disable()
        try:
            for group, rate in zip(groups, self._rates, strict=True):
                group['lr'] = rate
            # Gradients that exist would be accumulated into; those of a graph have to come from its own memory.
            self.step.optimiser.zero_grad(set_to_none=True)
            torch.cuda.synchronize()
            with torch.cuda.graph(graph, stream=torch.cuda.current_stream(), capture_error_mode='thread_local'):
                self._loss = self.step(self._inputs, self._labels)
        except Exception as error:
            # Ending the recording raises over what went wrong within.
            cause = error.__context__ or error
            if isinstance(cause, torch.cuda.OutOfMemoryError):
                raise cause from None
            self._warm_up_left, CapturedStep._failed = -1, True
            torch.cuda.synchronize()
            reason = str(cause).strip().partition('\n')[0]
            print_log(
                'The training step is not recorded as a CUDA graph, and runs as it is: '
                f'{type(cause).__name__}: {reason}',
                logger='current',
                level=logging.WARNING,
            )
        else:
            self._graph = graph
        finally:
            if collects:
                gc.enable()
            # mmengine's schedulers multiply floats; the graph reads the tensors.
            for group, rate in zip(groups, rates, strict=True):
                group['lr'] = rate
