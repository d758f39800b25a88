"""A training step recorded as a CUDA graph, which one call launches as a whole.

For small images and batches the launches of some thousand kernels cost more than the kernels. A graph reads and writes
fixed memory: batches are copied to where it reads, and learning rates are tensors.
"""

from __future__ import annotations

import gc
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from mmengine.logging import print_log
from torch import Tensor, nn
from torch.optim import Optimizer

from sdp_plugin.engine.in_memory.step import TrainingStep

WARM_UP = 3
"""Steps before the capture. cuDNN chooses its kernels and the optimiser makes its state in them."""

COMPARED = 4
"""Gradients, and changes of weights, that the first replay is compared in: the largest ones."""

LOSS_TOLERANCE, GRADIENT_TOLERANCE, CHANGE_TOLERANCE = 0.01, 0.05, 0.1
"""How far the first replay may be off, relative to the step as it is. Kernels that sum in another order differ by less
in bfloat16; a record that reads another batch, old weights or another learning rate differs by far more. Adam's first
changes keep the sign of a gradient alone, which rounding turns where it is close to zero."""


class CapturedStep:
    """Run a step as it is for a few batches, then record it, and replay the record for batches of that size.

    The steps before the capture are training steps like any other; recording computes nothing. Batches of another size
    (the last one of an epoch) are never recorded. The first replay is compared with the same step as it is, from the
    same weights on the same batch: losses, gradients and what becomes of the weights. If they differ, or recording
    fails for another reason than too little memory, the step goes on as it is, the log says so, and nothing more is
    recorded in this process: by PyTorch's issues 180395 and 190348 some versions leave their allocator unable to.

    Must be called on one stream that is not the default one. The optimiser must have been prepared by
    :func:`sdp_plugin.engine.optimisers.fuse` with ``capturable=True``.

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

    @property
    def is_recorded(self) -> bool:
        """Whether batches are trained on by the record."""
        return self._graph is not None

    def __call__(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """Train on a batch; see :class:`TrainingStep`. The loss is overwritten by the next call."""
        if len(inputs) != self.batch_size:
            return self.step(inputs, labels)
        if self._graph is None and self._warm_up_left == 0:
            self._record(inputs, labels)
            if self._graph is not None:
                return self._first_replay(inputs, labels)
        if self._graph is None:
            self._warm_up_left -= 1
            return self.step(inputs, labels)
        return self._replay(inputs, labels)

    def _replay(self, inputs: Tensor, labels: Tensor) -> Tensor:
        self._inputs.copy_(inputs, non_blocking=True)
        self._labels.copy_(labels, non_blocking=True)
        for group, rate in zip(self.step.optimiser.param_groups, self._rates, strict=True):
            rate.fill_(group['lr'])
        self._graph.replay()
        return self._loss

    def _first_replay(self, inputs: Tensor, labels: Tensor) -> Tensor:
        """A training step on a batch: by the record if it does what the step does, else by the step as it is."""
        parameters = [parameter for group in self.step.optimiser.param_groups for parameter in group['params']]
        # Where the record writes its gradients; the step as it is makes others.
        recorded = [parameter.grad for parameter in parameters]
        before = _State(self.step.model, self.step.optimiser, inputs.device)
        as_it_is = _Trace(self.step(inputs, labels), parameters, [parameter.grad for parameter in parameters], before)
        before.restore()
        replayed = _Trace(self._replay(inputs, labels), parameters, recorded, before, as_it_is.chosen)
        difference = as_it_is.difference_to(replayed)
        if not difference:
            return self._loss
        before.restore()
        self._graph = None
        self._give_up(f'its first replay differs from it by {difference}')
        return self.step(inputs, labels)

    def _give_up(self, reason: str) -> None:
        self._warm_up_left, CapturedStep._failed = -1, True
        print_log(
            f'The training step is not recorded as a CUDA graph, and runs as it is: {reason}',
            logger='current',
            level=logging.WARNING,
        )

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
            torch.cuda.synchronize()
            reason = str(cause).strip().partition('\n')[0]
            self._give_up(f'{type(cause).__name__}: {reason}')
        else:
            self._graph = graph
        finally:
            if collects:
                gc.enable()
            # mmengine's schedulers multiply floats; the graph reads the tensors.
            for group, rate in zip(groups, rates, strict=True):
                group['lr'] = rate


class _State:
    """What a training step changes, as it was: weights, buffers, the optimiser's state, the random generator."""

    def __init__(self, model: nn.Module, optimiser: Optimizer, device: torch.device) -> None:
        of_optimiser = [value for state in optimiser.state.values() for value in state.values()]
        tensors = [*model.parameters(), *model.buffers(), *filter(torch.is_tensor, of_optimiser)]
        self._kept = {tensor.data_ptr(): (tensor, tensor.detach().clone()) for tensor in tensors}
        self._device = device
        self._random = torch.cuda.get_rng_state(device) if device.type == 'cuda' else torch.get_rng_state()

    def of(self, tensor: Tensor) -> Tensor:
        """What a tensor held."""
        return self._kept[tensor.data_ptr()][1]

    @torch.no_grad()
    def restore(self) -> None:
        """Write everything back to where it was."""
        for tensor, kept in self._kept.values():
            tensor.copy_(kept)
        if self._device.type == 'cuda':
            torch.cuda.set_rng_state(self._random, self._device)
        else:
            torch.set_rng_state(self._random)


