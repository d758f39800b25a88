"""Training, resuming and testing."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from power_cut import PowerCutError

from sdp_plugin.apis import train as run
from sdp_plugin.apis.train import latest_checkpoint, train
from sdp_plugin.checkpoints.reading import load_checkpoint
from sdp_plugin.errors import UserError

ROOT = Path(__file__).parents[2]
SCRIBBLES = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
CLASSES = 'pretrain/resnet34_1xb10-40k_voc12-classes-321x321.py'
PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
EVERY_SECOND = {'default_hooks.checkpoint.interval': 2, 'max_iters': 6}


def weights_of(path: Path) -> dict[str, torch.Tensor]:
    return load_checkpoint(path)['state_dict']


@pytest.mark.parametrize(('config', 'workers'), [(SCRIBBLES, 0), (SCRIBBLES, 2), (CLASSES, 0)])
def test_a_resumed_pretraining_ends_in_the_bits_of_an_uninterrupted_one(small_config, tmp_path, config, workers):
    dropout = {'model.decode_head.dropout_ratio': 0.5} if config == SCRIBBLES else {}
    train(small_config(config, 'whole', **EVERY_SECOND, **dropout))

    options = dict(EVERY_SECOND, num_workers=workers, **dropout)
    cut = small_config(config, 'cut', **options)
    cut.custom_hooks = [dict(type='sdp_plugin.PowerCutHook', after=3)]
    with pytest.raises(PowerCutError):
        train(cut)
    assert latest_checkpoint(tmp_path / 'cut').name == 'iter_2.pth'
    train(small_config(config, 'cut', **options), resume=True)

    whole, resumed = (load_checkpoint(tmp_path / folder / 'iter_6.pth') for folder in ('whole', 'cut'))
    assert whole['meta']['iter'] == resumed['meta']['iter'] == 6
    assert [name for name in whole['state_dict'] if not equal(whole, resumed, 'state_dict', name)] == []
    states = whole['optimizer']['state']
    assert states
    for key, state in states.items():
        assert torch.equal(state['momentum_buffer'], resumed['optimizer']['state'][key]['momentum_buffer'])
    assert resumed['param_schedulers'][0]['last_step'] == whole['param_schedulers'][0]['last_step']


def equal(first: dict, second: dict, group: str, name: str) -> bool:
    return torch.equal(first[group][name], second[group][name])


def test_epochs_are_resumed(small_config, tmp_path):
    options = {'max_epochs': 3, 'default_hooks.checkpoint.interval': 1}
    cut = small_config(PCAM, **options)
    cut.custom_hooks = [*cut.custom_hooks, dict(type='sdp_plugin.PowerCutHook', after=2)]
    with pytest.raises(PowerCutError):
        train(cut)
    metrics = train(small_config(PCAM, **options), resume=True)
    assert load_checkpoint(tmp_path / 'run' / 'epoch_3.pth')['meta']['epoch'] == 3
    assert not (tmp_path / 'run' / 'epoch_1.pth').exists()  # two are kept
    assert 'accuracy/top1' in metrics


def test_what_is_finished_is_not_trained_again(small_config, tmp_path):
    options = dict(EVERY_SECOND, max_iters=2)
    first = train(small_config(SCRIBBLES, **options))
    before = weights_of(tmp_path / 'run' / 'iter_2.pth')
    assert train(small_config(SCRIBBLES, **options), resume=True) == first
    after = weights_of(tmp_path / 'run' / 'iter_2.pth')
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_another_start_in_the_same_folder_is_refused(small_config, tmp_path):
    (tmp_path / 'run').mkdir()
    torch.save({'state_dict': {}}, tmp_path / 'run' / 'iter_2.pth')
    before = sorted((tmp_path / 'run').iterdir())
    with pytest.raises(UserError, match='--resume'):
        train(small_config(SCRIBBLES))
    assert sorted((tmp_path / 'run').iterdir()) == before


def test_results_are_written(small_config, tmp_path):
    metrics = train(small_config(PCAM, max_epochs=1, seed=5))
    results = json.loads((tmp_path / 'run' / 'results.json').read_text())
    assert results['metrics'] == metrics
    assert 0 <= metrics['accuracy/top1'] <= 100
    assert results['settings']['seed'] == 5
    assert results['settings']['max_epochs'] == 1
    assert results['config'].endswith(PCAM)


def test_results_of_a_segmentation_are_numbers_too(small_config, tmp_path):
    metrics = train(small_config(SCRIBBLES, max_iters=1))
    results = json.loads((tmp_path / 'run' / 'results.json').read_text())
    assert results['metrics'] == metrics
    assert 0 <= results['metrics']['mIoU'] <= 100


def test_a_test_gives_the_metrics_that_training_ended_with(small_config, tmp_path):
    trained = train(small_config(PCAM, max_epochs=1))
    assert run.test(small_config(PCAM, 'again'), tmp_path / 'run' / 'epoch_1.pth') == trained


@pytest.mark.parametrize('config', [SCRIBBLES, PCAM])
def test_a_checkpoint_of_another_depth_is_refused(small_config, tmp_path, config):
    from mmengine.runner import Runner

    runner = Runner.from_cfg(small_config(config, **{'model.backbone.depth': 34}))
    path = tmp_path / 'deeper.pth'
    torch.save({'state_dict': runner.model.state_dict(), 'meta': {}}, path)
    with pytest.raises(UserError, match='another network') as error:
        run.test(small_config(config, 'test'), path)
    assert 'layer1.2.conv1.weight' in str(error.value)
    assert len(str(error.value)) < 2000


# Each entry: the files of a work directory in the order of their writing, what last_checkpoint says, the right answer.
FOLDERS = {
    'empty': ([], None, None),
    'as mmengine leaves it': (['iter_2.pth', 'iter_4.pth'], 'iter_4.pth', 'iter_4.pth'),
    'killed between two writes': (['iter_2.pth', 'iter_4.pth'], 'iter_2.pth', 'iter_2.pth'),
    'killed while writing the newest': (['iter_2.pth', 'iter_4.pth:cut'], 'iter_2.pth', 'iter_2.pth'),
    'truncated under the name that is pointed at': (['iter_2.pth', 'iter_4.pth:cut'], 'iter_4.pth', 'iter_2.pth'),
    'pointing at what is gone': (['iter_2.pth', 'iter_4.pth'], 'iter_6.pth', 'iter_4.pth'),
    'without a pointer': (['iter_4.pth', 'iter_10.pth'], None, 'iter_10.pth'),
    'with an empty pointer': (['iter_4.pth', 'iter_10.pth'], '', 'iter_10.pth'),
    'only truncated': (['iter_4.pth:cut'], 'iter_4.pth', None),
}


@pytest.mark.parametrize(('files', 'pointer', 'wanted'), FOLDERS.values(), ids=FOLDERS)
def test_latest_checkpoint(tmp_path, files, pointer, wanted):
    for age, entry in enumerate(files):
        name, _, cut = entry.partition(':')
        path = tmp_path / name
        torch.save({'state_dict': {'weight': torch.zeros(4000)}}, path)
        if cut:
            path.write_bytes(path.read_bytes()[:-2000])
        os.utime(path, (1_000_000 + age, 1_000_000 + age))
    if pointer is not None:
        (tmp_path / 'last_checkpoint').write_text(f'{tmp_path / pointer}' if pointer else '')
    found = latest_checkpoint(tmp_path)
    assert found == (wanted and tmp_path / wanted)


def test_latest_checkpoint_of_a_folder_that_has_moved(tmp_path):
    (tmp_path / 'there').mkdir()
    for name in ('iter_2.pth', 'iter_4.pth'):
        torch.save({}, tmp_path / 'there' / name)
    (tmp_path / 'there' / 'last_checkpoint').write_text(str(tmp_path / 'there' / 'iter_2.pth'))
    shutil.move(tmp_path / 'there', tmp_path / 'here')
    assert latest_checkpoint(tmp_path / 'here') == tmp_path / 'here' / 'iter_2.pth'


def test_latest_checkpoint_of_a_folder_that_is_missing(tmp_path):
    assert latest_checkpoint(tmp_path / 'nowhere') is None


@pytest.mark.slow
def test_a_killed_process_is_resumed(small_options, run_tool, tmp_path):
    """The command itself, killed while it trains, and started again with ``--resume``."""
    options = small_options(SCRIBBLES, **{'max_iters': 2000, 'default_hooks.checkpoint.interval': 5})
    config, work_dir = ROOT / 'configs' / SCRIBBLES, tmp_path / 'killed'
    values = [f'{key}={value}' for key, value in options.items()]
    command = [sys.executable, ROOT / 'tools' / 'train.py', config, '--work-dir', work_dir, '--cfg-options', *values]
    with open(tmp_path / 'log', 'w') as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, 'OMP_NUM_THREADS': '1'})
    deadline = time.monotonic() + 180
    while latest_checkpoint(work_dir) is None and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL, (tmp_path / 'log').read_text()[-3000:]

    reached = load_checkpoint(latest_checkpoint(work_dir))['meta']['iter']
    assert 0 < reached < 2000
    status, printed, errors = run_tool(
        'train.py', config, '--work-dir', work_dir, '--resume', options=options | {'max_iters': reached + 2}
    )
    assert status == 0, errors
    assert f'resumed epoch: 0, iter: {reached}' in printed + errors
    assert load_checkpoint(work_dir / f'iter_{reached + 2}.pth')['meta']['iter'] == reached + 2
    assert (work_dir / 'results.json').is_file()
