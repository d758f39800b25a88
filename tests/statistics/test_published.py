from __future__ import annotations

from statistics import fmean

import pytest

from sdp_plugin.catalogue.foundation_models import FOUNDATION_MODELS
from sdp_plugin.errors import UserError
from sdp_plugin.statistics.published import PUBLISHED, SummaryCell, published_table
from sdp_plugin.statistics.student import t_quantile

CLASSES, FULL, SCRIBBLES = 'Classification', 'Full segmentation', 'Scribble segmentation'


@pytest.fixture
def paper():
    return published_table('teh2022')


def means(paper, name, dataset):
    return [cell.mean for (of, _), cell in paper.rows[name].items() if of == dataset]


def unpaired_margin(first, second):
    """From which margin on two one-sided t tests with a pooled variance, of ten runs each, show an equivalence."""
    return abs(first.mean - second.mean) + t_quantile(0.95, 18) * ((first.sd**2 + second.sd**2) / 10) ** 0.5


# What docs/statistics.md says of the paper's table.
@pytest.mark.parametrize(
    ('dataset', 'gain', 'smallest', 'largest'), [('CRC', '3.80', '2.2', '3.0'), ('PCam', '5.29', '0.6', '1.1')]
)
def test_what_the_docs_say_of_the_paper(paper, dataset, gain, smallest, largest):
    spatial = fmean(means(paper, FULL, dataset) + means(paper, SCRIBBLES, dataset))
    assert f'{spatial - fmean(means(paper, CLASSES, dataset)):.2f}' == gain
    pairs = [(paper.rows[FULL][key], paper.rows[SCRIBBLES][key]) for key in paper.columns if key[0] == dataset]
    margins = [unpaired_margin(*pair) for pair in pairs]
    assert (f'{min(margins):.1f}', f'{max(margins):.1f}') == (smallest, largest)


def test_scribbles_and_full_masks_differ_by_far_less_than_their_deviations(paper):
    rows = paper.rows[FULL], paper.rows[SCRIBBLES]
    assert f'{fmean(abs(rows[0][key].mean - rows[1][key].mean) for key in paper.columns):.2f}' == '0.23'
    assert f'{fmean(cell.sd for row in rows for cell in row.values()):.2f}' == '1.95'


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
def test_every_table_is_plausible(table):
    assert table.citation
    for row in table.rows.values():
        assert set(row) <= set(table.columns)
        assert all(0 < cell.mean < 100 and 0 < (cell.sd or 1) < 10 and (cell.n or 2) > 1 for cell in row.values())


def test_the_papers_table_is_complete(paper):
    assert all(list(row) == paper.columns for row in paper.rows.values())
    assert all(cell.sd and cell.n == 10 for row in paper.rows.values() for cell in row.values())


def test_an_unknown_table_is_named():
    with pytest.raises(UserError, match='teh2022'):
        published_table('teh2021')


def test_is_printed_as_in_papers():
    assert str(SummaryCell(67.4, 3.71, 10)) == '67.40 ± 3.71'
    assert str(SummaryCell(88.7)) == '88.70'


def test_foundation_models_are_named_by_their_cards():
    eva = published_table('eva')
    assert set(eva.rows) <= set(FOUNDATION_MODELS)
    assert eva.cell('uni2-h', 'PCam', 10).mean == 88.7
    assert eva.cell('hibou-l', 'PCam', None).mean == 95.5
    assert eva.cell('phikon-v2', 'PCam', None) is None
    assert (eva.metric, eva.method) == ('single-label/balanced-accuracy', 'logistic regression')
