from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from markup import read_markup
from synthetic import SMALL, Shape, cells_of, grid_config, write_grid, write_plan

from sdp_plugin.grid.store import read_grid
from sdp_plugin.report import page
from sdp_plugin.report.build import build_report
from sdp_plugin.report.page import render_page

MINUS = '\N{MINUS SIGN}'
HOSTILE = '<script>alert("x")</script> & \'y\' {{ 7 * 7 }}'
CSS = (Path(page.__file__).parent / 'templates' / 'page.css').read_text()
SURFACES = ('--paper', '--surface', '--sunken')


@pytest.fixture(scope='module')
def html(report):
    return render_page(report)


@pytest.fixture(scope='module')
def markup(html):
    return read_markup(html)


@pytest.fixture(scope='module')
def troubled_markup(troubled):
    return read_markup(render_page(build_report(read_grid(troubled[0]))))


@pytest.fixture(scope='module', params=['whole', 'troubled', 'empty', 'variants', 'hostile'])
def any_markup(request, markup, troubled_markup, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    if request.param == 'whole':
        return markup
    if request.param == 'troubled':
        return troubled_markup
    if request.param == 'empty':
        write_plan(folder, grid_config(SMALL), cells_of(SMALL))
    elif request.param == 'variants':
        write_grid(folder, replace(SMALL, repeats=2, variants=('resnet50', 'vit')))
    elif request.param == 'hostile':
        write_grid(folder, hostile_shape())
    return read_markup(render_page(build_report(read_grid(folder))))


def hostile_shape() -> Shape:
    return replace(
        SMALL, repeats=2, initialisations={'Random': 'Random', HOSTILE: 'Full segmentation'}, variants=(HOSTILE, 'v')
    )


def test_it_is_well_formed(any_markup):
    assert any_markup.problems == []


def test_ids_are_unique_and_references_lead_somewhere(any_markup):
    assert [id for id, count in any_markup.ids.items() if count > 1] == []
    assert any_markup.references - set(any_markup.ids) == set()


def test_it_asks_for_nothing(any_markup):
    allowed = {'data:,', 'table.md', 'table.tex', 'results.csv', 'results.json'}
    assert {address for address in any_markup.addresses if not address.startswith('data:image/')} <= allowed
    assert any_markup.elements['iframe'] == any_markup.elements['object'] == 0
    styles = [values.get('style') or '' for _, values in any_markup.attributes]
    assert not any('url(' in style for style in [*styles, CSS])


def test_every_picture_has_a_title_and_a_description(any_markup):
    pictures = [values for tag, values in any_markup.attributes if tag == 'svg' and values.get('role') == 'img']
    described = [values for values in pictures if 'aria-labelledby' in values]
    assert any_markup.elements['desc'] == len(described)
    assert all(values.get('class') == 'strip' for values in pictures if values not in described)
    hidden = [values for tag, values in any_markup.attributes if tag == 'svg' and values.get('aria-hidden') == 'true']
    assert len(hidden) + len(pictures) == any_markup.elements['svg']


def test_every_table_head_has_a_scope(any_markup):
    heads = [values for tag, values in any_markup.attributes if tag == 'th']
    assert all(values.get('scope') in ('col', 'row', 'colgroup', 'rowgroup') for values in heads)


def test_what_scrolls_can_be_reached_by_keyboard(any_markup):
    scrolling = [values for tag, values in any_markup.attributes if values.get('class') == 'scroll']
    assert scrolling
    assert all(values.get('tabindex') == '0' and values.get('aria-label') for values in scrolling)


def test_names_are_escaped(tmp_path):
    write_grid(tmp_path, hostile_shape())
    html = render_page(build_report(read_grid(tmp_path)))
    assert 'alert("x")' not in html
    assert html.count('<script') == 1
    assert HOSTILE in read_markup(html).text


def test_every_value_is_on_the_page(report, markup):
    for entry in report.entries:
        for summary in entry.summaries.values():
            assert f'{summary.mean:.2f}' in markup.text
            assert f'{summary.sd:.2f}' in markup.text
            assert all(f'{value.value:.2f}' in markup.text for value in summary.values)


def test_every_claim_is_on_the_page(report, markup):
    spaces = str.maketrans({'\N{NO-BREAK SPACE}': ' ', '\N{MINUS SIGN}': '-'})
    shown = markup.text.translate(spaces)
    for block in report.comparisons:
        for row in block.rows:
            text = re.sub('^Inconclusive: neither', 'Neither', row.claim.text).translate(spaces)
            assert text in shown


def test_calibration_is_on_the_page_with_its_intervals_and_tests(report, markup):
    assert report.calibration.metrics == ('calibration/ece', 'calibration/brier')
    for entry in report.entries:
        for metric in report.calibration.metrics:
            summary = entry.summaries[metric]
            assert f'{summary.mean:.2f}'.replace('-', MINUS) in markup.text
            assert 0 <= summary.interval.low <= summary.interval.high <= 100
    assert 'No temperature is fitted for 96 runs' in markup.text
    blocks = report.comparisons
    for metric in report.calibration.metrics:
        for block, main in zip(report.calibration.comparisons[metric], blocks, strict=True):
            assert (block.first, block.second, len(block.rows)) == (main.first, main.second, len(main.rows))
            assert all(row.comparison.margin is None and row.comparison.test for row in block.rows)


def test_few_runs_are_said_once(markup):
    assert markup.text.count('Some entries are of 4 runs only.') == 1
    assert 'Only 4 pairs' not in markup.text


def test_the_paper_stands_beside_with_a_warning(markup):
    assert 'paper 61.62 ± 3.79' in markup.text
    assert 'tested on 60 images, the paper on 32,768' in markup.text
    assert 'does not compare' in markup.text


def test_a_grid_that_names_no_published_table_shows_none(record):
    plan = replace(record.plan, grid={**record.plan.grid, 'published': None})
    assert '61.62' not in read_markup(render_page(build_report(replace(record, plan=plan)))).text


@pytest.mark.parametrize(
    'words',
    ['CUDA out of memory', '35 images of EMPTY', 'worker-1', 'of an earlier plan', 'auroc is nan', 'training images: '],
)
def test_what_is_amiss_is_on_the_page(troubled_markup, words):
    assert words in troubled_markup.text


def test_pictures_of_samples_are_part_of_the_page(troubled_markup, markup):
    images = [values for tag, values in troubled_markup.attributes if tag == 'img']
    assert len(images) == 6
    assert all(values['src'].startswith('data:image/png;base64,') and values['alt'] for values in images)
    assert 'left no pictures' in markup.text


def test_versions_machine_config_and_command_are_on_the_page(markup, work_dir):
    for words in (
        '2.13.0',
        'Example GPU',
        '"together": 1',
        f'--work-dir {work_dir}',
        'grids/mine.py',
        '--cfg-options datasets.PCam.repeats=4',
    ):
        assert words in markup.text


@pytest.mark.parametrize(
    ('text', 'wanted'),
    [('-1.5 to (-2)', f'{MINUS}1.5 to ({MINUS}2)'), ('a-1', 'a-1'), ('95 % p = 0.1', '95\xa0% p\xa0=\xa00.1')],
)
def test_typography(text, wanted):
    assert page.typographic(text) == wanted


@pytest.mark.parametrize(('seconds', 'wanted'), [(0.5, '0.5 s'), (90, '1.5 min'), (7200, '2.0 h')])
def test_durations(seconds, wanted):
    assert page.duration(seconds) == wanted


def colours(scheme: str) -> dict[str, str]:
    blocks = re.findall(r':root \{(.*?)\}', CSS, re.DOTALL)
    light, dark, printed = (dict(re.findall(r'(--[\w-]+): (#[0-9a-f]+);', block)) for block in blocks)
    return {'light': light, 'dark': light | dark, 'print': light | printed}[scheme]


def luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else ''.join(digit * 2 for digit in colour[1:])
    parts = [int(digits[index : index + 2], 16) / 255 for index in (0, 2, 4)]
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(first: str, second: str) -> float:
    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_that_of_the_standard():
    assert contrast('#000', '#ffffff') == pytest.approx(21)
    assert contrast('#777777', '#ffffff') == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize('scheme', ['light', 'dark', 'print'])
def test_text_has_contrast(scheme):
    found = colours(scheme)
    pairs = [(text, ground) for text in ('--ink', '--ink-soft', '--link') for ground in SURFACES]
    pairs += [(text, '--paper') for text in ('--good', '--bad', '--note')]
    for ground in ('--note-ground', '--bad-ground'):
        pairs += [(text, ground) for text in ('--ink', '--link')]
    pairs += [('--note', '--note-ground'), ('--bad', '--bad-ground')]
    low = {pair: round(contrast(found[pair[0]], found[pair[1]]), 2) for pair in pairs}
    assert {pair: ratio for pair, ratio in low.items() if ratio < 4.5} == {}


@pytest.mark.parametrize('scheme', ['light', 'dark', 'print'])
def test_lines_have_contrast(scheme):
    found = colours(scheme)
    low = {f'--c{style}': contrast(found[f'--c{style}'], found['--paper']) for style in range(8)}
    assert {style: ratio for style, ratio in low.items() if ratio < 3} == {}


def test_the_templates_are_in_the_package():
    setup = (Path(__file__).parents[2] / 'setup.cfg').read_text()
    assert 'sdp_plugin.report = templates/*' in setup
