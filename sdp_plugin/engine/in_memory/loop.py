"""Training and testing classifiers of small images without data loaders: images in memory, batches on the device."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from typing import Any

import torch
from mmengine.runner import EpochBasedTrainLoop, Runner, TestLoop
from torch import Tensor, nn

from sdp_plugin.engine.hooks.prepare_model import compile_in_place
from sdp_plugin.engine.in_memory.batches import InputNormalisation, TrainingBatches
from sdp_plugin.engine.in_memory.fallback import leave_to_reference, obstacles_of_model, obstacles_of_optimiser
from sdp_plugin.engine.in_memory.graph import CapturedStep, side_stream
from sdp_plugin.engine.in_memory.image_source import ImageSource
from sdp_plugin.engine.in_memory.images import ImagesInMemory, records_of
from sdp_plugin.engine.in_memory.iteration_hooks import call, hooks_of_epochs, hooks_of_iterations
from sdp_plugin.engine.in_memory.step import TrainingStep, class_scores, draws_random_numbers
from sdp_plugin.engine.in_memory.turns import in_company, let_others_go_on_until_done, next_turn
from sdp_plugin.engine.optimisers import can_be_captured, fuse, optimisers_of
from sdp_plugin.engine.precision import autocast, autocast_type
from sdp_plugin.engine.weight_gradients import weight_gradients_by_products
from sdp_plugin.registry import LOOPS

ITERATIONS_A_TURN = 4
"""Before the next of several trainings has its turn. Handing over takes the host a fifth of a millisecond (measured
without a GPU), most of it for saving and restoring random states."""

TEST_BATCH_SIZE = {'cuda': 1024}
"""Of images to classify at once, where the config's own size is not the fastest."""


