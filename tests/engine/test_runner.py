"""MMEngine's runner on a disk that takes no more."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest
from small_disk import largest_file

from sdp_plugin.apis import train as run
from sdp_plugin.apis.train import build_runner, train
from sdp_plugin.errors import user_error_of

PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'


def test_a_log_that_cannot_be_written_is_one_error(small_config, tmp_path, capsys):
    cfg = small_config(PCAM, max_epochs=1)
    with pytest.raises(OSError, match='File too large') as caught, largest_file(10):
        train(cfg)
    assert Path(caught.value.filename).suffix == '.log'
    assert Path(caught.value.filename).is_relative_to(tmp_path / 'run')
    printed = capsys.readouterr()
    assert 'Logging error' not in printed.out + printed.err


def test_a_config_is_written_whole_or_not_at_all(small_config, tmp_path):
    runner = build_runner(small_config(PCAM, max_epochs=1))
    path = tmp_path / 'run' / Path(runner.cfg.filename).name
    whole = path.read_text()
    path.unlink()
    with pytest.raises(OSError, match='File too large') as caught, largest_file(1000):
        runner.dump_config()
    assert caught.value.filename == str(path)
    assert not path.exists()
    runner.dump_config()
    assert path.read_text() == whole


@pytest.mark.parametrize('tested', [False, True])
def test_what_else_cannot_be_written_is_named_by_its_folder(small_config, tmp_path, monkeypatch, tested):
    if tested:
        train(small_config(PCAM, max_epochs=1))

    def full(*args, **kwargs):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr('mmengine.visualization.vis_backend.LocalVisBackend.add_config', full)
    cfg = small_config(PCAM, max_epochs=1)
    with pytest.raises(OSError, match='No space') as caught:
        run.test(cfg, tmp_path / 'run' / 'epoch_1.pth') if tested else train(cfg)
    assert f'looked for: {tmp_path / "run"}\n' in str(user_error_of(caught.value))
