from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.grid.store import load_scores, read_grid
from sdp_plugin.report.build import build_report
from sdp_plugin.report.comparisons import comparisons_of, margin_of
from sdp_plugin.report.model import Column
from sdp_plugin.report.reading import read_runs
from sdp_plugin.statistics import compare_paired, holm, runs_by_images_interval

ACCURACY = 'accuracy/top1'
FIRST, SECOND = 'Scribble segmentation', 'Full segmentation'


def row_of(report, column, second=SECOND):
    block = next(block for block in report.comparisons if (block.first, block.second) == (FIRST, second))
    return next(row for row in block.rows if row.column == column)


def values(report, name, column):
    return [value.value for value in report.entry('', name, column).summaries[ACCURACY].values]


@pytest.mark.parametrize(
    ('column', 'ratio', 'margin'), [(Column('PCam', 1000), None, 1.0), (Column('CRC', 50), 1 / 3, 2.0)]
)
def test_comparison_is_that_of_the_pairs(report, column, ratio, margin):
    first, second = values(report, FIRST, column), values(report, SECOND, column)
    row = row_of(report, column)
    assert row.comparison == compare_paired(first, second, test_train_ratio=ratio, margin=margin)
    assert [value.value for value in row.differences] == [a - b for a, b in zip(first, second, strict=True)]


def test_p_values_are_adjusted_over_the_cells_of_a_comparison(report):
    rows = report.comparisons[0].rows
    assert len(rows) == 6
    assert [row.claim.p for row in rows] == holm([row.comparison.test.p for row in rows])


def test_differences_have_an_interval_over_runs_and_images(record, report):
    column = Column('PCam', 3000)
    correct = {}
    for cell in sorted(record.cells, key=lambda cell: cell.seed or 0):
        if (cell.dataset, cell.examples_per_class) == ('PCam', 3000):
            arrays = load_scores(record.work_dir, cell.id)
            right = (arrays['predictions'] == arrays['labels']).astype(float)
            correct.setdefault(cell.initialisation, []).append(right)
    difference = np.array(correct[FIRST]) - np.array(correct[SECOND])
    interval = row_of(report, column).images
    wanted = runs_by_images_interval(difference)
    assert (interval.low, interval.high) == pytest.approx((wanted.low, wanted.high), abs=1e-4)
    assert row_of(report, Column('CRC', 12)).images is None


def test_claims_say_what_is_known_of_other_test_images(record):
    table = read_runs(record)
    runs = [
        replace(run, metrics={**run.metrics, ACCURACY: 5.0 + run.seed})
        if run.position.initialisation == SECOND and run.is_done
        else run
        for run in table.runs
    ]
    rows = comparisons_of(replace(table, runs=runs), ACCURACY, table.columns)[0].rows
    assert {row.claim.verdict for row in rows} == {'higher'}
    for row in rows:
        said = 'Over other test images as well, 95 % interval'
        assert (said in row.claim.text) == (row.images is not None) == (row.column.dataset == 'PCam')


def test_margins_hold_for_the_metric_they_were_set_for(record):
    report = build_report(record, ['single-label/auroc'])
    assert row_of(report, Column('PCam', 1000)).comparison.margin is None
    assert any('equivalence is not tested' in notice for notice in report.notices)


def test_pairs_are_checked(troubled):
    folder, amiss = troubled
    record = read_grid(folder)
    report = build_report(record)
    spoilt = next(cell for cell in record.cells if cell.id == amiss['other images'])
    row = row_of(report, Column(spoilt.dataset, spoilt.examples_per_class), second='Classification')
    reasons = [reason for _, reason in row.unpaired]
    assert [reason for reason in reasons if reason.startswith('other training images')]
    assert row.comparison.n == 4 - len(reasons)
    assert any('not comparable' in notice for notice in report.notices)


def test_two_initialisations_that_never_meet(record):
    plan = replace(record.plan, grid={**record.plan.grid, 'comparisons': [{'first': FIRST, 'second': 'Other'}]})
    assert build_report(replace(record, plan=plan)).comparisons[0].rows == ()


@pytest.mark.parametrize(('margin', 'wanted'), [({'PCam': 1.0}, 1.0), ({'CRC': 2.0}, None), (1.5, 1.5), (None, None)])
def test_margins_are_for_all_or_for_each_data_set(margin, wanted):
    assert margin_of({'margin': margin}, 'PCam') == wanted


@pytest.mark.parametrize('margin', [0, -1, 'two', float('nan')])
def test_margins_that_are_none(margin):
    with pytest.raises(UserError, match='margin'):
        margin_of({'margin': margin}, 'PCam')
