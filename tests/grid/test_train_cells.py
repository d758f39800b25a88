"""Cells that really train, as small as they can be."""

from __future__ import annotations

import gc
import json
import multiprocessing
import os
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.utils import ManagerMixin

from sdp_plugin.catalogue.subsets import draw_examples
from sdp_plugin.checkpoints.reading import load_checkpoint
from sdp_plugin.datasets.samples import digest_of_keys
from sdp_plugin.errors import UserError
from sdp_plugin.grid import train_cells as training
from sdp_plugin.grid.records import FINETUNING, INITIALISATION, PRETRAINING, Cell, Outcome, Task
from sdp_plugin.grid.train_cells import LOG_FILE, train_cell, train_cells
from sdp_plugin.step_progress import read_step_progress

SCRIBBLES = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
CRC = 'finetune/resnet34_1xb32-200e_crc.py'
# A resumed training sees the images that an uninterrupted one would, but draws other augmentations.
WITHOUT_CHANCE = {
    'crop_size': (72, 96),
    'train_dataloader.dataset.pipeline.RandomRescaledCrop.ratio_range': (1.0, 1.0),
    'train_dataloader.dataset.pipeline.RandomRescaledCrop.flip_prob': 0.0,
}
TEST_PATCHES = 6


class PowerCutError(Exception):
    """What ends a training in the middle."""


class StoppingHook(Hook):
    """Raise an exception after an iteration."""

    priority = 'LOWEST'

    def __init__(self, after: int, error: BaseException) -> None:
        self.after, self.error = after, error

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        if runner.iter + 1 == self.after:
            raise self.error


@pytest.fixture
def make_task(small_options, tmp_path) -> Callable[..., Task]:
    """``make_task(config, folder, **options)``: a task of a tiny cell."""

    def make(config: str, folder: str = 'cell', initialisation: Path | None = None, **options) -> Task:
        is_pretraining = config.startswith('pretrain')
        length = {'max_iters': 2} if is_pretraining else {'max_epochs': 2}
        cell = Cell(
            id='0123456789ab',
            kind=PRETRAINING if is_pretraining else FINETUNING,
            title=folder,
            config=config,
            options=small_options(config, **(length | options)),
        )
        return Task(cell, tmp_path / folder, initialisation)

    return make


def comparable(outcome: Outcome) -> dict:
    """What of an outcome does not depend on when and where it was trained."""
    scores = {name: array.tolist() for name, array in outcome.scores.items()}
    return dict(metrics=outcome.metrics, scores=scores, curve=outcome.curve, subset=outcome.subset)


@pytest.mark.parametrize('config', [PCAM, CRC])
def test_a_fine_tuning(make_task, config):
    task = make_task(config, seed=3)
    ((yielded, outcome),) = train_cells([task])
    assert yielded is task
    images = len(outcome.scores['labels'])
    assert set(outcome.metrics) == {'accuracy/top1', 'single-label/balanced-accuracy', 'single-label/auroc'}
    assert outcome.scores['log_scores'].shape == (images, 2 if config == PCAM else 8)
    right = outcome.scores['predictions'] == outcome.scores['labels']
    assert outcome.metrics['accuracy/top1'] == pytest.approx(100 * right.mean(), abs=1e-4)
    assert [point['step'] for point in outcome.curve] == [1, 2]
    assert [point['lr'] for point in outcome.curve] == pytest.approx([1e-4, 0.94e-4])
    assert all(np.isfinite(point['loss']) for point in outcome.curve)
    assert set(outcome.durations) == {'start_up', 'train', 'test'}
    assert all(seconds >= 0 for seconds in outcome.durations.values())
    assert read_step_progress(task.folder).phase == 'test'
    assert outcome.files == {}
    assert Config.fromstring(outcome.config_text, '.py').seed == 3


def test_the_subset_is_recorded_by_the_keys_of_its_images(make_task, small_data):
    outcome = train_cell(make_task(PCAM, max_epochs=1, seed=3, examples_per_class=2))
    with h5py.File(small_data.pcam / 'camelyonpatch_level_2_split_train_y.h5') as file:
        labels = file['y'][:].reshape(-1)
    keys = [f'train/{index}' for index in range(len(labels))]
    drawn = [keys[position] for position in draw_examples(keys, labels, 2, seed=3)]
    assert outcome.subset == dict(
        train_size=4,
        train_digest=digest_of_keys(drawn[::-1]),
        test_size=TEST_PATCHES,
        test_digest=digest_of_keys(f'test/{index}' for index in range(TEST_PATCHES)),
        classes=['normal', 'tumour'],
    )


