from __future__ import annotations

from dataclasses import replace

import pytest
from markup import read_markup
from synthetic import SMALL, write_grid

from sdp_plugin.grid.records import PRETRAINING
from sdp_plugin.grid.store import read_grid
from sdp_plugin.report import pictures
from sdp_plugin.report.build import build_report
from sdp_plugin.report.model import Column, Row
from sdp_plugin.report.page import render_page
from sdp_plugin.report.reading import read_runs
from sdp_plugin.report.text import to_csv, to_markdown
from sdp_plugin.statistics import compare_paired

PROBES = ('logistic regression', 'SimpleShot')
COLUMN = Column('PCam', 1000)


@pytest.fixture(scope='module')
def with_probes(tmp_path_factory):
    folder = tmp_path_factory.mktemp('probes')
    names = {name: name for name in ('Random', 'Scribble segmentation')}
    write_grid(folder, replace(SMALL, repeats=2, initialisations=names, probes=PROBES))
    return read_grid(folder)


def values(report, name, method):
    return [value.value for value in report.entry('', name, COLUMN, method).summaries[report.metric].values]


def test_a_run_for_each_cell_but_pre_trainings(record):
    table = read_runs(record)
    tested = [cell for cell in record.cells if cell.kind != PRETRAINING]
    assert [run.cell for run in table.runs] == [cell.id for cell in tested]
    assert [(run.repeat, run.fold, run.seed) for run in table.runs] == [(c.repeat, c.fold, c.seed) for c in tested]
    assert all(run.metrics.items() >= record.results[run.cell].metrics.items() for run in table.runs)
    assert all(run.place.endswith(f'seed {run.seed}') for run in table.runs)


def test_runs_without_a_result_are_rows_as_well(record):
    table = read_runs(replace(record, results={}))
    assert (len(table.runs), table.done) == (96, [])
    assert not any(run.metrics or run.curve or run.scores for run in table.runs)


def test_probes_are_rows_below_the_fine_tunings(with_probes):
    report = build_report(with_probes)
    assert [row.label for row in report.rows] == [
        'Random',
        'Scribble segmentation',
        *(f'{name}, {method}' for method in PROBES for name in ('Random', 'Scribble segmentation')),
    ]
    assert len(report.entries) == 6 * 6
    cells = [value.cell for entry in report.entries for value in entry.summaries[report.metric].values]
    assert len(set(cells)) == len(cells) == 6 * 6 * 2


def test_probes_have_panels_of_their_own_and_no_learning_curves(with_probes):
    report = build_report(with_probes)
    titles = [panel.title for panel in pictures.accuracy_panels(report)]
    assert titles[3:] == ['PCam', 'PCam, logistic regression', 'PCam, SimpleShot']
    assert {curve.method for curve in report.learning} == {'fine-tuning'}
    assert {curve.method for curve in report.roc} == {'fine-tuning', *PROBES}
    markup = read_markup(render_page(report))
    assert markup.problems == []
    assert [id for id, count in markup.ids.items() if count > 1] == []
    assert 'Scribble segmentation, SimpleShot' in markup.text
    assert 'Time, probes' in markup.text
    assert 'Scribble segmentation, SimpleShot' in to_markdown(report)
    assert ',SimpleShot,' in to_csv(with_probes)


def test_probes_are_no_results_of_the_paper(with_probes):
    report = build_report(with_probes)
    assert report.entry('', 'Random', COLUMN).published
    assert not report.entry('', 'Random', COLUMN, 'SimpleShot').published


def test_comparisons_are_within_each_method_unless_they_name_two(with_probes):
    grid = dict(with_probes.plan.grid)
    methods = ['SimpleShot', 'fine-tuning']
    grid['comparisons'] = [*grid['comparisons'], {'first': 'Random', 'second': 'Random', 'methods': methods}]
    report = build_report(replace(with_probes, plan=replace(with_probes.plan, grid=grid)))
    assert [(block.first, block.second) for block in report.comparisons] == [
        ('Scribble segmentation', 'Random'),
        *((f'Scribble segmentation, {method}', f'Random, {method}') for method in PROBES),
        ('Random, SimpleShot', 'Random'),
    ]
    row = next(row for row in report.comparisons[-1].rows if row.column == COLUMN)
    sides = (values(report, 'Random', 'SimpleShot'), values(report, 'Random', 'fine-tuning'))
    assert row.comparison == compare_paired(*sides)
    assert row.images is not None


def test_a_grid_of_probes_alone_is_reported(with_probes):
    cells = [cell for cell in with_probes.cells if cell.method]
    report = build_report(replace(with_probes, plan=replace(with_probes.plan, cells=cells)))
    assert report.rows[0] == Row('Random', 'logistic regression')
    assert report.learning == ()
    assert read_markup(render_page(report)).problems == []
