"""Workers as processes of this machine."""

from __future__ import annotations

import os
import signal
import time

import pytest
from toy_grid import GRID, NUM_TRAININGS

from sdp_plugin.grid import store
from sdp_plugin.grid.launchers import processes
from sdp_plugin.grid.launchers.processes import environment_of, visible_gpus
from sdp_plugin.grid.progress import Progress
from sdp_plugin.grid.worker import Shard

LONG = 60.0


def test_several_processes_do_a_grid(toy, undisturbed):
    ended = toy.run_tool('--workers', 3, '--interval', 0.1, sleep=0.02)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert toy.contents() == undisturbed
    assert set(toy.events('start').values()) == {1}
    assert f'{NUM_TRAININGS} of {NUM_TRAININGS} done' in ended.stdout


def test_a_worker_that_dies_is_reported_and_its_cell_taken_over(toy):
    toy.write(GRID.replace("'Beta'", "'Kills'"))
    ended = toy.run_tool('--workers', 2, sleep=0.05)
    assert 'was killed by SIGKILL; the others take its cells over' in ended.stdout
    assert ended.returncode == 0, ended.stdout + ended.stderr
    assert len(toy.contents()) == NUM_TRAININGS


def test_if_all_workers_die_the_same_command_goes_on(toy):
    toy.write(GRID.replace("'Beta'", "'Kills'"))
    ended = toy.run_tool('--workers', 1)
    assert ended.returncode == 1
    assert 'was killed by SIGKILL; start the same command again' in ended.stdout
    assert 'cells are left' in ended.stdout
    assert toy.run_tool().returncode == 0
    assert len(toy.contents()) == NUM_TRAININGS


@pytest.fixture
def running(toy):
    """A grid with two processes that take long, and the ids of the workers."""
    tool = toy.start_tool('--workers', 2, sleep=LONG)
    deadline = time.monotonic() + LONG
    while toy.events('start').total() < 2:
        assert time.monotonic() < deadline
        assert tool.poll() is None, tool.communicate()
        time.sleep(0.05)
    workers = {int(line.split()[2]) for line in toy.log.read_text().splitlines()}
    yield tool, workers
    tool.kill()
    tool.communicate()


def test_a_stopped_worker_does_not_keep_a_grid_that_is_done_from_ending(toy, monkeypatch, capsys):
    monkeypatch.setattr(processes, 'GRACE', 1.0)
    for name, value in toy.environment(0.05).items():
        monkeypatch.setenv(name, value)
    plan = toy.planned()
    stopped = []

    class Watched(Progress):
        def update(self) -> None:
            if not stopped and toy.events('end'):
                first = toy.log.read_text().splitlines()[0].split()[2]
                stopped.append(int(first))
                os.kill(stopped[0], signal.SIGSTOP)

    processes.run_processes(Watched(toy.work_dir, plan), 2, Shard(), lease=1.0)
    assert len(toy.contents()) == NUM_TRAININGS
    assert 'does not answer and is ended' in capsys.readouterr().out
    wait_until_gone(set(stopped))


def wait_until_gone(workers: set[int]) -> None:
    deadline = time.monotonic() + LONG
    while any(os.path.exists(f'/proc/{pid}') and ' Z ' not in stat_of(pid) for pid in workers):
        assert time.monotonic() < deadline, 'workers live on'
        time.sleep(0.05)


def stat_of(pid: int) -> str:
    try:
        with open(f'/proc/{pid}/stat') as file:
            return file.read()
    except OSError:
        return ' Z '


def test_a_signal_stops_all_workers(toy, running):
    tool, workers = running
    tool.send_signal(signal.SIGINT)
    printed, errors = tool.communicate(timeout=LONG)
    assert tool.returncode == 130, printed + errors
    assert 'The same command goes on' in printed.splitlines()[-1]
    assert errors == ''
    wait_until_gone(workers)
    assert store.read_grid(toy.work_dir, lease=1e9).running == {}


def test_workers_end_with_a_parent_that_is_killed(running):
    tool, workers = running
    tool.kill()
    wait_until_gone(workers)


def test_each_worker_has_a_gpu_and_its_share_of_the_cores(monkeypatch):
    monkeypatch.delenv('OMP_NUM_THREADS', raising=False)
    monkeypatch.setattr(processes, 'cores', lambda: 8)
    environments = [environment_of(number, 3, ['4', '7']) for number in range(3)]
    assert [values['CUDA_VISIBLE_DEVICES'] for values in environments] == ['4', '7', '4']
    assert {values['OMP_NUM_THREADS'] for values in environments} == {'2'}
    assert environment_of(0, 20, []) == {'OMP_NUM_THREADS': '1'}
    monkeypatch.setenv('OMP_NUM_THREADS', '5')
    assert environment_of(0, 2, []) == {}


@pytest.mark.parametrize(
    ('named', 'gpus'), [('0,1', ['0', '1']), ('GPU-8f, MIG-2', ['GPU-8f', 'MIG-2']), ('', []), ('-1', [])]
)
def test_only_gpus_that_the_environment_allows(monkeypatch, named, gpus):
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', named)
    assert visible_gpus() == gpus


@pytest.mark.parametrize(('listed', 'gpus'), [('GPU 0: H100 (UUID: a)\nGPU 1: H100 (UUID: b)', ['0', '1']), ('', [])])
def test_gpus_are_those_that_the_driver_lists(monkeypatch, tmp_path, listed, gpus):
    tool = tmp_path / 'nvidia-smi'
    tool.write_text(f'#!/bin/sh\ncat <<END\n{listed}\nEND\n')
    tool.chmod(0o755)
    monkeypatch.delenv('CUDA_VISIBLE_DEVICES', raising=False)
    monkeypatch.setenv('PATH', str(tmp_path), prepend=os.pathsep)
    assert visible_gpus() == gpus
