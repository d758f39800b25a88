"""The work directory: results come last, whole and once, and whatever is spoilt is named."""

from __future__ import annotations

import errno
import json
import os
import re
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from toy_grid import GRID, NUM_TRAININGS

from sdp_plugin.errors import UserError
from sdp_plugin.grid import leases as claims
from sdp_plugin.grid import store
from sdp_plugin.grid.records import INITIALISATION, Outcome

SCORES = dict(log_scores=np.zeros((3, 2), np.float16), predictions=np.zeros(3, np.uint8), labels=np.ones(3, np.uint8))
OUTCOME = Outcome(
    metrics={'accuracy/top1': np.float32(75.0), 'single-label/auroc': 0.5},
    scores=SCORES,
    curve=[dict(step=1, loss=0.5, lr=0.1)],
    subset=dict(train_size=4),
    durations=dict(train=1.5),
    config_text='lr = 0.1\n',
)


@pytest.fixture
def cell(toy):
    return toy.planned().cells[-1]


def attempt(toy, cell, worker: str = 'me') -> claims.Claim:
    """A claim, which takes an earlier one over."""
    folder = store.cell_folder(toy.work_dir, cell.id)
    for path in folder.glob('claim.*'):
        os.utime(path, (0, 0))
    got = claims.claim(folder, claims.replace(claims.this_process(worker), host='elsewhere'))
    assert got
    return got


def files(toy, cell) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in store.cell_folder(toy.work_dir, cell.id).iterdir()}


def test_a_result_is_read_as_it_was_published(toy, cell):
    assert store.publish(cell, attempt(toy, cell), OUTCOME, wall=2.0)
    record = store.read_grid(toy.work_dir)
    result = record.results[cell.id]
    assert result.cell == cell
    assert result.metrics == {'accuracy/top1': 75.0, 'single-label/auroc': 0.5}
    assert (result.curve, result.subset) == (OUTCOME.curve, OUTCOME.subset)
    assert result.durations == {'train': 1.5, 'wall': 2.0}
    assert {'python', 'torch', 'sdp_plugin'} <= set(result.versions)
    assert set(result.machine) == {'host', 'processor', 'cores', 'device'}
    assert result.finished.endswith('+00:00')
    loaded = store.load_scores(toy.work_dir, cell.id)
    assert set(loaded) == set(SCORES)
    assert all((loaded[key] == SCORES[key]).all() and loaded[key].dtype == SCORES[key].dtype for key in SCORES)
    assert files(toy, cell)['config.py'] == b'lr = 0.1\n'
    assert (record.running, record.failures) == ({}, {})


def test_who_was_superseded_publishes_nothing(toy, cell):
    late = attempt(toy, cell, 'late')
    attempt(toy, cell, 'next')
    before = files(toy, cell)
    assert not store.publish(cell, late, OUTCOME, wall=1.0)
    assert files(toy, cell) == before
    store.record_failure(cell, late, ValueError('late'))
    assert files(toy, cell) == before


def test_who_wakes_up_between_two_writes_changes_nothing(toy, cell, monkeypatch):
    """It was stopped after it had looked at its claim, and finds another's result when it goes on."""
    late = attempt(toy, cell, 'late')
    successor = attempt(toy, cell, 'next')
    assert store.publish(cell, successor, OUTCOME, wall=1.0)
    before = files(toy, cell)
    monkeypatch.setattr(claims.Claim, 'is_held', lambda self: True)
    others = Outcome({'accuracy/top1': 1.0}, scores={'labels': np.arange(3)}, config_text='other')
    assert not store.publish(cell, late, others, wall=1.0)
    assert files(toy, cell) == before
    assert store.load_scores(toy.work_dir, cell.id).keys() == SCORES.keys()


def test_a_result_is_published_once_without_links_too(toy, cell, monkeypatch):
    def link(*args):
        raise OSError(errno.EPERM, 'no links here')

    monkeypatch.setattr(os, 'link', link)
    first = attempt(toy, cell)
    assert store.publish(cell, first, OUTCOME, wall=1.0)
    before = files(toy, cell)
    assert not store.publish(cell, first, OUTCOME, wall=9.0)
    assert files(toy, cell)['result.json'] == before['result.json']


@pytest.mark.parametrize('step', ['savez_compressed', 'write_text_atomically', 'create_exclusively'])
def test_killed_before_the_result_is_there(toy, cell, monkeypatch, step):
    """Whatever was written before, the cell counts as not done."""

    class Killed(BaseException):
        pass

    def die(*args, **kwargs):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(np if step == 'savez_compressed' else store, step, die)
        with pytest.raises(Killed):
            store.publish(cell, attempt(toy, cell), OUTCOME, wall=1.0)
    assert store.read_grid(toy.work_dir).results == {}
    assert store.publish(cell, attempt(toy, cell), OUTCOME, wall=1.0)
    assert len(store.load_scores(toy.work_dir, cell.id)['labels']) == 3


