from __future__ import annotations

import csv
import io
import json
import re
from dataclasses import replace

import pytest
from synthetic import SMALL, write_grid

from sdp_plugin.grid.store import read_grid
from sdp_plugin.report.build import build_report
from sdp_plugin.report.text import latex_text, markdown_text, to_csv, to_json, to_latex, to_markdown


def latex_rows(latex: str) -> list[list[str]]:
    body = latex[latex.index(r'\toprule') : latex.index(r'\bottomrule')]
    return [re.split(r'(?<!\\)&', line.strip()[:-2]) for line in body.splitlines() if line.endswith(r'\\')]


def test_latex_has_the_layout_of_the_paper(report):
    groups, sizes, *rows = latex_rows(to_latex(report))
    assert [cell.strip() for cell in groups] == ['', r'\multicolumn{3}{c}{CRC}', r'\multicolumn{3}{c}{PCam}']
    assert [cell.strip() for cell in sizes] == ['Initialisation', '12', '25', '50', '1,000', '2,000', '3,000']
    assert [row[0].strip() for row in rows] == list(report.initialisations)
    assert {len(row) for row in rows} == {7}


def test_latex_shows_mean_and_deviation(report):
    summary = report.entry('', 'Random', report.columns[0]).summaries['accuracy/top1']
    assert latex_rows(to_latex(report))[2][1].strip() == rf'${summary.mean:.2f} \pm {summary.sd:.2f}$'


@pytest.mark.parametrize(
    ('text', 'wanted'),
    [
        ('a_b & 50 % #1 $x$', r'a\_b \& 50 \% \#1 \$x\$'),
        ('{~^}', r'\{\textasciitilde{}\textasciicircum{}\}'),
        (r'\input', r'\textbackslash{}input'),
        ('<script>|"', r"\textless{}script\textgreater{}\textbar{}''"),
        ('two\nlines', 'two lines'),
    ],
)
def test_latex_escapes(text, wanted):
    assert latex_text(text) == wanted


def test_latex_of_names_that_are_markup_keeps_its_structure(tmp_path):
    names = {r'50 % \& {x} $y_1$ #~^': 'Random', 'B': 'Full segmentation'}
    write_grid(tmp_path, replace(SMALL, repeats=2, initialisations=names, variants=('v & w', 'x')))
    latex = to_latex(build_report(read_grid(tmp_path)))
    assert {len(row) for row in latex_rows(latex) if not row[0].strip().startswith(r'\multicolumn{7}')} == {3, 7}
    unescaped = re.sub(r'\\[{}]', '', latex)
    assert unescaped.count('{') == unescaped.count('}')
    assert len(re.findall(r'(?<!\\)\$', latex)) % 2 == 0
    comments = [line for line in latex.splitlines() if re.search(r'(?<!\\)%', line)]
    assert all(line.startswith('%') for line in comments)


def test_a_single_run_has_no_deviation(record):
    keep = {c.id for c in record.cells if c.seed in (0, None)}
    record = replace(record, results={id: result for id, result in record.results.items() if id in keep})
    report = build_report(record)
    assert r'\pm' not in '\n'.join(to_latex(report).splitlines()[5:])
    assert '±' not in ''.join(re.findall(r'\d ± \d\S+ \(n', to_markdown(report)))
    assert all(row.claim.verdict == 'untested' for block in report.comparisons for row in block.rows)


def test_markdown_table_has_a_row_an_initialisation(report):
    lines = [re.sub(' +', ' ', line) for line in to_markdown(report).splitlines()]
    start = lines.index('| Initialisation | CRC 12 | CRC 25 | CRC 50 | PCam 1,000 | PCam 2,000 | PCam 3,000 |')
    assert [line.split(' | ')[0] for line in lines[start + 2 : start + 6]] == [f'| {n}' for n in report.initialisations]
    assert all(line.count(' | ') == 6 for line in lines[start + 2 : start + 6])


def test_markdown_names_what_is_amiss(troubled):
    text = to_markdown(build_report(read_grid(troubled[0])))
    for heading in ('## Failed', '## Not runnable', '## Running', '## Missing', '## Stale', '## Left out'):
        assert heading in text


def test_markdown_escapes():
    assert markdown_text('a|b *c* <d>\ne') == r'a\|b \*c\* \<d\> e'


def test_csv_has_a_row_a_cell_with_all_metrics(record):
    rows = list(csv.DictReader(io.StringIO(to_csv(record))))
    assert [row['id'] for row in rows] == [cell.id for cell in record.cells]
    row = rows[-1]
    result = record.results[row['id']]
    assert {name: float(row[name]) for name in result.metrics} == result.metrics
    assert (row['state'], row['test_digest']) == ('done', result.subset['test_digest'])
    assert float(row['seconds_train']) == result.durations['train']


def test_csv_says_what_became_of_each_cell(troubled):
    rows = {row['id']: row for row in csv.DictReader(io.StringIO(to_csv(read_grid(troubled[0]))))}
    states = {key: rows[id]['state'] for key, id in troubled[1].items()}
    assert states == {
        'failed': 'failed',
        'running': 'running',
        'missing': 'missing',
        'unrunnable': 'not runnable',
        'other images': 'done',
        'bad scores': 'done',
        'no number': 'done',
    }
    assert 'memory' in rows[troubled[1]['failed']]['reason']


def test_json_holds_what_the_page_shows(report):
    values = json.loads(to_json(report))
    entry = next(e for e in values['entries'] if e['column'] == {'dataset': 'CRC', 'examples_per_class': 12})
    shown = report.entry('', entry['initialisation'], report.columns[0])
    summary = shown.summaries['accuracy/top1']
    assert entry['summaries']['accuracy/top1']['mean'] == summary.mean
    assert [value['value'] for value in entry['summaries']['accuracy/top1']['values']] == [
        value.value for value in summary.values
    ]
    claims = [row['claim']['text'] for block in values['comparisons'] for row in block['rows']]
    assert claims == [row.claim.text for block in report.comparisons for row in block.rows]
    assert values['standing']['done'] == 99


def test_json_leaves_out_pictures_and_infinities(troubled):
    text = to_json(build_report(read_grid(troubled[0])))
    assert 'NaN' not in text
    assert [set(sample) for sample in json.loads(text)['samples']] == [{'file', 'caption', 'group'}] * 6
