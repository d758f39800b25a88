from __future__ import annotations

import shutil

import numpy as np
import pytest

from sdp_plugin.grid.store import load_scores, read_grid
from sdp_plugin.report.reading import read_runs


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