def test_the_initialisation_is_kept_beside_the_result(toy, cell):
    got = attempt(toy, cell)
    work = got.folder / 'work'
    work.mkdir()
    (work / 'weights.pth').write_bytes(b'weights')
    store.publish(cell, got, Outcome({}, files={INITIALISATION: work / 'weights.pth'}), wall=1.0)
    assert store.left_by(toy.work_dir, cell.id, INITIALISATION).read_bytes() == b'weights'
    store.left_by(toy.work_dir, cell.id, INITIALISATION).unlink()
    with pytest.raises(UserError, match='is gone: initialisation of'):
        store.left_by(toy.work_dir, cell.id, INITIALISATION)


def test_training_without_scores(toy, cell):
    store.publish(cell, attempt(toy, cell), Outcome({'mIoU': 1.0}), wall=1.0)
    assert store.load_scores(toy.work_dir, cell.id) == {}


NOT_RECORDS = ['', '{', '[]', '[' * 100_000, '{"format": 2}', '{"format": 1}', '{"format": 1, "cell": {"x": 1}}']
NOT_RECORDS += ['\udc80', '{"format": 1, "cell": "\udc80"}']


@pytest.mark.parametrize('text', NOT_RECORDS, ids=range(len(NOT_RECORDS)))
@pytest.mark.parametrize('name', [store.RESULT, store.FAILURE])
def test_a_spoilt_file_is_named_and_the_others_are_read(toy, cell, name, text):
    toy.run()
    path = store.cell_folder(toy.work_dir, cell.id) / name
    path.with_name(store.RESULT).unlink()
    path.write_text(text, errors='surrogateescape')
    record = store.read_grid(toy.work_dir)
    assert len(record.results) == NUM_TRAININGS - 1
    assert set(record.unreadable) == {cell.id}
    assert f'remove {path} and start the grid again' in record.unreadable[cell.id]
    path.unlink()
    os.utime(path.with_name('claim.0'), (0, 0))
    toy.run()
    assert len(store.read_grid(toy.work_dir).results) == NUM_TRAININGS


@pytest.mark.parametrize(
    ('field', 'value'),
    [
        ('metrics', ['accuracy']),
        ('metrics', {'accuracy/top1': 'high'}),
        ('curve', [{'step': 'first'}]),
        ('curve', {'step': 1}),
        ('subset', None),
        ('durations', {'wall': '1'}),
        ('machine', 'mine'),
        ('versions', {'torch': 2}),
        ('finished', 5),
        ('cell', {'id': 1}),
    ],
)
def test_a_field_of_another_type_is_named(toy, cell, field, value):
    store.publish(cell, attempt(toy, cell), OUTCOME, wall=1.0)
    path = store.cell_folder(toy.work_dir, cell.id) / store.RESULT
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    record = store.read_grid(toy.work_dir)
    assert record.results == {}
    assert f'{path}: {field}' in record.unreadable[cell.id]


def test_a_pipe_is_no_record(toy, cell):
    folder = store.cell_folder(toy.work_dir, cell.id)
    folder.mkdir(parents=True)
    os.mkfifo(folder / store.RESULT)
    assert 'no regular file' in store.read_grid(toy.work_dir).unreadable[cell.id]


def test_stray_files_among_the_cells_are_none(toy):
    toy.run()
    (toy.work_dir / 'cells' / '.DS_Store').write_bytes(b'\0\0\0\1Bud1')
    (toy.work_dir / 'cells' / 'lost+found').mkdir()
    (toy.work_dir / 'cells' / 'gone').symlink_to('nowhere')
    record = store.read_grid(toy.work_dir)
    assert len(record.results) == NUM_TRAININGS
    assert not record.unreadable
    assert not record.stale


def test_a_result_that_may_not_be_read_is_not_to_be_removed(toy, cell, monkeypatch):
    store.publish(cell, attempt(toy, cell), OUTCOME, wall=1.0)
    refused = OSError(errno.EACCES, 'Permission denied')
    monkeypatch.setattr(store, 'read_regular_file', lambda path, most: (_ for _ in ()).throw(refused))
    why = store.read_cells(toy.work_dir, toy.plan()).unreadable[cell.id]
    assert 'make it readable' in why
    assert 'remove' not in why


def test_a_spoilt_plan_is_written_anew_when_its_file_is_removed(toy):
    toy.run()
    (toy.work_dir / 'grid.json').write_text('{"format": 1, "cells"')
    with pytest.raises(UserError, match='writes it anew') as error:
        toy.planned()
    remedy = str(error.value).rpartition('remove ')[2]
    assert remedy.startswith(f'{toy.work_dir / "grid.json"} and start the grid again')
    (toy.work_dir / 'grid.json').unlink()
    toy.planned()
    assert len(store.read_grid(toy.work_dir).results) == NUM_TRAININGS


@pytest.mark.parametrize('text', ['', '{', '{"format": 1}', '{"format": 1, "grid": [], "cells": [3]}'])
def test_a_spoilt_plan_is_named(toy, text):
    toy.planned()
    (toy.work_dir / 'grid.json').write_text(text)
    with pytest.raises(UserError, match='cannot be read') as error:
        store.read_grid(toy.work_dir)
    assert 'grid.json' in str(error.value)