@LOOPS.register_module()
class InMemoryTrainLoop(EpochBasedTrainLoop):
    """Train as mmengine's ``EpochBasedTrainLoop`` does, with the images in memory and nothing read back in an epoch.

    The data set, its loading, the order of the samples (the config's own sampler), the augmentation (the config's own
    pipeline), the optimiser with its clipping and the schedules are those of the config. Augmentations are drawn anew
    for each epoch from the seed and the number of the epoch, as are the network's own random numbers: a run that is
    resumed after an epoch ends where an uninterrupted one ends. They are equal in distribution to those of the
    reference loop and not the same numbers.

    Hooks are called as by mmengine, with these differences:

    - ``RuntimeInfoHook``, ``DivergenceHook`` and ``LoggerHook``, which look at values, hear of the last iteration of an
      epoch alone, with the mean loss of the epoch; ``train/time``, ``train/data_time`` and ``eta`` are written in place
      of ``IterTimerHook``.
      The log processor then has nothing to smooth. ``LoggerHook(ignore_last=False)`` logs every epoch.
    - ``CheckpointHook`` by epoch and ``ParamSchedulerHook`` with schedules by epoch have nothing to do at iterations.
    - Gradients are gone after the training where it was recorded as a CUDA graph.
    - All others hear of every iteration, without a batch, and with the loss as a tensor on the device; one that looks
      at its value reads it back itself.

    What this loop cannot do, it leaves to the reference loop, of which it is a child, and the log names the reason:
    several processes, other samplers, collations or optimiser wrappers, transforms that
    :func:`settings_from_pipeline` does not know, networks that compute their loss in their own way, images that fit
    into no memory.

    Args:
        runner (Runner): The runner.
        dataloader (dict | DataLoader): The config of the data loader. A data loader that is built already is left to
            the reference loop.
        max_epochs (int): Epochs to train.
        in_memory (bool): False is the reference loop. Defaults to True.
        precision (str): ``'auto'``, ``'float32'`` or ``'bfloat16'``, see
            :func:`sdp_plugin.engine.precision.autocast_type`; the reference loop computes in the precision of the
            weights. Defaults to ``'auto'``.
        compile (bool): Compile the backbone with ``torch.compile``; costs a minute at the start. Defaults to False.
        cuda_graphs (bool): Record the step as a CUDA graph, where there is CUDA. Defaults to True.
        channels_last (bool): Compute with the channels of a pixel beside each other, which is faster on GPUs and CPUs
            and rounds otherwise. On CPUs weight gradients are then products where that is faster, see
            :mod:`sdp_plugin.engine.weight_gradients`. Defaults to True.
        **kwargs: Of ``EpochBasedTrainLoop``.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: Mapping[str, Any],
        max_epochs: int,
        in_memory: bool = True,
        precision: str = 'auto',
        compile: bool = False,
        cuda_graphs: bool = True,
        channels_last: bool = True,
        **kwargs,
    ) -> None:
        self._source = ImageSource(dataloader, in_memory)
        super().__init__(runner, self._source.loader_config, max_epochs, **kwargs)
        self.precision = precision
        self.compile = compile
        self.cuda_graphs = cuda_graphs
        self.channels_last = channels_last
        self._images: ImagesInMemory | None = None
        self._step: Callable[[Tensor, Tensor], Tensor] | None = None
        self._batches: TrainingBatches | None = None

    def run(self) -> nn.Module:
        """Train all epochs."""
        device = _device_of(self.runner.model)
        obstacles = [
            *self._source.obstacles(self.dataloader),
            *obstacles_of_model(self.runner.model),
            *obstacles_of_optimiser(self.runner.optim_wrapper),
        ]
        images = None if obstacles else self._source.read(self.dataloader.dataset, device, obstacles)
        if images is None:
            leave_to_reference('training', obstacles)
            for optimiser in optimisers_of(self.runner.optim_wrapper):
                fuse(optimiser, device, capturable=False)
            return super().run()
        self._images = images
        try:
            with side_stream(device), ExitStack() as self._until_trained:
                return super().run()
        finally:
            self._let_go()

    def _let_go(self) -> None:
        if isinstance(self._step, CapturedStep):
            # The graph holds the memory of a step, gradients included; the test and other trainings need the room.
            self.runner.optim_wrapper.optimizer.zero_grad(set_to_none=True)
        self._images = self._step = self._batches = None

    def _prepare(self, images: ImagesInMemory) -> None:
        device = images.labels.device
        model, optimiser = self.runner.model, self.runner.optim_wrapper.optimizer
        dtype = autocast_type(self.precision, model, device)
        captured = self.cuda_graphs and device.type == 'cuda' and self._can_be_captured()
        memory_format = torch.channels_last if self.channels_last else torch.contiguous_format
        model.to(memory_format=memory_format)
        if self.compile:
            compile_in_place(model.backbone)
        if in_company():
            # cuDNN keeps what it has tried by thread, and would try all its algorithms anew in each training.
            torch.backends.cudnn.benchmark = False
        if device.type == 'cpu' and self.channels_last:
            self._until_trained.enter_context(weight_gradients_by_products(model))
        fuse(optimiser, device, capturable=captured)
        # MMEngine's schedulers count the steps of the wrapper, which ours goes past, and would warn.
        self.runner.optim_wrapper._global_step = 0
        step = TrainingStep(model, self.runner.optim_wrapper, dtype)
        self._step = CapturedStep(step, self.dataloader.batch_size) if captured else step
        self._batches = TrainingBatches(
            self.dataloader,
            images,
            self._source.augmentation,
            InputNormalisation(model, memory_format),
            self.runner.seed,
        )
        self._hooks = hooks_of_iterations(self.runner)
        self.runner.log_processor.window_size = 1
        self._started, self._iterations_before = time.monotonic(), self._iter
        described = [
            f'{len(images)} images {"on the device" if images.images.device == device else "in host memory"}',
            'bfloat16' if dtype else 'precision of the weights',
            *(['step to be recorded as a CUDA graph'] if captured else []),
            *(['compiled backbone'] if self.compile else []),
        ]
        self.runner.logger.info(f'In-memory loop: {", ".join(described)}')

    def _can_be_captured(self) -> bool:
        model, wrapper = self.runner.model, self.runner.optim_wrapper
        # Graphs that run beside each other would share the state of one random generator on the device.
        shares_chance = in_company() and draws_random_numbers(model)
        # A graph is told of new learning rates alone, not of momenta that a schedule changes.
        only_rates = all(scheduler.param_name == 'lr' for scheduler in self.runner.param_schedulers or ())
        possible = CapturedStep.is_possible() and can_be_captured(wrapper.optimizer)
        return possible and only_rates and not shares_chance

    def run_epoch(self) -> None:
        """Train one epoch."""
        if self._images is None:
            super().run_epoch()
            return
        if self._step is None:
            # Not before: hooks that run before the training may still change the network.
            self._prepare(self._images)
        started = time.monotonic()
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        _seed_epoch(self.runner.seed, self._epoch)
        losses = torch.zeros(len(self.dataloader), device=self._batches.device)
        last = len(losses) - 1
        for index, (inputs, labels) in enumerate(self._batches.of_epoch(self._epoch)):
            call(self._hooks, 'before_train_iter', self.runner, batch_idx=index, data_batch=None)
            loss = self._step(inputs, labels)
            losses[index] = loss
            call(self._hooks, 'after_train_iter', self.runner, batch_idx=index, data_batch=None, outputs={'loss': loss})
            if index == last:
                let_others_go_on_until_done(losses.device)
                self._report(losses.mean().item(), index, time.monotonic() - started)
            self._iter += 1
            if index % ITERATIONS_A_TURN == ITERATIONS_A_TURN - 1 or index == last:
                next_turn()
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1

    def _report(self, loss: float, index: int, seconds: float) -> None:
        hub = self.runner.message_hub
        done = self._iter + 1 - self._iterations_before
        left = (time.monotonic() - self._started) / done * (self._max_iters - self._iter - 1)
        hub.update_scalar('train/time', seconds / (index + 1))
        hub.update_scalar('train/data_time', 0.0)
        hub.update_info('eta', left)
        reporting = hooks_of_epochs(self.runner)
        call(reporting, 'before_train_iter', self.runner, batch_idx=index, data_batch=None)
        call(reporting, 'after_train_iter', self.runner, batch_idx=index, data_batch=None, outputs={'loss': loss})


@LOOPS.register_module()
class InMemoryTestLoop(TestLoop):
    """Test as mmengine's ``TestLoop`` does, with the images in memory and the scores read back once.

    Metrics get what they get from the reference loop; so do hooks, without a batch and outputs. What it cannot do, it
    leaves to the reference loop, see :class:`InMemoryTrainLoop`.

    Attributes:
        log_scores (Tensor | None): Logarithms of the class probabilities of the last test, float32, shape
            (N, num_classes), on the host, in the order of the data set.
        labels (Tensor | None): int64 class indices, shape (N,), on the host.

    Args:
        runner (Runner): The runner.
        dataloader (dict | DataLoader): The config of the data loader.
        evaluator (Evaluator | dict | list): The metrics.
        in_memory (bool): False is the reference loop. Defaults to True.
        precision (str): As in :class:`InMemoryTrainLoop`. Defaults to ``'auto'``.
        batch_size (int | None): Images to classify at once; None takes what suits the device: 1,024 on CUDA, the data
            loader's own elsewhere. Defaults to None.
        **kwargs: Of ``TestLoop``.
    """

    def __init__(
        self,
        runner: Runner,
        dataloader: Mapping[str, Any],
        evaluator: Any,
        in_memory: bool = True,
        precision: str = 'auto',
        batch_size: int | None = None,
        **kwargs,
    ) -> None:
        self._source = ImageSource(dataloader, in_memory)
        super().__init__(runner, self._source.loader_config, evaluator, **kwargs)
        self.batch_size = batch_size
        self.precision = precision
        self.log_scores: Tensor | None = None
        self.labels: Tensor | None = None

    def run(self) -> dict[str, float]:
        """Test once.

        Returns:
            dict[str, float]: The metrics.
        """
        model, dataset = self.runner.model, self.dataloader.dataset
        device = _device_of(model)
        obstacles = [*self._source.obstacles(self.dataloader), *obstacles_of_model(model)]
        if self._source.augmentation is not None and not self._source.augmentation.is_identity:
            obstacles.append('the test pipeline augments images')
        if self.fp16:
            obstacles.append('the test is in half precision (fp16)')
        images = None if obstacles else self._source.read(dataset, device, obstacles)
        if images is None:
            leave_to_reference('testing', obstacles)
            return super().run()
        return self._test(model, images, device)

    @torch.no_grad()
    def _test(self, model: nn.Module, images: ImagesInMemory, device: torch.device) -> dict[str, float]:
        self.runner.call_hook('before_test')
        self.runner.call_hook('before_test_epoch')
        model.eval()
        dtype = autocast_type(self.precision, model, device)
        normalise = InputNormalisation(model)
        scores = []
        # Whatever the sampler's order is: scores go with the records and labels of the data set.
        at_once = self.batch_size or TEST_BATCH_SIZE.get(device.type, self.dataloader.batch_size)
        for index, positions in enumerate(torch.arange(len(images)).split(at_once)):
            self.runner.call_hook('before_test_iter', batch_idx=index, data_batch=None)
            with autocast(dtype, device):
                scores.append(class_scores(model, normalise(images.batch(positions))))
            self.runner.call_hook('after_test_iter', batch_idx=index, data_batch=None, outputs=None)
            next_turn()
        let_others_go_on_until_done(device)
        on_host = torch.cat(scores).cpu()
        self.log_scores, self.labels = on_host.float().log_softmax(dim=1), images.labels.cpu()
        self.evaluator.process(data_samples=self._samples(on_host.softmax(dim=1)), data_batch=None)
        metrics = self.evaluator.evaluate(len(images))
        self.runner.call_hook('after_test_epoch', metrics=metrics)
        self.runner.call_hook('after_test')
        return metrics

    def _samples(self, scores: Tensor) -> list[dict]:
        predicted = scores.argmax(dim=1, keepdim=True)
        labels = self.labels.unsqueeze(1)
        records = records_of(self.dataloader.dataset)
        return [
            {'sample_idx': index, **record, 'pred_score': score, 'pred_label': prediction, 'gt_label': label}
            for index, (record, score, prediction, label) in enumerate(
                zip(records, scores, predicted, labels, strict=True)
            )
        ]


def _seed_epoch(seed: int, epoch: int) -> None:
    # The network's own random numbers (dropout, dropped paths), so that a resumed run draws what the other would.
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(int(torch.randint(2**62, (epoch + 1,), generator=generator)[epoch]))


def _device_of(model: nn.Module) -> torch.device:
    return next(model.parameters()).device
