"""What can be known before the first iteration, looked at then and not after the training."""

from __future__ import annotations

import copy
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from mmengine.dataset import InfiniteSampler, pseudo_collate
from mmengine.evaluator import Evaluator
from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.utils.data import DataLoader

from sdp_plugin.engine.construction import NO_FAULTS, faults_of, first_line
from sdp_plugin.engine.randomness import in_test_mode, randomness_kept
from sdp_plugin.errors import UserError

T = TypeVar('T')


def check_before_training(runner: Runner) -> None:
    """Build the data sets of a training and its test, and try the test on its first image and its last.

    The network and all random generators stay as they are. Takes as long as testing two images.

    Args:
        runner (Runner): A runner that has not trained yet.

    Raises:
        UserError: If the training set holds less than a batch, an image of the test is broken, or a metric cannot be
            computed from what the network gives.
    """
    with randomness_kept():
        with faults_of(runner.cfg):
            loader = runner.train_dataloader
        _check_batch_size(loader)
        _check_last_batch(runner.model, loader)
        check_before_test(runner)


def check_before_test(runner: Runner) -> None:
    """Build the data set of a config's test, if it has one, and try the test on its first image and its last.

    Args:
        runner (Runner): A runner, whose network stays as it is.

    Raises:
        UserError: If an image of the test is broken, or a metric cannot be computed from what the network gives.
    """
    if not runner.cfg.get('test_dataloader'):
        return
    with faults_of(runner.cfg):
        loop = runner.test_loop
    _try_test(runner.model, loop)


def _check_batch_size(loader: DataLoader) -> None:
    size, batch_size = len(loader.dataset), loader.batch_size
    if batch_size is None or size >= batch_size:
        return
    if loader.drop_last or isinstance(loader.sampler, InfiniteSampler):
        raise UserError(
            'The training set holds less than a batch.',
            looked_for=f'{batch_size} images or more, batch_size={batch_size}',
            found=f'{size} images',
            remedy=f'set batch_size={size} or less in the config, or in --cfg-options',
        )


def _check_last_batch(model: nn.Module, loader: DataLoader) -> None:
    """Try to train on a last batch of one image, of which batch norm makes nothing where the maps are 1 x 1."""
    size, batch_size = len(loader.sampler), loader.batch_size
    endless = isinstance(loader.sampler, InfiniteSampler)
    if batch_size is None or loader.drop_last or endless or size <= batch_size or size % batch_size != 1:
        return
    trial = copy.deepcopy(_unwrapped(model)).train()
    collate = getattr(loader, 'collate_fn', pseudo_collate)

    def step() -> None:
        with torch.no_grad():
            trial(**trial.data_preprocessor(collate([loader.dataset[0]]), True), mode='loss')

    _tried(
        f'The last batch of an epoch holds one image of {size}, of which this network cannot be trained.',
        step,
        f'set another batch_size than {batch_size}, a larger input_size, or train_dataloader.drop_last=True',
    )


def _unwrapped(model: nn.Module) -> nn.Module:
    return model.module if is_model_wrapper(model) else model


def _try_test(model: nn.Module, loop: BaseLoop) -> None:
    loader, evaluator = loop.dataloader, loop.evaluator
    dataset = loader.dataset
    if not len(dataset):
        raise UserError('The test set is empty.', looked_for='an image or more', found=type(dataset).__name__)
    model = _unwrapped(model)
    collate = getattr(loader, 'collate_fn', pseudo_collate)
    # One by one: images of a test may be of different sizes.
    batches = [
        _tried('An image of the test set cannot be prepared.', lambda index=index: collate([dataset[index]]))
        for index in sorted({0, len(dataset) - 1})
    ]
    with in_test_mode(model), torch.no_grad(), _quiet():
        outputs = [
            _tried(
                'The network cannot be tested on an image of the test set.', lambda batch=batch: model.test_step(batch)
            )
            for batch in batches
        ]
        _tried(
            'A metric of the test does not fit the network or the data.',
            lambda: _evaluate_on_the_side(evaluator, outputs, batches),
        )


def _evaluate_on_the_side(evaluator: Evaluator, outputs: list[list], batches: list) -> None:
    for metric in evaluator.metrics:
        tried = copy.copy(metric)
        tried.results = []
        on_the_side = Evaluator([tried])
        on_the_side.dataset_meta = evaluator.dataset_meta
        for output, batch in zip(outputs, batches, strict=True):
            on_the_side.process(data_samples=output, data_batch=batch)
        on_the_side.evaluate(len(outputs))


def _tried(problem: str, work: Callable[[], T], remedy: str = 'see model, test_pipeline and test_evaluator') -> T:
    try:
        return work()
    except NO_FAULTS:
        raise
    except Exception as error:
        # Whatever a metric or a network of others raises on what it was not made for.
        raise UserError(
            problem,
            found=first_line(error),
            remedy=f'{remedy}; SDP_TRACEBACK=1 before the command shows where it was raised',
        ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the tables that metrics write into the log."""
    logger = MMLogger.get_current_instance()
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)