@pytest.mark.parametrize('spoil', [lambda path: path.write_bytes(path.read_bytes()[:50]), lambda path: path.unlink()])
def test_the_remedy_of_spoilt_scores_makes_the_grid_whole(toy, cell, run_tool, spoil):
    toy.run()
    path = store.cell_folder(toy.work_dir, cell.id) / 'scores.npz'
    sound = store.load_scores(toy.work_dir, cell.id)
    spoil(path)
    with pytest.raises(UserError, match=r'scores\.npz') as error:
        store.load_scores(toy.work_dir, cell.id)
    Path(re.search(r'what to do: remove (\S+) and start the grid again', str(error.value))[1]).unlink()
    os.utime(path.with_name('claim.0'), (0, 0))
    toy.run()
    assert toy.events('start')[cell.id] == 2
    assert all((array == sound[key]).all() for key, array in store.load_scores(toy.work_dir, cell.id).items())
    _, printed, errors = run_tool('report.py', toy.work_dir)
    assert 'cannot be read' not in printed + errors


def test_a_member_of_the_scores_that_is_no_array_is_named(toy, cell):
    store.publish(cell, attempt(toy, cell), OUTCOME, wall=1.0)
    path = store.cell_folder(toy.work_dir, cell.id) / 'scores.npz'
    with zipfile.ZipFile(path, 'a') as archive:
        archive.writestr('held', b'0, 1, 1')
    with pytest.raises(UserError, match='held is no array'):
        store.load_scores(toy.work_dir, cell.id)


def test_a_folder_without_a_grid_is_one_error(tmp_path):
    with pytest.raises(UserError, match='no grid'):
        store.read_grid(tmp_path)


def test_a_folder_holds_one_grid(toy):
    toy.planned()
    with pytest.raises(UserError, match='another grid'):
        toy.planned(name='other')


def test_results_of_another_plan_are_stale_and_kept(toy):
    toy.run()
    toy.write(GRID.replace("'lr': 0.2", "'lr': 0.3"))
    toy.planned()
    record = store.read_grid(toy.work_dir)
    assert len(record.stale) == 10
    assert {result.cell.initialisation for result in record.stale.values()} == {None, 'Full segmentation'}
    assert len(record.results) == NUM_TRAININGS - 10
    toy.run()
    assert len(store.read_grid(toy.work_dir).results) == NUM_TRAININGS


def test_what_runs_is_read(toy, cell):
    attempt(toy, cell, 'busy')
    record = store.read_grid(toy.work_dir)
    assert {cell_id: owner.worker for cell_id, owner in record.running.items()} == {cell.id: 'busy'}


def test_a_read_only_folder_can_be_read(toy, cell, monkeypatch):
    attempt(toy, cell)
    # The probe of the file system's clock cannot be written.
    monkeypatch.setattr(claims.uuid, 'uuid4', lambda: SimpleNamespace(hex='no/such/folder'))
    assert set(store.read_grid(toy.work_dir).running) == {cell.id}


def test_a_failure_that_is_forgotten_meanwhile_is_none(toy, cell, monkeypatch):
    got = attempt(toy, cell)
    store.record_failure(cell, got, ValueError('x'))
    names_in = store.names_in

    def then_forget(work_dir, cell_id):
        names = names_in(work_dir, cell_id)
        store.forget_failures(work_dir, [cell_id])
        return names

    monkeypatch.setattr(store, 'names_in', then_forget)
    assert store.read_grid(toy.work_dir).failures == {}


def test_user_errors_are_kept_as_people_read_them(toy, cell):
    store.record_failure(cell, attempt(toy, cell), UserError('No tiles.', found='an empty folder'))
    failure = store.read_grid(toy.work_dir).failures[cell.id]
    assert failure.error == 'No tiles.\n  found:      an empty folder'
    assert failure.cell == cell


def test_reading_a_large_grid_is_fast(toy):
    """240 cells with a curve of 100 epochs; on an idle core some 0.1 s."""
    toy.write(GRID.replace('repeats=3', 'repeats=38'))
    plan = toy.planned()
    assert len(plan.trainings) > 230
    outcome = Outcome({'accuracy/top1': 75.0}, curve=[dict(step=step, loss=0.5, lr=0.1) for step in range(100)])
    for cell in plan.trainings.values():
        got = claims.Claim(store.cell_folder(toy.work_dir, cell.id), 0, claims.this_process())
        got.folder.mkdir(parents=True)
        got.path.write_text('{}')
        store.publish(cell, got, outcome, wall=1.0)
    started = time.process_time()
    record = store.read_grid(toy.work_dir)
    assert time.process_time() - started < 0.5
    assert len(record.results) == len(plan.trainings)


def test_results_name_the_files_that_belong_to_them(toy, cell):
    attempt(toy, cell)
    assert store.publish(cell, attempt(toy, cell), OUTCOME, wall=1.0)
    values = json.loads(files(toy, cell)['result.json'])
    assert values['files'] == {'scores': 'scores.1.npz', 'config': 'config.1.py'}
    assert values['format'] == 1
    assert len(store.load_scores(toy.work_dir, cell.id)) == 3
