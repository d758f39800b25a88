from __future__ import annotations

from dataclasses import replace

import pytest

from sdp_plugin.report.pairing import pair_up

FIRST, SECOND = 'Scribble segmentation', 'Random'


@pytest.fixture
def cells(record):
    return [cell for cell in record.cells if (cell.dataset, cell.examples_per_class) == ('CRC', 25)]


def test_pairs_have_fold_and_seed_in_common(record, cells):
    pairing = pair_up(cells[::-1], dict(record.results), FIRST, SECOND)
    assert [(first.cell.fold, second.cell.fold) for first, second in pairing.pairs] == [(i, i) for i in range(4)]
    assert {first.cell.initialisation for first, _ in pairing.pairs} == {FIRST}
    assert pairing.unpaired == ()


@pytest.mark.parametrize(
    ('subset', 'reason'),
    [
        ({'train_digest': 'another'}, 'other training images'),
        ({'test_digest': 'another'}, 'other test images'),
        ({'train_digest': None}, 'not recorded'),
    ],
)
def test_results_of_other_images_are_no_pair(record, cells, subset, reason):
    results = dict(record.results)
    spoilt = next(cell for cell in cells if cell.initialisation == FIRST and cell.fold == 2)
    results[spoilt.id] = replace(results[spoilt.id], subset=results[spoilt.id].subset | subset)
    pairing = pair_up(cells, results, FIRST, SECOND)
    assert [first.cell.fold for first, _ in pairing.pairs] == [0, 1, 3]
    assert [(odd.title, reason in odd.reason) for odd in pairing.unpaired] == [('repeat 0, fold 2, seed 2', True)]


def test_a_run_without_partner_is_named(record, cells):
    missing = next(cell for cell in cells if cell.initialisation == SECOND and cell.fold == 1)
    results = {id: result for id, result in record.results.items() if id != missing.id}
    pairing = pair_up(cells, results, FIRST, SECOND)
    assert len(pairing.pairs) == 3
    assert pairing.unpaired[0].reason == 'no result of Random'
