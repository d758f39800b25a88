"""The cells of a grid: each in its own folder, many of them in one process.

A pre-training goes on from its newest checkpoint and ends with converted checkpoints; features go on from the images
that are done. A fine-tuning is short: one that was killed starts anew, so that its result is that of an undisturbed
one, and it leaves no checkpoints. Probes are shorter still.
"""

from __future__ import annotations

import gc
import shutil
import time
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial
from pathlib import Path

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.runner import EpochBasedTrainLoop, Runner

from sdp_plugin.apis.train import build_runner, latest_checkpoint, run_test, run_training
from sdp_plugin.conversion.carry_over import carry_over, write
from sdp_plugin.datasets.samples import digest_of_keys, id_of
from sdp_plugin.engine.hooks.periodic_test import metrics_along
from sdp_plugin.engine.hooks.step_progress import StepProgressHook
from sdp_plugin.engine.hooks.trunks import kept_trunks
from sdp_plugin.engine.in_memory.side_by_side import run_side_by_side
from sdp_plugin.engine.in_memory.turns import in_company
from sdp_plugin.engine.isolation import forgotten, shut_down_workers
from sdp_plugin.engine.output import output_to
from sdp_plugin.evaluation import ImageScores
from sdp_plugin.files import naming
from sdp_plugin.grid.records import (
    FEATURE_FILE,
    FEATURES,
    FINETUNING,
    INITIALISATION,
    PRETRAINING,
    PROBE,
    Outcome,
    Task,
    trunk_at,
)
from sdp_plugin.probes.cells import run_probes
from sdp_plugin.probes.features import IMAGES_FILE, compute_features
from sdp_plugin.settings import load_config
from sdp_plugin.shipped import CONFIGS
from sdp_plugin.step_progress import StepProgressFile

LOG_FILE = 'log.txt'
CURVE_POINTS = 200


def train_cells(tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome | Exception]]:
    """Train cells side by side where there is a GPU, and one after the other where there is none.

    Args:
        tasks (Sequence[Task]): The cells that a worker holds.

    Yields:
        tuple[Task, Outcome | Exception]: Each cell as it finishes, with the exception of one that fails.
    """
    jobs = [partial(train_cell, task) for task in tasks]
    # More than one is here where the grid asks for it (`together`), which a CPU gains nothing from.
    for position, outcome in run_side_by_side(jobs, len(jobs) if torch.cuda.is_available() else 1):
        if isinstance(outcome, Exception):
            # Not before: until now the exception held what the training held.
            gc.collect()
        yield tasks[position], outcome


def train_cell(task: Task) -> Outcome:
    """Train a cell to its end. What it prints goes to ``log.txt`` in its folder.

    Args:
        task (Task): The cell.

    Returns:
        Outcome: Its result.

    Raises:
        UserError: What the config, the data or the initialisation lack.
    """
    started = time.monotonic()
    kind = task.cell.kind
    if kind not in (PRETRAINING, FEATURES):
        shutil.rmtree(task.folder, ignore_errors=True)
    with naming(task.folder), output_to(task.folder / LOG_FILE):
        cfg = config_of(task)
        if kind in (FEATURES, PROBE):
            return _features(task, cfg) if kind == FEATURES else _probes(task, cfg)
        with forgotten(cfg.experiment_name):
            outcome = _trained(cfg, started, resume=kind == PRETRAINING)
        _collect_garbage()
        return _converted(outcome, task.folder) if kind == PRETRAINING else outcome


def _features(task: Task, cfg: Config) -> Outcome:
    progress = StepProgressFile(task.folder)
    told = partial(progress.step, 'features')
    features = compute_features(cfg, task.initialisation, task.folder, told=told)
    return Outcome(
        metrics={},
        subset=features.description,
        durations={'features': features.seconds},
        files={FEATURE_FILE: features.path, IMAGES_FILE: features.images_path},
        config_text=cfg.pretty_text,
    )


def _probes(task: Task, cfg: Config) -> Outcome:
    started, cell = time.monotonic(), task.cell
    probes = run_probes(cfg, task.initialisation, cell.method, cell.draws)
    return Outcome(
        metrics=probes.mean_metrics,
        scores=probes.scores,
        subset={'classes': list(probes.classes)},
        draws=probes.draws,
        durations={'probes': time.monotonic() - started},
        config_text=cfg.pretty_text,
    )


def config_of(task: Task) -> Config:
    """The config of a cell, as it is trained.

    Args:
        task (Task): The cell.

    Returns:
        Config: With its work directory, its initialisation, and what collects the scores of a fine-tuning.
    """
    cell, options = task.cell, dict(task.cell.options)
    if task.initialisation is not None and cell.kind != PROBE:
        options['initialisation'] = str(task.initialisation)
    cfg = load_config(CONFIGS / cell.config, options)
    cfg.work_dir = str(task.folder)
    # mmengine tells the trainings of a process apart by this name and the second in which they start.
    cfg.experiment_name = f'{cell.id}-{uuid.uuid4().hex[:8]}'
    if cell.kind != FINETUNING:
        return cfg
    if not task.keep_checkpoints:
        cfg.default_hooks.checkpoint = None
    if cfg.get('test_evaluator'):
        metrics = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
        cfg.test_evaluator = [*metrics, dict(type='sdp_plugin.ImageScores')]
    return cfg


