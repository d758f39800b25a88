from __future__ import annotations

from dataclasses import replace
from statistics import mean, stdev

import numpy as np
import pytest

from sdp_plugin.grid.store import load_scores
from sdp_plugin.report import table_entries as summaries
from sdp_plugin.report.model import Column, Position
from sdp_plugin.report.reading import read_runs
from sdp_plugin.report.runs import Run, RunTable
from sdp_plugin.statistics import corrected_interval, runs_by_images_interval, t_interval
from sdp_plugin.statistics.published import TEH2022, published_table

ACCURACY = 'accuracy/top1'


def runs(record, dataset, size, name):
    cells = [c for c in record.cells if (c.dataset, c.examples_per_class, c.initialisation) == (dataset, size, name)]
    return sorted(cells, key=lambda cell: cell.seed)


def accuracies(record, *place):
    return [record.results[cell.id].metrics[ACCURACY] for cell in runs(record, *place)]


def test_values_mean_and_sample_deviation(record, report):
    summary = report.entry('', 'Random', Column('PCam', 2000)).summaries[ACCURACY]
    values = accuracies(record, 'PCam', 2000, 'Random')
    assert [value.value for value in summary.values] == values
    assert (summary.mean, summary.sd) == pytest.approx((mean(values), stdev(values)))


def test_interval_of_runs_with_common_test_images_is_over_runs_and_images(record, report):
    summary = report.entry('', 'Random', Column('PCam', 2000)).summaries[ACCURACY]
    scores = [load_scores(record.work_dir, cell.id) for cell in runs(record, 'PCam', 2000, 'Random')]
    correct = np.stack([arrays['predictions'] == arrays['labels'] for arrays in scores])
    assert summary.interval == runs_by_images_interval(correct)
    assert summary.beside == t_interval(accuracies(record, 'PCam', 2000, 'Random'))


def test_interval_of_folds_is_corrected_by_the_ratio_of_the_parts(record, report):
    summary = report.entry('', 'Random', Column('CRC', 25)).summaries[ACCURACY]
    values = accuracies(record, 'CRC', 25, 'Random')
    # Four folds: a test part is a third of a training part, however few tiles are labelled.
    assert summary.interval == corrected_interval(values, 1 / 3)
    assert summary.beside == t_interval(values)


def test_uneven_folds_give_their_own_ratio(record):
    cells = runs(record, 'CRC', 25, 'Random')
    results = dict(record.results)
    for cell, size in zip(cells, (10, 20, 30, 40), strict=True):
        results[cell.id] = replace(results[cell.id], subset=results[cell.id].subset | {'test_size': size})
    table = read_runs(replace(record, results=results))
    ratio = table.fold_ratio([run for run in table.runs if run.cell in {cell.id for cell in cells}])
    assert ratio == pytest.approx(mean([10 / 90, 20 / 80, 30 / 70, 40 / 60]))


def test_a_fold_without_runs_is_a_part_of_the_training_parts_all_the_same(record):
    table = read_runs(record)
    crc = [run for run in table.runs if run.position.column == Column('CRC', 25)]
    assert table.fold_ratio([run for run in crc if run.fold != 2]) == pytest.approx(1 / 3)


def test_without_scores_the_interval_is_over_the_runs(record):
    table = read_runs(record)
    table = RunTable([replace(run, scores=None) for run in table.runs], table.grid)
    entries = summaries.entries_of(table, (ACCURACY,), None)
    entry = next(e for e in entries if e.column == Column('PCam', 1000) and e.initialisation == 'Random')
    assert entry.summaries[ACCURACY].interval == t_interval(accuracies(record, 'PCam', 1000, 'Random'))


def test_runs_with_other_test_images_are_not_stacked(record):
    cell = runs(record, 'PCam', 1000, 'Random')[0]
    results = dict(record.results)
    results[cell.id] = replace(results[cell.id], subset=results[cell.id].subset | {'test_digest': 'another'})
    entries = summaries.entries_of(read_runs(replace(record, results=results)), (ACCURACY,), None)
    entry = next(e for e in entries if e.column == Column('PCam', 1000) and e.initialisation == 'Random')
    assert 'bootstrap' not in entry.summaries[ACCURACY].interval.method


def test_parts_of_the_data_do_not_compare_with_the_paper(report):
    published = report.entry('', 'Random', Column('PCam', 1000)).published
    assert published.cell.mean == 79.37
    assert published.difference is None
    assert '60 images' in published.obstacle


def test_the_official_test_sizes_compare(record, monkeypatch):
    monkeypatch.setattr(summaries, 'OFFICIAL_TEST_SIZES', {'PCam': 60, 'CRC': 40})
    entries = summaries.entries_of(read_runs(record), (ACCURACY,), TEH2022)
    entry = next(e for e in entries if e.column == Column('CRC', 50) and e.initialisation == 'Full segmentation')
    assert entry.published.difference == pytest.approx(entry.summaries[ACCURACY].mean - 81.40)


@pytest.mark.parametrize(
    ('method', 'test_size', 'obstacle'),
    [
        ('logistic regression', 32_768, 'gradient descent'),
        ('logistic regression', 900, 'gradient descent'),
        ('SimpleShot', 32_768, None),
    ],
)
def test_probes_of_another_protocol_are_shown_beside_ours_without_a_difference(method, test_size, obstacle):
    metric = 'single-label/balanced-accuracy'
    runs = [
        Run(
            Position('', Column('PCam', 10), 'Ours', method),
            'probe', 'id', 'title', seed, None, seed, is_done=True, metrics={metric: 90.0},
            subset={'test_size': test_size}, number=seed,
        )
        for seed in range(2)
    ]  # fmt: skip
    table = RunTable(runs, {'initialisations': {'Ours': {'card': 'uni2-h'}}})
    (entry,) = summaries.entries_of(table, [metric], published_table('eva'))
    if obstacle is None:
        assert entry.published is None
    else:
        assert (entry.published.cell.mean, entry.published.difference) == (88.7, None)
        assert obstacle in entry.published.obstacle