def test_a_pre_training_becomes_an_initialisation(make_task):
    pretraining = make_task(SCRIBBLES, 'pretraining')
    outcome = train_cell(pretraining)
    assert outcome.files == {INITIALISATION: pretraining.folder / 'initialisation.pth'}
    provenance = load_checkpoint(outcome.files[INITIALISATION])['meta']['conversion']
    assert provenance['verified']
    assert set(outcome.durations) == {'start_up', 'train', 'test', 'conversion'}
    assert 0 <= outcome.metrics['mIoU'] <= 100
    assert [point['step'] for point in outcome.curve] == [1, 2]
    assert outcome.subset['train_size'] == 8

    started = [train_cell(make_task(PCAM, 'started', path)) for path in (None, outcome.files[INITIALISATION])]
    assert started[0].subset == started[1].subset
    assert started[0].curve[0]['loss'] != started[1].curve[0]['loss']
    assert str(outcome.files[INITIALISATION]) in (pretraining.folder.parent / 'started' / LOG_FILE).read_text()


def test_fine_tunings_leave_no_checkpoints_unless_asked(make_task):
    task = make_task(PCAM, max_epochs=1)
    train_cell(task)
    assert list(task.folder.rglob('*.pth')) == []
    train_cell(replace(task, keep_checkpoints=True))
    assert [path.name for path in task.folder.rglob('*.pth')] == ['epoch_1.pth']
    train_cell(replace(task, keep_checkpoints=True))  # over what an earlier attempt has left


def test_what_a_cell_prints_is_in_its_log(make_task, capsys):
    tasks = [make_task(PCAM, name) for name in ('first', 'second')]
    print('before')
    outcomes = [outcome for _, outcome in train_cells(tasks)]
    print('after')
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)]
    assert capsys.readouterr().out == 'before\nafter\n'
    for task in tasks:
        log = (task.folder / LOG_FILE).read_text()
        assert log.count('Initialisation: random') == 1
        assert 'Epoch(train) [2]' in log
        assert 'accuracy/top1' in log


def test_a_cell_that_fails_takes_none_along(make_task, monkeypatch):
    too_many = make_task(PCAM, 'too many', examples_per_class=100)
    breaking, fine = make_task(PCAM, 'breaking'), make_task(PCAM, 'fine')
    fail_in(monkeypatch, breaking, StoppingHook(1, ZeroDivisionError('broken')))
    results = {task.cell.title: result for task, result in train_cells([too_many, breaking, fine])}
    assert isinstance(results['too many'], UserError)
    assert 'too few examples' in str(results['too many'])
    assert isinstance(results['breaking'].__cause__, ZeroDivisionError)
    assert 'broken' in str(results['breaking'])
    assert isinstance(results['fine'], Outcome)
    assert 'Hooks will be executed' in (breaking.folder / LOG_FILE).read_text()


def test_an_interrupt_stops_all(make_task, monkeypatch, capsys):
    first, second = make_task(PCAM, 'first'), make_task(PCAM, 'second')
    fail_in(monkeypatch, first, StoppingHook(1, KeyboardInterrupt()))
    with pytest.raises(KeyboardInterrupt):
        list(train_cells([first, second]))
    assert not second.folder.exists()
    print('on the terminal')
    assert capsys.readouterr().out == 'on the terminal\n'


def fail_in(monkeypatch, task: Task, hook: Hook) -> None:
    run_training = training.run_training

    def fit_and_fail(runner) -> None:
        if Path(runner.work_dir) == task.folder:
            runner.register_hook(hook)
        run_training(runner)

    monkeypatch.setattr(training, 'run_training', fit_and_fail)


