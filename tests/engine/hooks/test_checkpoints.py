"""Checkpoints by wall clock."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch
from power_cut import PowerCutError

from sdp_plugin.apis.train import latest_checkpoint, train
from sdp_plugin.checkpoints.reading import load_checkpoint
from sdp_plugin.engine.hooks import checkpoints
from sdp_plugin.engine.hooks.checkpoints import TimedCheckpointHook
from sdp_plugin.errors import UserError, user_error_of

SCRIBBLES = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
INTERVAL, KEPT = 'default_hooks.checkpoint.interval', 'default_hooks.checkpoint.max_keep_ckpts'


@pytest.fixture
def a_minute_an_iteration(monkeypatch):
    """The clock of the checkpoints goes on a minute with each iteration."""
    passed = [0.0]
    monkeypatch.setattr(checkpoints.time, 'monotonic', lambda: passed[0])
    original = TimedCheckpointHook.after_train_iter

    def after_train_iter(hook, *args, **kwargs):
        passed[0] += 60
        return original(hook, *args, **kwargs)

    monkeypatch.setattr(TimedCheckpointHook, 'after_train_iter', after_train_iter)


def written(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob('*.pth'))


# Each entry: options, and the checkpoints that are there after seven iterations of a minute each.
KEPT_AFTER_SEVEN = {
    'by time alone': ({'checkpoint_minutes': 2}, ['iter_6.pth', 'iter_7.pth']),
    'by iteration alone': ({'checkpoint_minutes': None, INTERVAL: 3}, ['iter_6.pth', 'iter_7.pth']),
    'the clock starts anew with each': ({'checkpoint_minutes': 2, INTERVAL: 5, KEPT: 9}, [2, 4, 5, 7]),
    'all by iteration and two by time': ({'checkpoint_minutes': 1, INTERVAL: 3, KEPT: -1}, [3, 4, 5, 6, 7]),
    'one': ({'checkpoint_minutes': 1, KEPT: 1}, ['iter_7.pth']),
}


@pytest.mark.parametrize(('options', 'wanted'), KEPT_AFTER_SEVEN.values(), ids=KEPT_AFTER_SEVEN)
def test_what_is_kept(small_config, tmp_path, a_minute_an_iteration, options, wanted):
    cfg = small_config(SCRIBBLES, max_iters=7, **options)
    cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    train(cfg)
    assert written(tmp_path / 'run') == [name if isinstance(name, str) else f'iter_{name}.pth' for name in wanted]
    assert latest_checkpoint(tmp_path / 'run').name == 'iter_7.pth'
    assert not list((tmp_path / 'run').glob('.*.pth'))


def test_a_resumed_training_removes_what_the_cut_one_wrote(small_config, tmp_path, a_minute_an_iteration):
    options = {'max_iters': 6, 'checkpoint_minutes': 1}
    cut = small_config(SCRIBBLES, **options)
    cut.custom_hooks = [dict(type='sdp_plugin.PowerCutHook', after=3)]
    with pytest.raises(PowerCutError):
        train(cut)
    assert written(tmp_path / 'run') == ['iter_2.pth', 'iter_3.pth']
    half_written = tmp_path / 'run' / '.iter_4.1234.0123abcd.pth'
    half_written.write_bytes(b'PK')
    train(small_config(SCRIBBLES, **options), resume=True)
    assert written(tmp_path / 'run') == ['iter_5.pth', 'iter_6.pth']
    assert not half_written.exists()


def test_epochs_are_saved_by_time_too(small_config, tmp_path):
    train(small_config(PCAM, max_epochs=3, checkpoint_minutes=1e-9))
    assert written(tmp_path / 'run') == ['epoch_2.pth', 'epoch_3.pth']
    assert load_checkpoint(tmp_path / 'run' / 'epoch_2.pth')['meta']['epoch'] == 2


def test_a_full_disk_costs_no_older_checkpoint(small_config, tmp_path, monkeypatch):
    saved = []

    def save(checkpoint, file):
        saved.append(file)
        if len(saved) == 3:
            file.write(b'PK half of it')
            raise OSError(28, os.strerror(28))
        return original(checkpoint, file)

    original = torch.save
    monkeypatch.setattr('mmengine.runner.checkpoint.torch.save', save)
    with pytest.raises(OSError, match='No space') as caught:
        train(small_config(SCRIBBLES, max_iters=6, **{INTERVAL: 1}))
    message = str(user_error_of(caught.value))
    assert f'looked for: {tmp_path / "run" / "iter_3.pth"}\n' in message
    assert 'what to do: free space there' in message
    assert written(tmp_path / 'run') == ['iter_1.pth', 'iter_2.pth']
    assert latest_checkpoint(tmp_path / 'run').name == 'iter_2.pth'


@pytest.mark.parametrize('minutes', [-1, float('nan')])
def test_minutes_that_are_none_are_refused(minutes):
    with pytest.raises(UserError, match='checkpoint_minutes'):
        TimedCheckpointHook(minutes=minutes)
