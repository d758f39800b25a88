from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time

import pytest
from synthetic import SMALL, Shape, cells_of, grid_config, write_grid, write_plan

FILES = {'index.html', 'table.md', 'table.tex', 'results.csv', 'results.json'}
MEBIBYTE = 2**20


@pytest.fixture
def copy(work_dir, tmp_path):
    shutil.copytree(work_dir, tmp_path / 'copy')
    return tmp_path / 'copy'


def test_all_forms_are_written(run_tool, copy):
    status, printed, errors = run_tool('report.py', copy)
    assert (status, errors) == (0, '')
    assert {path.name for path in (copy / 'report').iterdir()} == FILES
    assert '99 of 99 trainings done' in printed
    assert 'index.html' in printed


def test_another_folder_and_metric(run_tool, copy, tmp_path):
    status, _, _ = run_tool('report.py', copy, '--out', tmp_path / 'out', '--metric', 'single-label/auroc')
    assert status == 0
    values = json.loads((tmp_path / 'out' / 'results.json').read_text())
    assert values['metrics'] == ['single-label/auroc']
    assert not (copy / 'report').exists()


def test_a_second_report_replaces_the_first(run_tool, copy):
    run_tool('report.py', copy)
    shutil.rmtree(next((copy / 'cells').iterdir()))
    run_tool('report.py', copy)
    assert '98 of 99' in (copy / 'report' / 'table.md').read_text()


def test_a_plan_without_any_result(run_tool, tmp_path):
    write_plan(tmp_path, grid_config(SMALL), cells_of(SMALL))
    status, printed, errors = run_tool('report.py', tmp_path)
    assert (status, errors) == (0, '')
    assert '0 of 99 trainings done, 99 missing' in printed
    assert {path.name for path in (tmp_path / 'report').iterdir()} == FILES


def no_grid(folder):
    (folder / 'grid.json').unlink()


def no_folder(folder):
    shutil.rmtree(folder)


def spoilt_plan(folder):
    (folder / 'grid.json').write_text('{"format": 1, "cells"')


def no_cell(folder):
    write_plan(folder, grid_config(SMALL), [])


def only_pre_trainings(folder):
    write_plan(folder, grid_config(SMALL), [cell for cell in cells_of(SMALL) if cell.kind == 'pretraining'])


def spoilt_result(folder):
    path = next((folder / 'cells').glob('*/result.json'))
    path.write_text(path.read_text()[:50])


def unknown_published_table(folder):
    write_plan(folder, grid_config(SMALL) | {'published': 'nobody'}, cells_of(SMALL))


@pytest.mark.parametrize(
    ('spoil', 'words'),
    [
        (no_grid, 'grid.json'),
        (no_folder, 'grid.json'),
        (spoilt_plan, 'grid.json'),
        (no_cell, 'no fine-tuning'),
        (only_pre_trainings, 'no fine-tuning'),
        (unknown_published_table, 'nobody'),
    ],
)
def test_what_cannot_be_reported_is_one_error(run_tool, copy, spoil, words):
    spoil(copy)
    status, _, errors = run_tool('report.py', copy)
    assert status == 2
    assert errors.count('error: ') == 1
    assert 'Traceback' not in errors
    assert words in errors
    assert not (copy / 'report').exists()


def test_a_spoilt_result_does_not_cost_the_others_their_report(run_tool, copy):
    spoilt_result(copy)
    status, printed, errors = run_tool('report.py', copy)
    assert status == 1
    assert '98 of 99 trainings done, 1 unreadable\n' in printed
    assert errors.startswith('left out: A file of the grid cannot be read. found:')
    for name in ('index.html', 'table.md', 'results.csv', 'results.json'):
        assert 'result.json' in (copy / 'report' / name).read_text().replace('\\', '')


def no_scores(folder):
    (folder / 'scores.npz').unlink()


def half_the_scores(folder):
    (folder / 'scores.npz').write_bytes((folder / 'scores.npz').read_bytes()[:100])


def no_metrics(folder):
    change_metrics(folder, {})


def no_number(folder):
    change_metrics(folder, {'accuracy/top1': float('nan')})


def change_metrics(folder, metrics):
    path = folder / 'result.json'
    path.write_text(json.dumps(json.loads(path.read_text()) | {'metrics': metrics}))


@pytest.mark.parametrize('spoil', [no_scores, half_the_scores, no_metrics, no_number])
def test_what_is_left_out_does_not_count_as_done(run_tool, copy, spoil):
    spoil(next(path.parent for path in sorted((copy / 'cells').glob('*/scores.npz'))))
    status, printed, errors = run_tool('report.py', copy)
    assert status == 1
    assert '98 of 99 trainings done, 1 left out\n' in printed
    assert errors.splitlines()
    assert all(line.startswith('left out: ') for line in errors.splitlines())
    assert '98 of 99' in (copy / 'report' / 'table.md').read_text()
    assert json.loads((copy / 'report' / 'results.json').read_text())['standing']['left_out'] == 1


def test_an_unknown_metric_is_one_error(run_tool, copy):
    status, _, errors = run_tool('report.py', copy, '--metric', 'acuracy')
    assert status == 2
    assert 'acuracy' in errors
    assert 'accuracy/top1' in errors


def test_the_report_imports_no_torch():
    code = 'import sys, sdp_plugin.report; sys.exit("torch" in sys.modules or "mmseg" in sys.modules)'
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0


@pytest.mark.slow
def test_the_whole_table_takes_seconds_of_computing(run_tool, tmp_path):
    """240 cells with 32,768 or 500 test images.

    Processor time, as the tests may share the machine; four times what it takes alone, as sharing slows that as well.
    """
    write_grid(tmp_path, Shape())
    started = time.process_time()
    status, printed, _ = run_tool('report.py', tmp_path)
    assert status == 0
    assert '243 of 243' in printed
    assert time.process_time() - started < 20
    assert (tmp_path / 'report' / 'index.html').stat().st_size < MEBIBYTE
    markdown = (tmp_path / 'report' / 'table.md').read_text()
    assert 'does not compare' not in markdown
    assert markdown.count('; paper ') == 24