@cache
def _set_modules_aside() -> None:
    gc.freeze()


def _collect_garbage() -> None:
    """Let go of the network and its optimiser, which a runner and its hooks, referring to each other, would hold on to.

    Collecting takes a third of a second with all modules loaded, and a few milliseconds with them set aside.
    """
    gc.collect()
    # What is set aside is never collected, and so must not hold the trainings that go on.
    if not in_company():
        _set_modules_aside()


class _StartUpHook(Hook):
    """Note when the first iteration begins."""

    priority = 'LOWEST'

    def __init__(self) -> None:
        self.ended = 0.0

    def before_train(self, runner: Runner) -> None:
        self.ended = time.monotonic()


def _trained(cfg: Config, started: float, resume: bool) -> Outcome:
    # mmengine writes the config six times a training; formatting it takes a tenth of a second each time.
    runner = build_runner(Config(cfg.to_dict(), filename=cfg.filename, format_python_code=False), resume)
    start_up = _StartUpHook()
    runner.register_hook(start_up)
    runner.register_hook(StepProgressHook())
    try:
        run_training(runner)
        trained = time.monotonic()
        metrics = run_test(runner)
        tested = time.monotonic()
        return Outcome(
            metrics=metrics,
            scores=_scores_of(runner),
            curve=curve_of(runner),
            subset=_subset_of(runner),
            durations={
                'start_up': start_up.ended - started,
                'train': trained - start_up.ended,
                'test': tested - trained,
            },
            config_text=cfg.pretty_text,
        )
    finally:
        shut_down_workers(runner)


def _converted(outcome: Outcome, folder: Path) -> Outcome:
    started = time.monotonic()
    kept = {trunk_at(iteration): path for iteration, path in kept_trunks(folder).items()}
    files = {}
    for name, checkpoint in ({INITIALISATION: latest_checkpoint(folder)} | kept).items():
        files[name] = folder / f'{name}.pth'
        # One from an attempt that was killed before its result was published.
        files[name].unlink(missing_ok=True)
        write(carry_over(checkpoint), files[name])
    durations = outcome.durations | {'conversion': time.monotonic() - started}
    return replace(outcome, files=files, durations=durations)


def curve_of(runner: Runner) -> list[dict[str, float]]:
    """Loss and learning rate over a training, from what mmengine's message hub has kept of it.

    The hub's history is in the checkpoints, so the curve of a training that was gone on with is whole.

    Args:
        runner (Runner): A runner that has trained.

    Returns:
        list[dict[str, float]]: For each epoch, or for each of up to 200 equal parts of a training by iterations,
        ``step`` (the epoch, or the part's last iteration), the mean ``loss``, and ``lr`` at its end. Then, for each
        test along the training, ``step`` and its metrics.
    """
    losses, rates = (runner.message_hub.get_scalar(f'train/{name}').data[0] for name in ('loss', 'lr'))
    by_epoch = isinstance(runner.train_loop, EpochBasedTrainLoop)
    length = runner.max_epochs if by_epoch else runner.max_iters
    parts = min(length, len(losses)) if by_epoch else min(CURVE_POINTS, len(losses))
    ends = np.linspace(0, length, parts + 1)[1:]
    trained = [
        {'step': int(end), 'loss': float(loss.mean()), 'lr': float(rate[-1])}
        for end, loss, rate in zip(ends, np.array_split(losses, parts), np.array_split(rates, parts), strict=True)
    ]
    return trained + [{'step': step} | metrics for step, metrics in metrics_along(runner.message_hub).items()]


def _scores_of(runner: Runner) -> dict[str, np.ndarray]:
    if runner.cfg.get('test_dataloader') is None:
        return {}
    metrics = runner.test_evaluator.metrics
    return next((metric.scores for metric in metrics if isinstance(metric, ImageScores)), {})


def _subset_of(runner: Runner) -> dict[str, object]:
    subset = _described('train', runner.train_dataloader.dataset)
    if runner.cfg.get('test_dataloader') is not None:
        dataset = runner.test_dataloader.dataset
        subset |= _described('test', dataset) | {'classes': list(dataset.metainfo['classes'])}
    return subset


def _described(name: str, dataset: BaseDataset) -> dict[str, object]:
    keys = (id_of(dataset.get_data_info(position), position) for position in range(len(dataset)))
    return {f'{name}_size': len(dataset), f'{name}_digest': digest_of_keys(keys)}
