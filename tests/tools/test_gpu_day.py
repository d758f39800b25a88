"""The stages of a day with a GPU, without one."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path

import pytest
import torch

from sdp_plugin.errors import UserError

BENCHMARKS = Path(__file__).parents[2] / 'tools' / 'benchmarks'


@pytest.fixture
def gpu_day(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return pytest.importorskip('gpu_day')


def call(*arguments: object) -> subprocess.CompletedProcess:
    command = ['bash', str(BENCHMARKS / 'gpu_day.sh'), *map(str, arguments)]
    environment = {'PYTHON': sys.executable, 'PATH': '/usr/bin:/bin', 'OMP_NUM_THREADS': '1'}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


@pytest.mark.slow
@pytest.mark.parametrize('stage', ['right', 'fast'])
def test_a_stage_runs_on_a_cpu_ends_in_a_table_and_is_not_done_twice(small_data, tmp_path, stage):
    data = ['--voc', small_data.voc, '--scribbles', small_data.scribbles]
    options = ['--quick', '--minutes', 60, '--out', tmp_path, *data]  # a busy machine is slow
    done = call(stage, *options)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    table = (tmp_path / stage / 'table.md').read_text()
    assert done.stdout.endswith(table)
    results = sorted(path.stem for path in (tmp_path / stage).glob('*.json'))
    if stage == 'right':
        assert results == ['agreement', 'tests']
        assert 'agrees' in table
        assert 'recorded, 2 side by side' in table
    else:
        assert results == ['finetuning_1', 'pretraining', 'profile']
        assert 'pre-training, images/s: ours, float32' in table
        assert 'goal: fine-tuning' in table
    again = call(stage, *options)
    assert 'at most' not in again.stdout
    assert again.stdout.endswith(table)


STEP = "import sys, time; time.sleep(float(sys.argv[2])); open(sys.argv[1], 'w').write('{}')"


def steps(gpu_day, *pauses: float, broken: bool = False) -> dict:
    made = {
        f'step{number}': gpu_day.Step([sys.executable, '-c', STEP, '{out}', str(pause)], lambda report: iter(()))
        for number, pause in enumerate(pauses)
    }
    if broken:
        made['broken'] = gpu_day.Step([sys.executable, '-c', 'raise SystemExit(3)'], lambda report: iter(()))
    return made


def run(gpu_day, monkeypatch, out: Path, minutes: float, found: dict) -> tuple[int, str]:
    monkeypatch.setattr(gpu_day, 'steps_of', lambda args: found)
    args = type('', (), dict(minutes=minutes, out=out, stage='right'))
    return gpu_day.run_stage(args), (out / 'right' / 'table.md').read_text()


def test_a_stage_goes_on_where_time_was_up(gpu_day, monkeypatch, tmp_path):
    status, table = run(gpu_day, monkeypatch, tmp_path, 0.05, steps(gpu_day, 0, 60, 0))
    assert status == 1
    assert 'step0' not in table
    assert 'not done: time is up' in table
    assert 'not run: time is up' in table
    status, table = run(gpu_day, monkeypatch, tmp_path, 5, steps(gpu_day, 60, 0, 0))
    assert status == 0
    assert 'time is up' not in table


def test_a_step_that_fails_stops_no_other(gpu_day, monkeypatch, tmp_path):
    found = steps(gpu_day, broken=True) | steps(gpu_day, 0)
    status, table = run(gpu_day, monkeypatch, tmp_path, 5, found)
    assert status == 1
    assert 'failed with exit status 3' in table
    assert (tmp_path / 'right' / 'step0.json').is_file()


def test_trunks_come_back_in_pieces(gpu_day, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(gpu_day, 'PIECE', 3000)
    weights = {'conv.weight': torch.randn(40, 50), 'counter': torch.tensor(7)}
    cell = tmp_path / 'grid' / 'cells' / 'abc123' / 'work'
    cell.mkdir(parents=True)
    torch.save({'state_dict': weights, 'meta': {'source': 'there'}}, cell / 'initialisation.pth')
    gpu_day.pack_trunks(tmp_path / 'true' / 'trunks.json', tmp_path / 'grid')
    packed = json.loads((tmp_path / 'true' / 'trunks.json').read_text())
    pieces = sorted((tmp_path / 'true' / 'trunks').iterdir())
    assert packed == dict(trunks=['abc123'], pieces=len(pieces))
    assert len(pieces) > 1
    assert all(piece.stat().st_size <= 3000 for piece in pieces)
    gpu_day.unpack(tmp_path / 'true' / 'trunks')
    found = torch.load(tmp_path / 'true' / 'trunks' / 'abc123.pth', weights_only=True)
    assert found['meta'] == {'source': 'there'}
    assert torch.equal(found['state_dict']['conv.weight'], weights['conv.weight'].half())
    assert torch.equal(found['state_dict']['counter'], weights['counter'])


@pytest.mark.skipif(
    any(distributions(name='mmengine')),
    reason="what is packed are the maintained forks, and here upstream's are installed",
)
def test_what_the_machine_lacks_is_packed_and_no_more(gpu_day):
    names = {entry.split('==')[0] for entry in gpu_day.packages()}
    assert {'onedl-mmengine', 'onedl-mmcv', 'onedl-mmsegmentation', 'onedl-mmpretrain', 'pydantic', 'rich'} <= names
    assert not names & (gpu_day.THERE | {'ray', 'transformers'})
    assert not any(name.startswith('nvidia') for name in names)


def test_nothing_is_packed_where_a_pinned_package_is_not_installed(gpu_day, monkeypatch):
    def only_others(name: str) -> str:
        if name.startswith('onedl-'):
            raise PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(gpu_day, 'version', only_others)
    with pytest.raises(UserError, match='onedl-mm'):
        gpu_day.packages()


def test_mistakes_end_in_one_message(run_tool, monkeypatch):
    """Wrong paths are those of test_wrong_paths."""
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    status, _, errors = run_tool('benchmarks/gpu_day.py', 'unpack')
    assert status == 2
    assert 'Traceback' not in errors
    done = call('sideways')
    assert done.returncode == 2
    assert 'Traceback' not in done.stderr
