"""The report as text: the table in Markdown and in LaTeX, a row a cell in CSV, and everything in JSON."""

from __future__ import annotations

import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields, is_dataclass
from itertools import groupby
from typing import Any

from tabulate import tabulate

from sdp_plugin.files import CsvWriter
from sdp_plugin.grid.store import GridRecord
from sdp_plugin.report.model import Entry, Report, label_of

LATEX_ESCAPES = str.maketrans(
    {
        '\\': r'\textbackslash{}',
        '&': r'\&',
        '%': r'\%',
        '$': r'\$',
        '#': r'\#',
        '_': r'\_',
        '{': r'\{',
        '}': r'\}',
        '~': r'\textasciitilde{}',
        '^': r'\textasciicircum{}',
        '<': r'\textless{}',
        '>': r'\textgreater{}',
        '|': r'\textbar{}',
        '"': "''",
        '\N{MINUS SIGN}': '$-$',
        '±': r'$\pm$',
        '\n': ' ',
    }
)
MARKDOWN_SPECIAL = '\\`*_{}[]<>#|~'
CELL_FIELDS = ('id', 'kind', 'title', 'variant', 'dataset', 'examples_per_class', 'initialisation', 'method', 'repeat',
               'fold', 'seed')  # fmt: skip
SUBSET_FIELDS = ('train_size', 'test_size', 'train_digest', 'test_digest')


def to_markdown(report: Report) -> str:
    """Tables of all metrics, the claims, and what is missing, ending in a line feed."""
    standing = report.standing
    parts = [
        f'# {markdown_text(report.name)}',
        f'{standing.done} of {standing.total} trainings are done. Generated {report.generated} by {report.generator}.',
        *(f'**Note:** {markdown_text(notice)}' for notice in report.notices),
    ]
    for metric in report.metrics:
        parts += [f'## Test {label_of(metric)}', 'In %, mean ± standard deviation (number of runs); 95 % interval.']
        parts += [_markdown_table(report, metric)]
    if report.published:
        parts += [f'The paper: {markdown_text(report.published)}.']
    for block in report.comparisons:
        parts += [f'## {markdown_text(block.first)} against {markdown_text(block.second)}']
        claims = [
            f'- **{markdown_text(_joined(row.variant, row.column.label))}:** {markdown_text(row.claim.text)}'
            for row in block.rows
        ]
        parts += ['\n'.join(claims) or 'The plan has no cell in which both are.']
    parts += _markdown_troubles(report)
    return '\n\n'.join(parts) + '\n'


def to_latex(report: Report) -> str:
    """The table of the main metric as in the paper: a ``table`` that needs the package ``booktabs`` and no other."""
    groups = [(dataset, len(list(columns))) for dataset, columns in groupby(report.columns, lambda c: c.dataset)]
    first, rules, heads = 2, [], []
    for dataset, count in groups:
        heads.append(rf'\multicolumn{{{count}}}{{c}}{{{latex_text(dataset)}}}')
        rules.append(rf'\cmidrule(lr){{{first}-{first + count - 1}}}')
        first += count
    sizes = [latex_text(column.size) for column in report.columns]
    lines = [
        r'% Needs \usepackage{booktabs}.',
        rf'% {report.generator}, {report.generated}: {report.standing.done} of {report.standing.total} trainings done.',
        r'\begin{table}',
        r'  \centering',
        rf'  \caption{{Test {latex_text(label_of(report.metric))} in \%, mean $\pm$ standard deviation over the runs, '
        r'by labelled examples of each class.}',
        rf'  \begin{{tabular}}{{l{"c" * len(report.columns)}}}',
        r'    \toprule',
        rf'    & {" & ".join(heads)} \\',
        f'    {" ".join(rules)}',
        rf'    Initialisation & {" & ".join(sizes)} \\',
    ]
    for variant in report.variants:
        lines.append(r'    \midrule')
        if variant:
            lines.append(rf'    \multicolumn{{{first - 1}}}{{l}}{{\emph{{{latex_text(variant)}}}}} \\')
        for row in report.rows:
            entries = [report.entry(variant, row.initialisation, column, row.method) for column in report.columns]
            if any(entries):
                cells = [latex_text(row.label), *(_latex_cell(entry, report.metric) for entry in entries)]
                lines.append(rf'    {" & ".join(cells)} \\')
    return '\n'.join([*lines, r'    \bottomrule', r'  \end{tabular}', r'\end{table}', ''])