class _Trace:
    """What a training step has left: its loss, its largest gradients, and how it has changed their weights."""

    def __init__(
        self,
        loss: Tensor,
        parameters: Sequence[nn.Parameter],
        gradients: Sequence[Tensor | None],
        before: _State,
        chosen: Sequence[int] | None = None,
    ) -> None:
        self.loss = loss.detach().clone()
        self.chosen = _largest(gradients) if chosen is None else chosen
        parameters = [parameters[index].detach() for index in self.chosen]
        gradients = [gradients[index] for index in self.chosen]
        self.gradients = [torch.zeros(()) if each is None else each.detach().clone() for each in gradients]
        self.changes = [parameter - before.of(parameter) for parameter in parameters]

    def difference_to(self, other: _Trace) -> str:
        """Words for what differs by more than rounding; empty if nothing does."""
        compared = {
            'loss': ([self.loss], [other.loss], LOSS_TOLERANCE),
            'gradients': (self.gradients, other.gradients, GRADIENT_TOLERANCE),
            'changes of weights': (self.changes, other.changes, CHANGE_TOLERANCE),
        }
        off = {
            name: max(_relative_difference(one, two) for one, two in zip(ours, theirs, strict=True))
            for name, (ours, theirs, _) in compared.items()
        }
        # Not `>`: a difference that is no number is one.
        return ', '.join(f'{value:.1%} in {name}' for name, value in off.items() if not value <= compared[name][2])


def _largest(gradients: Sequence[Tensor | None]) -> list[int]:
    norms = {index: float(gradient.norm()) for index, gradient in enumerate(gradients) if gradient is not None}
    return sorted(norms, key=norms.get, reverse=True)[:COMPARED]


def _relative_difference(expected: Tensor, found: Tensor) -> float:
    return float((found - expected).norm() / expected.norm().clamp(min=torch.finfo(expected.dtype).tiny))


@contextmanager
def side_stream(device: torch.device) -> Iterator[None]:
    """A stream on which a graph can be recorded; the one that is current if that is no default stream."""
    if device.type != 'cuda' or torch.cuda.current_stream(device) != torch.cuda.default_stream(device):
        yield
        return
    before, stream = torch.cuda.current_stream(device), torch.cuda.Stream(device)
    stream.wait_stream(before)
    try:
        with torch.cuda.stream(stream):
            yield
    finally:
        before.wait_stream(stream)
