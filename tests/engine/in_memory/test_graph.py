"""The bookkeeping of a recorded step, with a stand-in for CUDA's graphs that a CPU can replay."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor, nn

from sdp_plugin.engine.in_memory import graph as captured
from sdp_plugin.engine.in_memory.graph import WARM_UP, CapturedStep

BATCH_SIZE = 4
SIZES = [4, 4, 2, 4, 4, 4, 4, 2, 4]  # two epochs with a smaller last batch, and the beginning of a third


class _Step:
    """A training step that knows whether it is recorded, computes nothing then, and can be done again."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model = nn.Linear(3, 2)
        weight, bias = self.model.parameters()
        self.optimiser = torch.optim.Adam([dict(params=[weight]), dict(params=[bias], lr=0.5)], lr=0.1)
        self.calls = 0
        self.is_recorded = False
        self.again: Callable[[], None] | None = None

    def __call__(self, inputs: Tensor, labels: Tensor) -> Tensor:
        if not self.is_recorded:
            self.calls += 1
            return self._train(inputs, labels)
        assert not gc.isenabled()
        loss = torch.zeros(())
        rates = [group['lr'] for group in self.optimiser.param_groups]
        parameters = list(self.model.parameters())
        gradients = [torch.zeros_like(parameter) for parameter in parameters]
        for parameter, gradient in zip(parameters, gradients, strict=True):
            parameter.grad = gradient

        def again() -> None:
            loss.copy_(self._train_at(rates, inputs, labels))
            for parameter, gradient in zip(parameters, gradients, strict=True):
                gradient.copy_(parameter.grad)

        self.again = again
        return loss

    def _train_at(self, rates: list[Tensor], inputs: Tensor, labels: Tensor) -> Tensor:
        groups = self.optimiser.param_groups
        floats = [group['lr'] for group in groups]
        for group, rate in zip(groups, rates, strict=True):
            group['lr'] = rate
        loss = self._train(inputs, labels)
        for group, rate in zip(groups, floats, strict=True):
            group['lr'] = rate
        return loss

    def _train(self, inputs: Tensor, labels: Tensor) -> Tensor:
        loss = nn.functional.cross_entropy(self.model(inputs), labels)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.optimiser.step()
        return loss.detach()


class _Graph:
    """Replays a :class:`_Step`; ``ending`` is what ending the recording raises."""

    def __init__(self, step: _Step, ending: Exception | None = None) -> None:
        self.step = step
        self.ending = ending
        self.replays = 0

    @contextmanager
    def recording(self, graph: object, **options: object) -> Iterator[None]:
        assert graph is self
        assert options['capture_error_mode'] == 'thread_local'
        self.step.is_recorded = True
        try:
            yield
            if self.ending is not None:
                raise self.ending
        finally:
            self.step.is_recorded = False

    def replay(self) -> None:
        self.replays += 1
        self.step.again()


@pytest.fixture
def graph_of(monkeypatch):
    """``graph_of(step, ending)``: the graph that the next recording makes."""
    monkeypatch.setattr(CapturedStep, '_failed', False)
    monkeypatch.setattr(torch.cuda, 'synchronize', lambda: None)
    monkeypatch.setattr(torch.cuda, 'current_stream', lambda: None)

    def make(step: _Step, ending: Exception | None = None) -> _Graph:
        graph = _Graph(step, ending)
        monkeypatch.setattr(torch.cuda, 'CUDAGraph', lambda: graph)
        monkeypatch.setattr(torch.cuda, 'graph', graph.recording)
        return graph

    return make


def trained(step: _Step, call: Callable[[Tensor, Tensor], Tensor], sizes: list[int] = SIZES) -> list[Tensor]:
    """The losses; learning rates fall from batch to batch, as floats that a schedule has multiplied."""
    generator = torch.Generator().manual_seed(1)
    losses = []
    for size in sizes:
        inputs, labels = torch.randn(size, 3, generator=generator), torch.randint(2, (size,), generator=generator)
        losses.append(call(inputs, labels).clone())
        for group in step.optimiser.param_groups:
            group['lr'] *= 0.9
    return losses