def to_csv(record: GridRecord) -> str:
    """A row a cell of the plan, done or not, with its state, all metrics and durations."""
    results = record.results
    metrics = sorted({metric for result in results.values() for metric in result.metrics})
    phases = sorted({phase for result in results.values() for phase in result.durations})
    reasons = record.not_runnable()
    out = io.StringIO()
    writer = CsvWriter(out, lineterminator='\n')
    seconds = [f'seconds_{phase}' for phase in phases]
    writer.writerow([*CELL_FIELDS, 'state', 'reason', *metrics, *SUBSET_FIELDS, *seconds, 'finished', 'host', 'device'])
    for cell in record.cells:
        state, reason = _state(record, cell.id, reasons)
        result = results.get(cell.id)
        row = [getattr(cell, name) for name in CELL_FIELDS] + [state, reason]
        if result:
            row += [result.metrics.get(metric) for metric in metrics]
            row += [result.subset.get(name) for name in SUBSET_FIELDS]
            row += [result.durations.get(phase) for phase in phases]
            row += [result.finished, result.machine.get('host'), result.machine.get('device')]
        writer.writerow(row)
    return out.getvalue()


def to_json(report: Report) -> str:
    """Everything that the page says but the bytes of the pictures; numbers that are none are null."""
    return json.dumps(_plain(report), ensure_ascii=False, allow_nan=False) + '\n'


def markdown_text(text: str) -> str:
    """The text with Markdown's own characters escaped, in one line."""
    return ''.join(f'\\{letter}' if letter in MARKDOWN_SPECIAL else letter for letter in ' '.join(text.split()))


def latex_text(text: str) -> str:
    """The text with LaTeX's own characters escaped."""
    return text.translate(LATEX_ESCAPES)


def _state(record: GridRecord, id: str, reasons: Mapping[str, str]) -> tuple[str, str]:
    if id in record.results:
        return 'done', ''
    if id in record.running:
        return 'running', ''
    if id in record.failures:
        return 'failed', record.failures[id].error
    if id in record.unreadable:
        return 'unreadable', record.unreadable[id]
    if id in reasons:
        return 'not runnable', reasons[id]
    return 'missing', ''


def _markdown_table(report: Report, metric: str) -> str:
    rows = [['Initialisation', *(column.label for column in report.columns)]]
    for variant in report.variants:
        for row in report.rows:
            entries = [report.entry(variant, row.initialisation, column, row.method) for column in report.columns]
            if any(entries):
                cells = [_markdown_cell(report, entry, metric) for entry in entries]
                rows.append([_joined(variant, row.label), *cells])
    rows = [[markdown_text(first), *rest] for first, *rest in rows]
    return tabulate(rows[1:], list(map(markdown_text, rows[0])), tablefmt='github', disable_numparse=True)


def _markdown_cell(report: Report, entry: Entry | None, metric: str) -> str:
    if entry is None:
        return ''
    summary = entry.summaries.get(metric)
    if summary is None:
        return 'not runnable' if entry.obstacle else 'no result'
    text = f'{summary.mean:.2f}{"" if summary.sd is None else f" ± {summary.sd:.2f}"} (n = {summary.n})'
    if summary.interval:
        text += f'; {summary.interval.low:.2f} to {summary.interval.high:.2f}'
    if entry.published and metric == report.metric:
        text += f'; paper {entry.published.cell}'
        difference = entry.published.difference
        text += ' (does not compare)' if difference is None else f' (difference {difference:+.2f})'
    return text


def _markdown_troubles(report: Report) -> Iterable[str]:
    standing = report.standing
    sections = {
        'Failed': standing.failed,
        'Not runnable': standing.unrunnable,
        'Running': standing.running,
        'Missing': standing.missing,
        'Stale': standing.stale,
        'Unreadable': standing.unreadable,
    }
    for title, troubles in sections.items():
        if troubles:
            yield f'## {title}'
            yield '\n'.join(f'- {markdown_text(": ".join(filter(None, (t.title, t.reason))))}' for t in troubles)
    if report.problems:
        yield '## Left out'
        yield '\n'.join(f'- {markdown_text(problem)}' for problem in report.problems)


def _latex_cell(entry: Entry | None, metric: str) -> str:
    summary = entry and entry.summaries.get(metric)
    if not summary:
        return '--'
    return f'${summary.mean:.2f}$' if summary.sd is None else rf'${summary.mean:.2f} \pm {summary.sd:.2f}$'


def _joined(variant: str, rest: str) -> str:
    return f'{variant}: {rest}' if variant else rest


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if value is None or isinstance(value, str | int):
        return value
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, Sequence):
        return [_plain(item) for item in value]
    if is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in fields(value) if field.repr}
    return str(value)
