"""The one command that runs all benchmarks, on generated data: it runs, and its table holds what was measured."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).parents[2] / 'tools' / 'benchmarks'
# Not of speed beside a peer.
OF_OTHER_THINGS = {
    'agreement',
    'gpu_day',
    'profile_epoch',
    'loops_grid',
    'loops_accuracy',
    'load_scribbles',
    'label_free_crops',
    'trunk_step',
    'probes',
    'slide_memory',
    'slide_tiles',
}
PLACE = 'Before.\n<!-- benchmarks: begin -->\nof yesterday\n<!-- benchmarks: end -->\nAfter.\n'


def run_all(small_data, out: Path, *arguments: object) -> subprocess.CompletedProcess:
    command = [sys.executable, BENCHMARKS / 'run_all.py', '--quick', '--out', out]
    data = ['--pcam', small_data.pcam, '--voc', small_data.voc, '--scribbles', small_data.scribbles]
    return subprocess.run([*map(str, [*command, *data, *arguments])], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_all_run_and_the_table_takes_its_place(small_data, tmp_path):
    readme = tmp_path / 'README.md'
    readme.write_text(PLACE)
    done = run_all(small_data, tmp_path / 'out', '--readme', readme)
    assert done.returncode == 0, done.stderr
    reports = {path.stem: json.loads(path.read_text()) for path in (tmp_path / 'out').glob('*.json')}
    scripts = {path.stem for path in BENCHMARKS.glob('*.py')}
    assert scripts - set(reports) == {'run_all', 'measuring', *OF_OTHER_THINGS}
    text = readme.read_text()
    assert text.startswith('Before.\n')
    assert text.endswith('\nAfter.\n')
    assert 'of yesterday' not in text
    assert all(f'`{name}.py`' in text for name in reports)
    speed = reports['finetuning']['sides']['ours, float32']['images_a_second']['median']
    assert f'{speed:,.1f}' in text
    assert text.split('-->\n')[1].split('\n<!--')[0] + '\n' == (tmp_path / 'out' / 'table.md').read_text()


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (['--only', 'augmentation'], 'A benchmark has not run.'),
        (['--voc', 'nowhere'], 'There is no such folder.'),
        (['--readme', 'nowhere.md'], 'There is no place for the table.'),
    ],
)
def test_mistakes_end_in_one_message_before_anything_is_measured(small_data, tmp_path, arguments, message):
    done = run_all(small_data, tmp_path / 'out', *arguments)
    assert done.returncode == 2
    assert message in done.stderr
    assert 'Traceback' not in done.stderr
    assert not (tmp_path / 'out').exists()


@pytest.mark.slow
def test_a_slide_of_a_quarter_of_a_gigabyte_takes_less_memory(tmp_path):
    """Of one level, so that all of it is read twice; the libraries take most of what is held."""
    out = tmp_path / 'memory.json'
    command = [BENCHMARKS / 'slide_memory.py', '--width', 12000, '--height', 9000, '--folder', tmp_path, '--out', out]
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    report = json.loads(out.read_text())
    assert report['tiles'] > 700
    assert report['peak_megabytes'] - report['megabytes_before'] < 450
    assert not list(tmp_path.glob('tmp*'))
