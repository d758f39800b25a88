from __future__ import annotations

from dataclasses import replace

import pytest

from sdp_plugin.grid.records import Cell
from sdp_plugin.grid.store import read_grid
from sdp_plugin.report.build import build_report
from sdp_plugin.report.standing import durations_of, notices_of, standing_of, versions_of
from sdp_plugin.statistics import Interval


@pytest.fixture(scope='module')
def standing(troubled):
    return standing_of(read_grid(troubled[0]))


@pytest.mark.parametrize(
    ('state', 'key', 'reason'),
    [
        ('failed', 'failed', 'OutOfMemoryError'),
        ('running', 'running', 'worker-1'),
        ('missing', 'missing', ''),
        ('unrunnable', 'unrunnable', '35 images of EMPTY'),
    ],
)
def test_each_cell_without_result_is_in_its_list(troubled, standing, state, key, reason):
    record = read_grid(troubled[0])
    title = next(cell.title for cell in record.cells if cell.id == troubled[1][key])
    found = getattr(standing, state)
    assert [trouble.title for trouble in found] == [title]
    assert reason in found[0].reason


def test_counts_add_up(standing):
    parts = (standing.running, standing.failed, standing.unrunnable, standing.missing)
    assert standing.done + sum(map(len, parts)) == standing.total == 99
    assert not standing.complete


def test_results_that_the_plan_no_longer_has_are_stale(standing):
    assert [trouble.title for trouble in standing.stale] == ['PCam 1000 · Random · of an earlier plan']


def test_what_needs_a_failed_pre_training_is_not_runnable(record):
    training = next(cell for cell in record.cells if cell.kind == 'pretraining')
    needy = [cell for cell in record.cells if cell.needs == training.id]
    results = {id: r for id, r in record.results.items() if id not in {training.id, needy[0].id}}
    failure = type('Failure', (), {'cell': training, 'error': 'x', 'traceback': '', 'machine': {}, 'failed': ''})()
    standing = standing_of(replace(record, results=results, failures={training.id: failure}))
    assert [trouble.title for trouble in standing.unrunnable] == [needy[0].title]
    assert standing.missing == ()


def test_a_complete_grid_has_nothing_amiss(report):
    assert report.standing.complete
    assert report.problems == ()


def test_files_and_values_left_out_are_named(troubled):
    report = build_report(read_grid(troubled[0]))
    assert len(report.problems) == 2
    assert 'accuracy' in report.problems[0]
    assert 'auroc is nan' in report.problems[1]


def test_mixed_versions_are_noticed(record):
    results = dict(record.results)
    id = next(iter(results))
    results[id] = replace(results[id], versions=results[id].versions | {'torch': '2.1.2'})
    record = replace(record, results=results)
    assert versions_of(record)['torch'] == {'2.1.2': 1, '2.13.0': 98}
    assert any('2.1.2' in notice for notice in build_report(record).notices)


@pytest.mark.parametrize('of_variant', [False, True])
def test_changed_settings_are_noticed_beside_the_paper(record, of_variant):
    changed = {'finetune_options': {'max_epochs': 2, 'data_root': 'x'}}
    plan = replace(record.plan, grid={**record.plan.grid, **({'variants': {'': changed}} if of_variant else changed)})
    notices = build_report(replace(record, plan=plan)).notices
    assert any('max_epochs=2' in notice and 'data_root' not in notice for notice in notices)


@pytest.mark.parametrize(('card', 'is_said'), [('phikon-v2', True), ('uni', False)])
def test_a_foundation_model_that_may_have_seen_the_test_data_is_named(record, card, is_said):
    grid = record.plan.grid
    models = {**grid['initialisations'], 'Theirs': dict(card=card)}
    notices = build_report(replace(record, plan=replace(record.plan, grid=grid | dict(initialisations=models)))).notices
    assert any('Theirs may have seen slides of PCam' in notice for notice in notices) == is_said


@pytest.mark.parametrize('options', [{}, {'fold': 0}, {'batch_norm_images': 8}, {'fold': 0, 'batch_norm_images': 8}])
def test_statistics_of_images_that_other_folds_test_are_noticed(record, options):
    cell = Cell('f' * 12, 'features', 'features of CRC', 'crc.py', options, dataset='CRC')
    plan = replace(record.plan, cells=[*record.plan.cells, cell])
    notices = notices_of(replace(record, plan=plan), 'accuracy/top1', (), ())
    assert any('test images of the others' in notice for notice in notices) == (len(options) == 2)


@pytest.mark.parametrize(('low', 'is_said'), [(-1.0, True), (1.0, False)])
def test_differences_that_other_test_images_need_not_show_are_noticed(record, report, low, is_said):
    block, interval = report.comparisons[0], Interval(low, 9.0, 0.95, 'runs by images')
    rows = [replace(row, images=interval, claim=replace(row.claim, verdict='higher')) for row in block.rows[:2]]
    rows.append(replace(rows[0], images=Interval(2.0, 9.0, 0.95, 'runs by images')))
    notices = notices_of(record, report.metric, report.entries, [replace(block, rows=tuple(rows))])
    assert any('2 of the 3 differences' in notice for notice in notices) == is_said


def test_durations_are_sums(record):
    assert durations_of(record)['pretraining'] == {'start_up': 27.0, 'train': 16200.0, 'test': 240.0}


def test_one_pretraining_is_said_to_be_one(report):
    assert any('not what another pre-training would' in notice for notice in report.notices)