def assert_trained_alike(step: _Step, losses: list[Tensor]) -> None:
    reference = _Step()
    torch.testing.assert_close(losses, trained(reference, reference), rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(step.model.state_dict(), reference.model.state_dict(), rtol=1e-6, atol=1e-6)
    assert [group['lr'] for group in step.optimiser.param_groups] == [
        group['lr'] for group in reference.optimiser.param_groups
    ]


def test_replays_train_as_the_step_itself(graph_of):
    """Other batches, learning rates and a smaller last batch come through; warming up and recording train nothing."""
    step = _Step()
    graph = graph_of(step)
    assert_trained_alike(step, trained(step, CapturedStep(step, BATCH_SIZE)))
    smaller = SIZES.count(2)
    assert step.calls == WARM_UP + smaller + 1  # what the first replay is compared with
    assert graph.replays == len(SIZES) - WARM_UP - smaller


def test_what_cannot_be_recorded_runs_as_it_is(graph_of, monkeypatch):
    said = []
    monkeypatch.setattr(captured, 'print_log', lambda line, **options: said.append(line))
    step = _Step()
    graph = graph_of(step, RuntimeError('operation not permitted\nmore'))
    assert_trained_alike(step, trained(step, CapturedStep(step, BATCH_SIZE)))
    assert [line.rpartition('as it is: ')[2] for line in said] == ['RuntimeError: operation not permitted']
    assert (graph.replays, step.calls) == (0, len(SIZES))
    assert gc.isenabled()
    assert not CapturedStep.is_possible()

    other = _Step()
    graph = graph_of(other)
    assert_trained_alike(other, trained(other, CapturedStep(other, BATCH_SIZE)))
    assert graph.replays == 0


class _WrongGraph(_Graph):
    """A graph whose replays do something else than the step."""

    def __init__(self, step: _Step, wrong: str) -> None:
        super().__init__(step)
        self.wrong = wrong

    def replay(self) -> None:
        self.replays += 1
        model, optimiser = self.step.model, self.step.optimiser
        if self.wrong == 'nothing':
            return
        if self.wrong == 'other weights':
            model.weight.data.mul_(-1)
        if self.wrong == 'no number':
            model.weight.data.mul_(torch.nan)
        before = [parameter.detach().clone() for parameter in model.parameters()]
        self.step.again()
        if self.wrong == 'another learning rate':
            for parameter, was in zip(model.parameters(), before, strict=True):
                parameter.data.sub_(0.3 * (parameter.data - was))
        if self.wrong == 'the step twice':
            optimiser.step()


@pytest.mark.parametrize(
    ('wrong', 'in_what'),
    [
        ('nothing', 'loss'),
        ('other weights', 'loss'),
        ('no number', 'nan%'),
        ('another learning rate', 'by 30.0% in changes of weights'),
        ('the step twice', 'changes of weights'),
    ],
)
def test_a_record_that_does_something_else_is_dropped(graph_of, monkeypatch, wrong, in_what):
    said = []
    monkeypatch.setattr(captured, 'print_log', lambda line, **options: said.append(line))
    step = _Step()
    graph_of(step)
    graph = _WrongGraph(step, wrong)
    monkeypatch.setattr(torch.cuda, 'CUDAGraph', lambda: graph)
    monkeypatch.setattr(torch.cuda, 'graph', graph.recording)
    assert_trained_alike(step, trained(step, CapturedStep(step, BATCH_SIZE)))
    assert len(said) == 1
    assert 'its first replay differs from it by' in said[0]
    assert in_what in said[0]
    assert graph.replays == 1
    assert not CapturedStep.is_possible()


def test_the_largest_gradients_are_compared():
    gradients = [None, *(torch.full((2,), float(size)) for size in (1, 9, 3, 7, 5))]
    assert captured._largest(gradients) == [2, 4, 5, 3]


def test_too_little_memory_is_said_so(graph_of):
    """By its own error, for those who try again with fewer at once; other trainings are still recorded."""
    step = _Step()
    graph_of(step, torch.cuda.OutOfMemoryError('CUDA out of memory'))
    with pytest.raises(torch.cuda.OutOfMemoryError):
        trained(step, CapturedStep(step, BATCH_SIZE), [BATCH_SIZE] * (WARM_UP + 1))
    assert CapturedStep.is_possible()
    assert gc.isenabled()
    assert all(isinstance(group['lr'], float) for group in step.optimiser.param_groups)
