from __future__ import annotations

import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.statistics.published import (
    PUBLISHED,
    mean_absolute_difference,
    mean_gain,
    mean_sd,
    published_table,
    unpaired_margins,
)
from sdp_plugin.statistics.summaries import SummaryCell

CLASSES, FULL, SCRIBBLES = 'Classification', 'Full segmentation', 'Scribble segmentation'


@pytest.fixture
def paper():
    return published_table('teh2022')


@pytest.mark.parametrize(('dataset', 'gain'), [('CRC', '3.80'), ('PCam', '5.29')])
def test_gain_of_spatial_over_class_labels(paper, dataset, gain):
    assert f'{mean_gain(paper, CLASSES, [FULL, SCRIBBLES], dataset):.2f}' == gain


def test_scribbles_and_full_masks_differ_by_far_less_than_their_deviations(paper):
    assert f'{mean_absolute_difference(paper, SCRIBBLES, FULL):.2f}' == '0.23'
    assert f'{mean_sd(paper, [SCRIBBLES, FULL]):.2f}' == '1.95'


@pytest.mark.parametrize(('dataset', 'smallest', 'largest'), [('CRC', '2', '3'), ('PCam', '0.6', '1.1')])
def test_margins_of_an_unpaired_equivalence_test(paper, dataset, smallest, largest):
    margins = unpaired_margins(paper, SCRIBBLES, FULL, dataset)
    assert len(margins) == 3
    digits = len(smallest.partition('.')[2])
    assert (f'{min(margins):.{digits}f}', f'{max(margins):.{digits}f}') == (smallest, largest)


def test_margin_of_a_cell_by_hand(paper):
    # PCam 3,000: |87.68 - 87.80| + 1.734064 √((0.64² + 0.67²) / 10) = 0.12 + 0.508084.
    assert unpaired_margins(paper, SCRIBBLES, FULL, 'PCam')[2] == pytest.approx(0.628084, abs=1e-5)


@pytest.mark.parametrize(
    ('initialisation', 'dataset', 'size', 'mean', 'sd'),
    [
        ('Random', 'CRC', 12, 61.62, 3.79),
        ('Random', 'PCam', 3000, 84.09, 1.24),
        (CLASSES, 'PCam', 1000, 76.61, 1.83),
        (FULL, 'CRC', 50, 81.40, 2.05),
        (SCRIBBLES, 'PCam', 2000, 86.04, 1.08),
    ],
)
def test_cells(paper, initialisation, dataset, size, mean, sd):
    assert paper.cell(initialisation, dataset, size) == SummaryCell(mean, sd, 10)


@pytest.mark.parametrize('place', [('ImageNet', 'CRC', 12), ('Random', 'CRC', 100), ('Random', 'CRC', None)])
def test_what_the_paper_has_not(paper, place):
    assert paper.cell(*place) is None


@pytest.mark.parametrize('table', PUBLISHED.values(), ids=PUBLISHED)
def test_every_table_is_complete_and_plausible(table):
    assert table.citation
    for row in table.rows.values():
        assert list(row) == table.columns
        assert all(0 < cell.mean < 100 and 0 < cell.sd < 10 and cell.n > 1 for cell in row.values())


def test_an_unknown_table_is_named():
    with pytest.raises(UserError, match='teh2022'):
        published_table('teh2021')


def test_an_unknown_data_set_is_named(paper):
    with pytest.raises(UserError, match='Camelyon'):
        mean_gain(paper, CLASSES, [FULL], 'Camelyon')
