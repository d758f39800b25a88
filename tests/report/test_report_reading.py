from __future__ import annotations

import shutil
from dataclasses import replace

import numpy as np
import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.grid.store import load_scores, read_grid
from sdp_plugin.report.reading import _of_draw, read_runs


@pytest.fixture
def copy(work_dir, tmp_path):
    shutil.copytree(work_dir, tmp_path / 'copy')
    return tmp_path / 'copy'


def with_scores(table):
    return {run.cell for run in table.runs if run.scores}


def spoil(copy, change):
    record = read_grid(copy)
    cell = next(cell for cell in record.cells if (cell.dataset, cell.seed) == ('PCam', 1))
    arrays = load_scores(copy, cell.id)
    np.savez(copy / 'cells' / cell.id / 'scores.npz', **change(arrays))
    return cell


def test_all_scores_of_a_sound_grid_are_read(record):
    table = read_runs(record)
    assert (len(with_scores(table)), table.problems) == (96, [])


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        # Twice the images, with the same accuracy.
        (lambda arrays: {k: np.concatenate([v, v]) for k, v in arrays.items()}, '120 images'),
        (lambda arrays: {k: v[::-1] for k, v in arrays.items()}, 'labels are not those'),
        (lambda arrays: arrays | {'predictions': arrays['labels']}, '100.00'),
        (lambda arrays: {'labels': arrays['labels']}, 'no log_scores'),
    ],
    ids=['other number', 'other order', 'other accuracy', 'no array'],
)
def test_scores_that_do_not_fit_are_left_out_by_name(copy, change, words):
    cell = spoil(copy, change)
    table = read_runs(read_grid(copy))
    assert cell.id not in with_scores(table)
    assert len(with_scores(table)) == 95
    assert len(table.problems) == 1
    assert cell.title in table.problems[0]
    assert words in table.problems[0]


def test_half_a_file_is_left_out(copy):
    record = read_grid(copy)
    path = copy / 'cells' / record.cells[5].id / 'scores.npz'
    path.write_bytes(path.read_bytes()[:100])
    table = read_runs(read_grid(copy))
    assert (len(with_scores(table)), len(table.problems)) == (95, 1)


def test_a_draw_has_its_part_of_a_probes_arrays_and_of_its_images_held_aside():
    arrays = {
        'labels': np.arange(5),
        'lengths': np.array([2, 3]),
        'held_out_labels': np.arange(10, 14),
        'held_out_lengths': np.array([4, 0]),
    }
    parts = [{name: array.tolist() for name, array in _of_draw(arrays, number).items()} for number in (0, 1)]
    assert parts == [
        {'labels': [0, 1], 'held_out_labels': [10, 11, 12, 13]},
        {'labels': [2, 3, 4], 'held_out_labels': []},
    ]


@pytest.mark.parametrize('lengths', [np.array(3), np.array([2]), np.array([2.0, 3.0])])
def test_lengths_that_are_not_those_of_the_draws_are_one_error(lengths):
    with pytest.raises(UserError, match='not those of the draws'):
        _of_draw({'labels': np.arange(5), 'lengths': lengths}, 1)


@pytest.mark.parametrize('draws', [[], [{}], [{'metrics': {}, 'subset': {}}] * 3, [{'metrics': 3, 'subset': {}}] * 2])
def test_draws_that_are_not_those_of_the_plan_are_left_out_by_name(record, draws):
    cell = next(cell for cell in record.cells if cell.kind == 'finetuning')
    probe = replace(cell, kind='probe', method='SimpleShot', draws=((0, None, 0), (1, None, 1)))
    result = replace(record.results[cell.id], cell=probe, draws=draws)
    plan = replace(record.plan, cells=[probe])
    table = read_runs(replace(record, plan=plan, results={cell.id: result}))
    assert [run.is_done for run in table.runs] == [False, False]
    assert table.problems == [f'The draws of {cell.title} are left out: they are not those of the plan.']
