from __future__ import annotations

from dataclasses import replace

import pytest

from sdp_plugin.report.model import Row
from sdp_plugin.report.pairing import pair_up
from sdp_plugin.report.reading import read_runs

FIRST, SECOND = Row('Scribble segmentation'), Row('Random')


@pytest.fixture(scope='module')
def runs(record):
    return [run for run in read_runs(record).runs if run.position.column.label == 'CRC 25']


def changed(runs, row, fold, **values):
    return [replace(run, **values) if (run.position.row, run.fold) == (row, fold) else run for run in runs]


def test_pairs_have_fold_and_seed_in_common(runs):
    pairing = pair_up(runs[::-1], FIRST, SECOND)
    assert [(first.fold, second.fold) for first, second in pairing.pairs] == [(i, i) for i in range(4)]
    assert {first.position.row for first, _ in pairing.pairs} == {FIRST}
    assert pairing.unpaired == ()


@pytest.mark.parametrize(
    ('subset', 'reason'),
    [
        ({'train_digest': 'another'}, 'other training images'),
        ({'test_digest': 'another'}, 'other test images'),
        ({'train_digest': None}, 'not recorded'),
    ],
)
def test_results_of_other_images_are_no_pair(runs, subset, reason):
    spoilt = next(run for run in runs if run.position.row == FIRST and run.fold == 2)
    pairing = pair_up(changed(runs, FIRST, 2, subset=spoilt.subset | subset), FIRST, SECOND)
    assert [first.fold for first, _ in pairing.pairs] == [0, 1, 3]
    assert [(title, reason in found) for title, found in pairing.unpaired] == [('repeat 0, fold 2, seed 2', True)]


def test_a_run_without_partner_is_named(runs):
    pairing = pair_up(changed(runs, SECOND, 1, is_done=False), FIRST, SECOND)
    assert len(pairing.pairs) == 3
    assert pairing.unpaired[0][1] == 'no result of Random'
