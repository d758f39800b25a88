"""One training at a time in a work directory."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from sdp_plugin.engine.work_dir import only_training_in
from sdp_plugin.errors import UserError

HOLD = """
import multiprocessing, sys, time
from sdp_plugin.engine.work_dir import only_training_in
with only_training_in(sys.argv[1]):
    worker = multiprocessing.get_context('fork').Process(target=time.sleep, args=(60,))
    worker.start()
    print(worker.pid, flush=True)
    time.sleep(60)
"""


@pytest.fixture
def other_training(tmp_path):
    """Another process that trains in a folder, and the process that loads its images."""
    process = subprocess.Popen([sys.executable, '-c', HOLD, tmp_path / 'run'], stdout=subprocess.PIPE, text=True)
    worker = int(process.stdout.readline())
    yield process
    process.kill()
    process.wait()
    os.kill(worker, signal.SIGKILL)


def test_the_second_training_is_refused_until_the_first_is_gone(other_training, tmp_path):
    with pytest.raises(UserError, match=f'process {other_training.pid} on'), only_training_in(tmp_path / 'run'):
        pass
    with only_training_in(tmp_path / 'elsewhere'):
        pass
    other_training.send_signal(signal.SIGKILL)
    other_training.wait()
    # Its worker lives on, as workers of a data loader do for some seconds.
    with only_training_in(tmp_path / 'run'):
        pass


def test_one_training_follows_the_other(tmp_path):
    for _ in range(2):
        with only_training_in(tmp_path / 'run'):
            assert (tmp_path / 'run').is_dir()
        assert not (tmp_path / 'run').exists()
    with only_training_in(tmp_path / 'run'):
        (tmp_path / 'run' / 'log').touch()
    assert [path.name for path in (tmp_path / 'run').iterdir()] == ['log']


def test_the_first_of_several_processes_holds_the_lock(other_training, tmp_path, monkeypatch):
    monkeypatch.setenv('RANK', '1')
    with only_training_in(tmp_path / 'run', 'pytorch'):
        pass
    monkeypatch.setenv('RANK', '0')
    with pytest.raises(UserError), only_training_in(tmp_path / 'run', 'pytorch'):
        pass


def test_a_folder_that_cannot_be_is_one_error(tmp_path):
    (tmp_path / 'file').write_text('')
    with pytest.raises(UserError, match='cannot be written'), only_training_in(Path(tmp_path, 'file', 'run')):
        pass
