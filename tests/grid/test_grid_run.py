"""The command of grids: plans, runs, goes on, and says in its exit status whether all is done."""

from __future__ import annotations

import signal
import time

import pytest
from toy_grid import GRID, NUM_TRAININGS

from sdp_plugin.errors import UserError
from sdp_plugin.grid import leases as claims
from sdp_plugin.grid import plan as planning
from sdp_plugin.grid import store
from sdp_plugin.grid.launch import RunOptions, run_grid
from sdp_plugin.grid.worker import Shard


def run(toy, **options) -> int:
    return run_grid(toy.plan(), toy.work_dir, RunOptions(**options))


def test_a_grid_is_run_to_its_end(toy, undisturbed, capsys):
    assert run(toy) == 0
    assert toy.contents() == undisturbed
    printed = capsys.readouterr().out
    assert f'0 done, {NUM_TRAININGS} to run' in printed
    assert f'{NUM_TRAININGS} of {NUM_TRAININGS} done' in printed
    assert f'tools/report.py {toy.work_dir}' in printed


def test_the_same_command_goes_on(toy, capsys):
    assert run(toy, shard=Shard(0, 2)) == 0
    half = toy.events('start').total()
    assert 0 < half < NUM_TRAININGS
    assert run(toy) == 0
    assert toy.events('start').total() == NUM_TRAININGS
    assert run(toy) == 0
    assert toy.events('start').total() == NUM_TRAININGS


def test_the_exit_status_says_that_a_cell_failed(toy, capsys):
    toy.write(GRID.replace("'Beta'", "'Fails'"))
    assert run(toy) == 1
    printed = capsys.readouterr().out
    assert 'failed: Fails 4, Random, fold 0: ValueError: no luck' in printed
    assert '--retry-failed' in printed
    assert run(toy) == 1
    assert set(toy.events('start').values()) == {1}
    toy.write(GRID.replace("'Beta'", "'Fails'"))
    assert run(toy, retries_failed=True) == 1
    assert max(toy.events('start').values()) == 2


def test_a_cell_that_cannot_be_run_is_no_failure(toy, monkeypatch, capsys):
    monkeypatch.setattr(planning.data_checks, 'obstacle', lambda cfg: 'too few' if cfg.get('fold') else None)
    assert run(toy) == 0
    printed = capsys.readouterr().out
    assert '6 not runnable' in printed
    assert 'too few' in printed


def test_missing_data_end_it_before_anything_runs(toy, monkeypatch):
    monkeypatch.setattr(planning.data_checks, 'fingerprint', lambda dataset: planning.data_checks.ABSENT)
    with pytest.raises(UserError, match='missing'):
        run(toy)
    assert not toy.work_dir.exists()


@pytest.mark.parametrize('options', [{'workers': 0}, {'per_gpu': 0}])
def test_a_number_of_workers_is_positive(toy, options):
    with pytest.raises(UserError, match='from 1'):
        run(toy, **options)


def test_workers_to_a_gpu_need_a_gpu(toy, monkeypatch):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
    with pytest.raises(UserError, match='needs a GPU'):
        run(toy, per_gpu=2)


def test_a_work_directory_that_is_a_file_is_one_error(toy):
    toy.work_dir.write_text('no folder')
    with pytest.raises(UserError, match='cannot be written'):
        run(toy)


def test_another_plan_of_the_same_name_does_not_take_its_place_unasked(toy, capsys):
    assert run(toy) == 0
    before = toy.contents()
    toy.write(GRID.replace("'lr': 0.2", "'lr': 0.3"))
    with pytest.raises(UserError, match='another plan of the grid') as error:
        run(toy)
    assert '10 of its cells are done or running' in str(error.value)
    assert f'tools/run_grid.py {toy.grid}' in str(error.value)
    # The plan of before still stands, and so does its report.
    assert len(store.read_grid(toy.work_dir).results) == NUM_TRAININGS
    assert run(toy, replaces_plan=True) == 0
    assert len(store.read_grid(toy.work_dir).stale) == 10
    assert before.items() <= toy.contents().items()


def test_a_plan_that_only_grows_takes_the_place_of_the_first(toy, capsys):
    assert run(toy) == 0
    toy.write(GRID.replace('[1, 2]', '[1, 2, 3]'))
    assert run(toy) == 0
    assert len(store.read_grid(toy.work_dir).results) == NUM_TRAININGS + 9


def test_a_plan_that_others_work_on_is_not_replaced(toy):
    plan = toy.planned()
    claims.claim(store.cell_folder(toy.work_dir, plan.cells[0].id), claims.this_process())
    toy.write(GRID.replace("'lr': 0.2", "'lr': 0.3"))
    with pytest.raises(UserError, match='done or running'):
        run(toy)


def test_the_command(toy, run_tool):
    arguments = [toy.grid, '--work-dir', toy.work_dir]
    status, printed, errors = run_tool('run_grid.py', *arguments, '--dry-run', '--verbose')
    assert (status, errors) == (0, '')
    assert all(cell.title in printed for cell in toy.plan().cells)
    assert not toy.work_dir.exists()
    status, printed, errors = run_tool('run_grid.py', *arguments, options={'datasets.Alpha.repeats': 1})
    assert (status, errors) == (0, '')
    assert '17 of 17 done' in printed
    assert len(store.read_grid(toy.work_dir).results) == 17


@pytest.mark.parametrize(
    ('arguments', 'word'),
    [
        (['--shard', '3/3'], 'shard'),
        (['--workers', '0'], '--workers'),
        (['--workers', '0', '--dry-run'], '--workers'),
        (['--per-gpu', '-1', '--dry-run'], '--per-gpu'),
        (['--lease', '0', '--dry-run'], '--lease'),
        (['--interval', '-1', '--dry-run'], '--interval'),
        (['--interval', 'nan'], '--interval'),
        (['--ray-address', 'foo', '--dry-run'], '--ray-address goes with --engine ray'),
        (['--gpus-per-worker', '0'], '--gpus-per-worker goes with --engine ray'),
        (['--cpus-per-worker', '3'], '--cpus-per-worker goes with --engine ray'),
        (['--engine', 'ray', '--gpus-per-worker', '-1'], '--gpus-per-worker'),
        (['--lease', '0'], '--lease'),
        (['--lease', '-1'], '--lease'),
        (['--cfg-options', 'datasets.Gamma.repeats=2'], "datasets['Gamma']"),
        (['--cfg-options', 'seeds=2'], "'seeds'"),
    ],
)
def test_a_mistake_is_one_clear_error(toy, run_tool, arguments, word):
    status, _, errors = run_tool('run_grid.py', toy.grid, '--work-dir', toy.work_dir, *arguments)
    assert status == 2
    assert errors.count('error: ') == 1
    assert word in errors[errors.index('error: ') :]
    assert 'Traceback' not in errors
    assert not toy.work_dir.exists()


def test_a_signal_says_how_to_go_on(toy):
    tool = toy.start_tool(sleep=60)
    try:
        deadline = time.monotonic() + 60
        while not toy.events('start'):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        tool.send_signal(signal.SIGTERM)
        printed, errors = tool.communicate(timeout=60)
    finally:
        tool.kill()
    assert tool.returncode == 143
    assert 'stopped by SIGTERM. The same command goes on' in printed.splitlines()[-1]
    assert errors == ''
    assert store.read_grid(toy.work_dir).running == {}
