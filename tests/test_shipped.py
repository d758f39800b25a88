from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import sdp_plugin
from sdp_plugin.errors import UserError
from sdp_plugin.shipped import CONFIGS, config_path

ROOT = Path(__file__).resolve().parents[1]
PCAM = 'finetune/resnet34_1xb32-100e_pcam'


@pytest.mark.parametrize('name', [PCAM, f'{PCAM}.py', f'configs/{PCAM}.py'])
def test_a_config_is_found_by_name_from_anywhere(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert config_path(name) == CONFIGS / f'{PCAM}.py'
    assert sdp_plugin.get_config(name, dict(seed=3)).randomness.seed == 3


def test_a_file_of_ones_own_comes_first(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    mine = tmp_path / f'{PCAM}.py'
    mine.parent.mkdir()
    mine.write_text('lr = 1')
    assert config_path(f'{PCAM}.py') == Path(f'{PCAM}.py')


def test_a_misspelt_name():
    with pytest.raises(UserError, match='did you mean finetune/resnet34_1xb32-100e_pcam'):
        config_path('finetune/resnet34_1xb32-100e_pcm')


@pytest.fixture(scope='module')
def wheel(tmp_path_factory) -> Path:
    """The wheel, made from the source distribution, unpacked."""
    out = tmp_path_factory.mktemp('dist')
    command = [sys.executable, '-m', 'build', '--no-isolation', '--outdir', str(out), str(ROOT)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    assert len(list(out.glob('*.tar.gz'))) == 1
    with zipfile.ZipFile(next(out.glob('*.whl'))) as archive:
        archive.extractall(out / 'site')
    return out / 'site'


@pytest.mark.slow
def test_a_wheel_is_used_from_anywhere(wheel, tmp_path):
    """A clone is not needed: the wheel has the configs, the tools, the demo's tiles and the report's templates."""
    mim = wheel / 'sdp_plugin' / '.mim'
    for folder in ('configs', 'tools'):
        wanted = {path.relative_to(ROOT) for path in (ROOT / folder).glob('*.py' if folder == 'tools' else '**/*.py')}
        assert wanted == {path.relative_to(mim) for path in (mim / folder).rglob('*.py')}
    assert (mim / 'model-index.yml').is_file()
    environment = {'PYTHONPATH': str(wheel), 'PATH': '/usr/bin:/bin', 'HOME': str(tmp_path)}

    def run(*arguments: object) -> str:
        command = [sys.executable, *map(str, arguments)]
        done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=environment)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = run('-c', f'import sdp_plugin; print(sdp_plugin.__file__); print(sdp_plugin.get_config({PCAM!r}).filename)')
    assert where.split() == [str(wheel / 'sdp_plugin' / '__init__.py'), str(mim / 'configs' / f'{PCAM}.py')]
    assert 'written in' in run(mim / 'tools' / 'make_demo_data.py', 'data', '--voc-train', 7, '--voc-val', 1)
    # What is planned names data that are there and a config of the wheel; nothing of the clone.
    plan = run(mim / 'tools' / 'run_grid.py', 'grids/demo', '--dry-run')
    assert str(ROOT) not in plan
