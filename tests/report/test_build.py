from __future__ import annotations

from dataclasses import replace

import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.report.build import build_report
from sdp_plugin.report.model import Column, label_of

DATASETS = ('PCam', 'CRC')


def test_columns_are_in_the_order_of_the_paper_where_it_is_beside(record):
    with_paper = build_report(record)
    plan = replace(record.plan, grid={**record.plan.grid, 'published': None})
    without = build_report(replace(record, plan=plan))
    assert [column.dataset for column in with_paper.columns] == ['CRC'] * 3 + ['PCam'] * 3
    assert [column.dataset for column in without.columns] == ['PCam'] * 3 + ['CRC'] * 3


def test_sizes_rise_from_left_to_right_with_all_last_whatever_the_order_of_the_plan(record):
    sizes = {1000: None, 2000: 10, 3000: 300}
    cells = [
        replace(cell, examples_per_class=sizes.get(cell.examples_per_class, cell.examples_per_class))
        for cell in record.plan.cells
    ]
    for order in (cells, cells[::-1]):
        plan = replace(record.plan, cells=tuple(order), grid={**record.plan.grid, 'published': None})
        columns = build_report(replace(record, plan=plan)).columns
        found = {name: [column.examples_per_class for column in columns if column.dataset == name] for name in DATASETS}
        assert found == {'PCam': [10, 300, None], 'CRC': [12, 25, 50]}


def test_entries_are_in_the_order_of_the_table(report):
    assert [(entry.column, entry.initialisation) for entry in report.entries] == [
        (column, name) for column in report.columns for name in report.initialisations
    ]


def test_metrics_are_that_of_the_grid_and_those_that_were_measured(record):
    assert build_report(record).metrics == (
        'accuracy/top1',
        'single-label/balanced-accuracy',
        'single-label/auroc',
    )
    plain = {id: replace(result, metrics={'accuracy/top1': 50.0}) for id, result in record.results.items()}
    assert build_report(replace(record, results=plain)).metrics == ('accuracy/top1',)


def test_metrics_can_be_chosen(record):
    wanted = ['single-label/auroc', 'accuracy/top1']
    report = build_report(record, wanted)
    assert (report.metric, list(report.metrics)) == ('single-label/auroc', wanted)
    assert report.published is None
    with pytest.raises(UserError, match='acuracy'):
        build_report(record, ['acuracy'])


def test_a_grid_without_results_can_be_reported_of(record):
    report = build_report(replace(record, results={}))
    assert all(entry.summaries == {} for entry in report.entries)
    assert {row.claim.verdict for block in report.comparisons for row in block.rows} == {'untested'}
    assert len(report.standing.missing) == 99


@pytest.mark.parametrize(
    ('metric', 'label'),
    [('accuracy/top1', 'accuracy'), ('single-label/auroc', 'AUROC'), ('mine/mean_f1-score', 'mean f1 score')],
)
def test_metrics_have_names_for_people(metric, label):
    assert label_of(metric) == label


def test_columns_have_names_for_people():
    assert [Column('A', 1000).label, Column('A', None).label] == ['A 1,000', 'A all']
