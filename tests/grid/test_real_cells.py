"""Grids of cells that really train, killed and shared: they end with the results of an undisturbed run."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from sdp_plugin.grid import store
from sdp_plugin.grid.config import GIVEN
from sdp_plugin.grid.plan import plan_grid
from sdp_plugin.grid.records import PRETRAINING, Plan
from sdp_plugin.grid.train_cells import LOG_FILE

pytestmark = pytest.mark.slow

SERVER = Path(__file__).with_name('worker_server.py')
LONG = 120.0
ITERATIONS = 16
NUM_TRAININGS = 7
KILLS = 5
# A resumed pre-training sees the images that an uninterrupted one would, but draws other augmentations.
WITHOUT_CHANCE = {
    'crop_size': (72, 96),
    'train_dataloader.dataset.pipeline.RandomRescaledCrop.ratio_range': (1.0, 1.0),
    'train_dataloader.dataset.pipeline.RandomRescaledCrop.flip_prob': 0.0,
}
SCRIBBLES = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
CRC = 'finetune/resnet34_1xb32-200e_crc.py'


@pytest.fixture
def grid(small_options, tmp_path) -> Path:
    """A grid config of a pre-training and six fine-tunings, half of them from it."""
    pretraining = small_options(
        SCRIBBLES, **WITHOUT_CHANCE, **{'max_iters': ITERATIONS, 'default_hooks.checkpoint.interval': 2}
    )

    def finetuning(config: str) -> dict:
        return {key: value for key, value in small_options(config, max_epochs=2).items() if key not in GIVEN}

    values = dict(
        name='real cells',
        pretrainings=dict(scribbles=dict(config=SCRIBBLES, options=pretraining)),
        initialisations={'Random': {}, 'Scribbles': dict(pretraining='scribbles')},
        datasets={
            'PCam': dict(config=PCAM, examples_per_class=[2], repeats=1, options=finetuning(PCAM)),
            'CRC': dict(config=CRC, examples_per_class=[1], folds=2, options=finetuning(CRC)),
        },
    )
    path = tmp_path / 'grid.py'
    path.write_text('\n'.join(f'{key} = {value!r}' for key, value in values.items()))
    return path


@pytest.fixture(scope='module')
def start_worker() -> Iterator[Callable[[Path], int]]:
    """``start_worker(work_dir)`` starts a worker on a planned grid and gives the number of its process."""
    environment = {**os.environ, 'OMP_NUM_THREADS': '1'}
    server = subprocess.Popen(
        [sys.executable, '-W', 'ignore', SERVER],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment,
    )
    while server.stdout.readline().strip() != 'ready':
        assert server.poll() is None
    started = []

    def start(work_dir: Path) -> int:
        server.stdin.write(f'{work_dir}\n')
        server.stdin.flush()
        started.append(int(server.stdout.readline()))
        return started[-1]

    yield start
    for process in started:
        kill(process)
    server.stdin.close()
    server.wait(LONG)


def is_alive(process: int) -> bool:
    return Path(f'/proc/{process}').exists()


def kill(process: int) -> None:
    if is_alive(process):
        os.kill(process, signal.SIGKILL)
    until(lambda: not is_alive(process))


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, 'waited in vain'
        time.sleep(0.01)


def planned(grid: Path, work_dir: Path) -> Plan:
    plan = plan_grid(grid)
    store.write_plan(work_dir, plan)
    return plan


def results_of(work_dir: Path, plan: Plan) -> dict[str, tuple]:
    """What the cells hold, by title: metrics, curve and subset, and the scores of the test images."""
    record = store.read_cells(work_dir, plan)
    assert record.failures == {}
    return {
        result.cell.title: (
            result.metrics,
            [tuple(point.values()) for point in result.curve],
            result.subset,
            store.load_scores(work_dir, result.cell.id),
        )
        for result in record.results.values()
    }


def assert_same(found: dict[str, tuple], expected: dict[str, tuple]) -> None:
    assert len(expected) == NUM_TRAININGS
    assert found.keys() == expected.keys()
    for title, (metrics, curve, subset, scores) in expected.items():
        assert found[title][0] == pytest.approx(metrics, abs=1e-6), title
        np.testing.assert_allclose(found[title][1], curve, rtol=1e-5, err_msg=title)
        assert found[title][2] == subset
        assert found[title][3].keys() == scores.keys()
        for name, array in scores.items():
            np.testing.assert_allclose(found[title][3][name], array, rtol=2e-3, err_msg=f'{title}: {name}')


def test_killed_grids_end_like_an_undisturbed_one(grid, tmp_path, run_tool, start_worker):
    status, printed, errors = run_tool('run_grid.py', grid, '--work-dir', tmp_path / 'undisturbed')
    assert status == 0, printed + errors
    plan = plan_grid(grid)
    expected = results_of(tmp_path / 'undisturbed', plan)

    killed_again_and_again(tmp_path / 'killed', grid, start_worker)
    assert_same(results_of(tmp_path / 'killed', plan), expected)

    shared_and_killed(tmp_path / 'shared', grid, start_worker)
    assert_same(results_of(tmp_path / 'shared', plan), expected)

    status, printed, _ = run_tool('run_grid.py', grid, '--work-dir', tmp_path / 'killed', '--dry-run')
    assert f'{NUM_TRAININGS} done, 0 to run' in printed


def killed_again_and_again(work_dir: Path, grid: Path, start_worker: Callable[[Path], int]) -> None:
    plan = planned(grid, work_dir)
    (pretraining,) = (cell for cell in plan.trainings.values() if cell.kind == PRETRAINING)
    folder = store.cell_folder(work_dir, pretraining.id) / store.WORK
    worker = start_worker(work_dir)
    until(lambda: list(folder.glob('iter_*.pth')))
    kill(worker)
    assert store.read_cells(work_dir, plan).results == {}

    moments, finished = random.Random(5), {}
    for _ in range(KILLS):
        worker = start_worker(work_dir)
        time.sleep(moments.uniform(0.5, 3))
        kill(worker)
        written = {path: path.stat().st_mtime_ns for path in work_dir.glob(f'cells/*/{store.RESULT}')}
        assert finished.items() <= written.items()
        finished = written
    worker = start_worker(work_dir)
    until(lambda: not is_alive(worker))
    assert 'resumed epoch: 0, iter: ' in (folder / LOG_FILE).read_text()
    assert {path: path.stat().st_mtime_ns for path in finished} == finished


def shared_and_killed(work_dir: Path, grid: Path, start_worker: Callable[[Path], int]) -> None:
    """Two workers at a time, of which one is killed now and then."""
    planned(grid, work_dir)
    moments, workers = random.Random(2), [start_worker(work_dir), start_worker(work_dir)]
    for _ in range(3):
        time.sleep(moments.uniform(0.5, 3))
        kill(workers.pop(0))
        workers.append(start_worker(work_dir))
    until(lambda: not any(map(is_alive, workers)))