def test_a_pre_training_is_gone_on_with(make_task, monkeypatch):
    options = WITHOUT_CHANCE | {'max_iters': 6, 'default_hooks.checkpoint.interval': 2}
    undisturbed = train_cell(make_task(SCRIBBLES, 'undisturbed', **options))
    task = make_task(SCRIBBLES, 'cut', **options)
    with monkeypatch.context() as patched:
        fail_in(patched, task, StoppingHook(5, PowerCutError()))
        ((_, error),) = train_cells([task])
    assert isinstance(error, PowerCutError)
    (task.folder / 'initialisation.pth').write_bytes(b'of an attempt that was killed')
    resumed = train_cell(task)
    assert 'resumed epoch: 0, iter: 4' in (task.folder / LOG_FILE).read_text()
    assert resumed.metrics == undisturbed.metrics
    assert [point['step'] for point in resumed.curve] == [1, 2, 3, 4, 5, 6]
    for point, expected in zip(resumed.curve, undisturbed.curve, strict=True):
        assert point == pytest.approx(expected, rel=1e-5)
    weights, expected = (
        load_checkpoint(outcome.files[INITIALISATION])['state_dict'] for outcome in (resumed, undisturbed)
    )
    for name, tensor in expected.items():
        torch.testing.assert_close(weights[name], tensor, msg=name)
    assert len(list(task.folder.glob('iter_*.pth'))) <= 2


def test_cells_leave_nothing_behind(make_task):
    tasks = [make_task(PCAM, f'cell {index}', max_epochs=1, seed=index) for index in range(30)]
    list(train_cells(tasks[:2]))
    before = open_files(), instances()
    outcomes = [outcome for _, outcome in train_cells(tasks[2:])]
    assert all(isinstance(outcome, Outcome) for outcome in outcomes)
    assert (open_files(), instances()) == before


def open_files() -> list[str]:
    gc.collect()
    files = Path('/proc/self/fd')
    return sorted(str(link.readlink()) for link in files.iterdir() if link.exists())


def instances() -> dict[str, int]:
    managers = [ManagerMixin]
    for manager in managers:
        managers += manager.__subclasses__()
    return {manager.__name__: len(manager._instance_dict) for manager in managers}


@pytest.mark.parametrize('config', [SCRIBBLES, PCAM])
def test_loading_processes_end_with_the_cell(make_task, config):
    options = {'num_workers': 1}
    if config == PCAM:
        options |= {'train_cfg.in_memory': False, 'test_cfg.in_memory': False}
    seen = []
    task = make_task(config, **options)
    original = training.run_test

    def look(runner):
        metrics = original(runner)
        seen.append(len(multiprocessing.active_children()))
        return metrics

    training.run_test = look
    try:
        train_cell(task)
    finally:
        training.run_test = original
    assert seen[0] >= 1
    assert multiprocessing.active_children() == []


def test_a_cell_gives_the_same_after_any_other(make_task):
    def trained(order: list[str]) -> dict[str, dict]:
        random.seed(os.urandom(4))
        np.random.seed(int.from_bytes(os.urandom(4), 'big'))
        torch.manual_seed(int.from_bytes(os.urandom(4), 'big'))
        tasks = [make_task(CRC if name == 'crc' else PCAM, name, seed=len(name)) for name in order]
        return {task.cell.title: comparable(outcome) for task, outcome in train_cells(tasks)}

    first, second = trained(['pcam', 'crc', 'another pcam']), trained(['another pcam', 'pcam', 'crc'])
    assert first == second
    assert first['pcam'] != first['another pcam']


@pytest.mark.slow
def test_a_cell_gives_the_same_in_a_process_of_its_own(make_task, tmp_path):
    tasks = [make_task(PCAM, 'before', seed=1), make_task(CRC, 'cell', seed=2)]
    *_, (task, here) = train_cells(tasks)
    (tmp_path / 'cell.json').write_text(json.dumps(task.cell.to_dict()))
    program = (
        'import json, sys; from pathlib import Path; sys.path.insert(0, sys.argv[1]); '
        'from test_train_cells import comparable; from sdp_plugin.grid.records import Cell, Task; '
        'from sdp_plugin.grid.train_cells import train_cell; folder = Path(sys.argv[2]); '
        "cell = Cell(**json.loads((folder / 'cell.json').read_text())); "
        "outcome = comparable(train_cell(Task(cell, folder / 'there'))); "
        "(folder / 'there.json').write_text(json.dumps(outcome))"
    )
    subprocess.run([sys.executable, '-c', program, Path(__file__).parent, tmp_path], check=True)
    there = json.loads((tmp_path / 'there.json').read_text())
    assert there == json.loads(json.dumps(comparable(here)))
