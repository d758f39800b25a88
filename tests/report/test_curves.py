from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from sdp_plugin.grid.store import load_scores
from sdp_plugin.report.curves import roc_curves
from sdp_plugin.report.model import Column
from sdp_plugin.report.reading import read_runs


def of(found, name, column):
    return next(item for item in found if (item.initialisation, item.column) == (name, column))


def runs(record, name, column):
    place = (column.dataset, column.examples_per_class, name)
    cells = [cell for cell in record.cells if (cell.dataset, cell.examples_per_class, cell.initialisation) == place]
    return sorted(cells, key=lambda cell: cell.seed)


def test_learning_curve_is_mean_and_range_of_the_runs(record, report):
    column = Column('PCam', 1000)
    curve = of(report.learning, 'Random', column)
    losses = np.array([[row['loss'] for row in record.results[c.id].curve] for c in runs(record, 'Random', column)])
    assert curve.x == tuple(range(1, 101))
    assert curve.mean == pytest.approx(losses.mean(0), abs=1e-5)
    assert (curve.low, curve.high) == (pytest.approx(losses.min(0), abs=1e-5), pytest.approx(losses.max(0), abs=1e-5))


def test_long_curves_are_thinned_but_keep_both_ends(report):
    curve = of(report.learning, 'Random', Column('CRC', 12))
    assert (len(curve.x), curve.x[0], curve.x[-1]) == (100, 1, 200)


def test_pre_trainings_are_shown_under_the_initialisations_that_they_give(report):
    names = [curve.initialisation for curve in report.pretraining]
    assert names == ['Classification', 'Full segmentation', 'Scribble segmentation']
    assert [training.metrics for training in report.pretrainings] == [{'mIoU': 41.2}] * 3


def test_confusions_are_the_mean_of_the_runs(record, report):
    column = Column('CRC', 50)
    confusion = of(report.confusions, 'Random', column)
    shares = []
    for cell in runs(record, 'Random', column):
        arrays = load_scores(record.work_dir, cell.id)
        of_first = arrays['predictions'][arrays['labels'] == 0]
        shares.append(100 * np.mean(of_first == 0))
    assert (confusion.n, confusion.images) == (4, 160)
    assert confusion.rows[0][0] == pytest.approx(np.mean(shares), abs=1e-3)
    assert [sum(row) for row in confusion.rows] == pytest.approx([100] * 8, abs=0.01)


def test_roc_band_holds_its_mean(report):
    curve = of(report.roc, 'Random', Column('PCam', 1000))
    low, mean, high = (np.array(values) for values in (curve.low, curve.mean, curve.high))
    assert (low <= mean).all()
    assert (mean <= high).all()
    assert (high - low).max() > 0
    assert (mean[-1], curve.n) == (1, 4)


def test_two_runs_have_no_band(record):
    keep = {cell.id for cell in record.cells if cell.seed in (0, 1)}
    record = replace(record, results={id: result for id, result in record.results.items() if id in keep})
    curves = roc_curves(read_runs(record))
    assert all(curve.n == 2 and curve.low == curve.mean == curve.high for curve in curves)
