#!/usr/bin/env python3
"""Put the results of a grid on a page of the documentation: its numbers as JSON, a picture, and the tables of the page.

The JSON file holds what the report of the grid says, a value for each finished run, and nothing else is needed to write
tables and picture anew. The page keeps its text; what stands between two markers is replaced.

examples:
  python tools/docs/results_page.py docs/results --grid work_dirs/grids/evidence   (collect, then write)
  python tools/docs/results_page.py docs/results                                   (write from the JSON file)
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from tabulate import tabulate

from sdp_plugin.command_line import ToolParser
from sdp_plugin.errors import UserError, exits_on_user_error
from sdp_plugin.files import write_text_atomically
from sdp_plugin.grid.records import FINE_TUNING, PRETRAINING
from sdp_plugin.grid.store import GridRecord, read_grid
from sdp_plugin.records import read_json_file, read_text
from sdp_plugin.report.build import build_report
from sdp_plugin.report.model import Report, Summary
from sdp_plugin.statistics.intervals import Interval
from sdp_plugin.visualization.drawing import save_figure

NUMBERS, PAGE, PICTURE = 'evidence.json', 'README.md', 'evidence.png'
BLOCK = re.compile(r'(<!-- (?P<name>[a-z-]+): begin -->\n).*?(<!-- (?P=name): end -->)', re.DOTALL)
ARMS = ('Random', 'Classification', 'Full segmentation', 'Scribble segmentation', 'Click segmentation')
ANEW = ', batch norm of the target'
SHORT = ', short'
PROBE = 'logistic regression'
LOSS_POINTS = 60
ERROR_RATE = 0.05
LONGER = f'{ARMS[3]}, 20,000 iterations'
COLOURS = dict(zip(ARMS, ('0.45', 'tab:blue', 'tab:green', 'tab:red', 'tab:orange'), strict=True))
LINES_ALONG = {
    **{arm: dict(colour=COLOURS[arm]) for arm in ARMS[1:]},
    LONGER: dict(colour=COLOURS[ARMS[3]], line='--'),
}


def parse_args() -> argparse.Namespace:
    parser = ToolParser(__doc__)
    parser.add_argument('folder', type=Path, help=f'folder of {PAGE} and {NUMBERS}')
    parser.add_argument('--grid', type=Path, help='work directory of the grid to collect from')
    return parser.parse_args()


# --- Collect -----------------------------------------------------------------------------------------------------


def collect(record: GridRecord) -> dict[str, Any]:
    """What the page needs of a grid, complete or not."""
    report = build_report(record)
    return dict(
        generated=report.generated,
        generator=report.generator,
        cells={kind: _counts(record, kind) for kind in sorted({cell.kind for cell in record.plan.trainings.values()})},
        machines=dict(report.machines),
        versions={name: list(found) for name, found in report.versions.items()},
        seconds={kind: {phase: round(value) for phase, value in phases.items()}
                 for kind, phases in report.durations.items()},
        pretrain_options=dict(report.grid['pretrain_options']),
        pretrainings=[_pretraining(record.results[cell.id]) for cell in record.plan.trainings.values()
                      if cell.kind == PRETRAINING and cell.id in record.results],
        entries=list(_entries(report)),
        comparisons=list(_comparisons(report)),
    )  # fmt: skip


def _counts(record: GridRecord, kind: str) -> dict[str, int]:
    ids = [cell_id for cell_id, cell in record.plan.trainings.items() if cell.kind == kind]
    return dict(
        planned=len(ids),
        done=sum(cell_id in record.results for cell_id in ids),
        failed=sum(cell_id in record.failures for cell_id in ids),
    )


def _pretraining(result: Any) -> dict[str, Any]:
    losses = [row for row in result.curve if 'loss' in row]
    parts = np.array_split(np.arange(len(losses)), min(LOSS_POINTS, len(losses)))
    return dict(
        name=result.cell.title.removeprefix('pre-training '),
        lr=result.cell.options['lr'],
        iterations=result.cell.options['max_iters'],
        metrics={name: round(value, 2) for name, value in result.metrics.items()},
        tests={str(int(row['step'])): {name: round(value, 2) for name, value in row.items() if name != 'step'}
               for row in result.curve if 'loss' not in row},
        loss=[[losses[part[-1]]['step'], round(float(np.mean([losses[i]['loss'] for i in part])), 4)]
              for part in parts],
        seconds={phase: round(value) for phase, value in result.durations.items()},
    )  # fmt: skip


def _entries(report: Report) -> list[dict[str, Any]]:
    return [
        dict(
            dataset=entry.column.dataset,
            size=entry.column.examples_per_class,
            initialisation=entry.initialisation,
            method=entry.method,
            planned=entry.planned,
            metrics={metric: _summary(found) for metric, found in entry.summaries.items() if metric in report.metrics},
            values=[round(value.value, 2) for value in entry.summaries[report.metric].values],
        )
        for entry in report.entries
        if report.metric in entry.summaries
    ]


def _summary(summary: Summary) -> dict[str, Any]:
    ends = (summary.interval.low, summary.interval.high) if summary.interval else (None, None)
    numbers = dict(mean=summary.mean, sd=summary.sd, low=ends[0], high=ends[1])
    return {name: value if value is None else round(value, 2) for name, value in numbers.items()} | {'n': summary.n}


def _comparisons(report: Report) -> list[dict[str, Any]]:
    return [
        dict(
            first=block.first,
            second=block.second,
            dataset=row.column.dataset,
            size=row.column.examples_per_class,
            n=row.comparison.n,
            difference=round(row.comparison.difference, 2),
            draws=_ends(row.comparison.test and row.comparison.test.interval),
            images=_ends(row.images),
            p=_p(row.claim.p),
            margin=row.comparison.margin,
            equivalence_p=_p(row.claim.equivalence_p),
        )
        for block in report.comparisons
        for row in block.rows
        if row.comparison.n and row.comparison.difference is not None
    ]


def _ends(interval: Interval | None) -> list[float] | None:
    return interval and [round(interval.low, 2), round(interval.high, 2)]


def _p(value: float | None) -> float | None:
    return value if value is None else float(f'{value:.2g}')


# --- Tables ------------------------------------------------------------------------------------------------------


def fill(page: str, numbers: Mapping[str, Any]) -> str:
    """The page with the tables of the numbers between its markers.

    Raises:
        UserError: A marker has a name that no table has.
    """

    def block(match: re.Match) -> str:
        if match['name'] not in TABLES:
            raise UserError(
                'The page has a marker of no table.', looked_for=', '.join(TABLES), found=match['name']
            )  # fmt: skip
        return f'{match[1]}\n{TABLES[match["name"]](numbers)}\n\n{match[3]}'

    return BLOCK.sub(block, page)


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    return tabulate(rows, heads, tablefmt='github', disable_numparse=True) if rows else 'Not run.'


def _of(numbers: Mapping[str, Any], initialisation: str, dataset: str, size: int, method: str) -> dict | None:
    wanted = dict(initialisation=initialisation, dataset=dataset, size=size, method=method)
    return next((entry for entry in numbers['entries'] if wanted.items() <= entry.items()), None)


def _mean(entry: Mapping | None, metric: str) -> str:
    if entry is None:
        return ''
    found = entry['metrics'][metric]
    spread = '' if found['low'] is None else f' ({found["low"]:.1f} to {found["high"]:.1f})'
    return f'{found["mean"]:.1f}{spread}' + ('' if found['n'] == entry['planned'] else f', n = {found["n"]}')


def _means(numbers: Mapping[str, Any], names: Mapping[str, str], method: str, metric: str = 'accuracy/top1') -> str:
    """A row an initialisation, a column a data set and size, of those that have results."""
    found = [entry for entry in numbers['entries'] if entry['method'] == method and entry['initialisation'] in names]
    columns = list(dict.fromkeys((entry['dataset'], entry['size']) for entry in found))
    rows = [
        [label, *(_mean(_of(numbers, name, *column, method), metric) for column in columns)]
        for name, label in names.items()
        if any(entry['initialisation'] == name for entry in found)
    ]
    return _table(['initialisation', *(f'{dataset} {size:,}' for dataset, size in columns)], rows)


def _pretraining_rows(numbers: Mapping[str, Any]) -> str:
    rows = []
    for found in numbers['pretrainings']:
        metric = next(iter(m for m in ('mIoU', 'multi-label/mAP') if m in found['metrics']))
        tests = {**found['tests'], str(found['iterations']): found['metrics']}
        along = ', '.join(f'{values[metric]:.1f}' for _, values in sorted(tests.items(), key=lambda item: int(item[0])))
        losses = f'{found["loss"][0][1]:.2f} to {found["loss"][-1][1]:.2f}'
        seconds = found['seconds']['train']
        speed = found['iterations'] * numbers['pretrain_options']['batch_size'] / seconds
        rows.append([found['name'], f'{found["iterations"]:,}', f'{found["lr"]:.2e}', losses, metric.split('/')[-1],
                     along, f'{seconds / 60:.0f}', f'{speed:.0f}'])  # fmt: skip
    heads = ['pre-training', 'iterations', 'learning rate', 'loss, first to last', 'metric', 'along it', 'minutes',
             'images/s']  # fmt: skip
    return _table(heads, rows)


def _differences(numbers: Mapping[str, Any], method: str) -> str:
    """A row a comparison, a column a data set and size."""
    suffix = '' if method == FINE_TUNING else f', {method}'
    rows: dict[tuple[str, str], dict] = {}
    for found in numbers['comparisons']:
        if found['first'].endswith(f', {PROBE}') == bool(suffix):
            pair = found['first'].removesuffix(suffix), found['second'].removesuffix(suffix)
            rows.setdefault(pair, {})[found['dataset'], found['size']] = found
    columns = list(dict.fromkeys(column for row in rows.values() for column in row))
    cells = [
        [f'{_brief(first)} against {_brief(second)}', *(_difference(row.get(column)) for column in columns)]
        for (first, second), row in rows.items()
    ]
    return _table(['pair', *(f'{dataset} {size:,}' for dataset, size in columns)], cells)


def _brief(initialisation: str) -> str:
    return initialisation.replace(' segmentation', '').replace(ANEW, ', BN')


def _difference(found: Mapping | None) -> str:
    if found is None:
        return ''
    shown = found['p'] is not None and found['p'] <= ERROR_RATE
    equivalent = found['equivalence_p'] is not None and found['equivalence_p'] <= ERROR_RATE
    difference = f'**{found["difference"]:+.1f}**' if shown else f'{found["difference"]:+.1f}'
    low, high = found['images'] or found['draws'] or (None, None)
    spread = '' if low is None else f' ({low:+.1f} to {high:+.1f})'
    return difference + spread + (' ≈' if equivalent else '')


def _cost_rows(numbers: Mapping[str, Any]) -> str:
    rows = []
    for kind, counts in numbers['cells'].items():
        minutes = sum(numbers['seconds'].get(kind, {}).get(phase, 0) for phase in ('wall',)) / 60
        rows.append([kind, str(counts['planned']), str(counts['done']), str(counts['failed']), f'{minutes:.0f}'])
    return _table(['cells', 'planned', 'done', 'failed', 'minutes of one worker'], rows)


_ALONG = re.compile(r'(?P<arm>.+) at (?P<iteration>[\d,]+)')
_LENGTH = re.compile(r', ([\d,]+) iterations')


def _along_names(numbers: Mapping[str, Any]) -> dict[str, str]:
    names = dict.fromkeys(entry['initialisation'] for entry in numbers['entries'])
    along = [name for name in names if _ALONG.fullmatch(name)]
    arms = dict.fromkeys(_ALONG.fullmatch(name)['arm'] for name in along)
    rows = {f'Random{ANEW}': 'Random'}
    for arm in arms:
        rows |= {name: name for name in along if name.startswith(f'{arm} at')}
        rows[arm + ANEW] = f'{arm} at {_last(numbers, arm):,}'
    return rows


def _last(numbers: Mapping[str, Any], arm: str) -> int:
    """The iterations of an arm's pre-training: its name says them where they are not those of the grid."""
    match = _LENGTH.search(arm)
    return int(match[1].replace(',', '')) if match else numbers['pretrain_options']['max_iters']


def _ablation_names(numbers: Mapping[str, Any]) -> dict[str, str]:
    names = dict.fromkeys(entry['initialisation'] for entry in numbers['entries'])
    return {name: name for name in names if name.startswith(ARMS[3] + SHORT)}


TABLES = {
    'pre-trainings': _pretraining_rows,
    'probes': lambda numbers: _means(numbers, {arm: arm for arm in ARMS}, PROBE),
    'batch-norm': lambda numbers: _means(numbers, {arm + ANEW: arm for arm in ARMS}, PROBE),
    'along': lambda numbers: _means(numbers, _along_names(numbers), PROBE),
    'ablations': lambda numbers: _means(numbers, _ablation_names(numbers), PROBE),
    'fine-tunings': lambda numbers: _means(numbers, {arm: arm for arm in ARMS}, FINE_TUNING),
    'fine-tunings-auroc': lambda numbers: _means(
        numbers, {arm: arm for arm in ARMS}, FINE_TUNING, 'single-label/auroc'
    ),
    'differences-of-probes': lambda numbers: _differences(numbers, PROBE),
    'differences-of-fine-tunings': lambda numbers: _differences(numbers, FINE_TUNING),
    'costs': _cost_rows,
}


# --- Picture -----------------------------------------------------------------------------------------------------


def draw(numbers: Mapping[str, Any]) -> Figure:
    """Probes by labelled patches, as they are and with batch-norm statistics of the target, and along pre-training."""
    figure = Figure(figsize=(12, 3.9), layout='constrained')
    panels = figure.subplots(1, 3, sharey=True)
    for axes, suffix, title in zip(panels, ('', ANEW), ('Frozen trunks, as they are',
                                   'Batch norms of 512 unlabelled patches'), strict=False):  # fmt: skip
        for arm in ARMS:
            _draw_arm(axes, numbers, arm + suffix, arm)
        if suffix:
            _draw_arm(axes, numbers, ARMS[0], ARMS[0], line=':')
        axes.set(title=title, xlabel='labelled PCam patches a class', xscale='log')
    panels[0].set_ylabel('test accuracy in %')
    panels[0].legend(frameon=False, loc='lower right')
    _draw_along(panels[2], numbers)
    for axes in panels:
        axes.grid(alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
    return figure


def _draw_arm(axes: Any, numbers: Mapping[str, Any], initialisation: str, label: str, line: str = '-') -> None:
    found = [
        (entry['size'], entry['metrics']['accuracy/top1'])
        for entry in numbers['entries']
        if (entry['initialisation'], entry['dataset'], entry['method']) == (initialisation, 'PCam', PROBE)
    ]
    if found:
        _draw_line(axes, found, label, COLOURS[label], line)


def _draw_line(axes: Any, found: Sequence[tuple[int, Mapping]], label: str, colour: str, line: str = '-') -> None:
    sizes, values = zip(*sorted(found, key=lambda pair: pair[0]), strict=True)
    axes.plot(sizes, [value['mean'] for value in values], f'o{line}', ms=3.5, color=colour, label=label)
    axes.fill_between(sizes, [value['low'] for value in values], [value['high'] for value in values],
                      color=colour, alpha=0.15, lw=0)  # fmt: skip


def _draw_along(axes: Any, numbers: Mapping[str, Any], size: int = 200) -> None:
    start = _of(numbers, f'Random{ANEW}', 'PCam', size, PROBE)
    for arm, style in LINES_ALONG.items():
        steps = {_last(numbers, arm): _of(numbers, arm + ANEW, 'PCam', size, PROBE), 0: start}
        steps |= {
            int(match['iteration'].replace(',', '')): entry
            for entry in numbers['entries']
            if (match := _ALONG.fullmatch(entry['initialisation'])) and match['arm'] == arm
            and (entry['dataset'], entry['size']) == ('PCam', size)
        }  # fmt: skip
        found = [(step, entry['metrics']['accuracy/top1']) for step, entry in steps.items() if entry]
        if len(found) > 2:
            _draw_line(axes, found, arm, **style)
    axes.legend(frameon=False, loc='lower right')
    axes.set(title=f'Along pre-training, {size} patches a class', xlabel='iterations of pre-training')


@exits_on_user_error
def main() -> None:
    args = parse_args()
    record = read_grid(args.grid) if args.grid else None
    page = args.folder / PAGE
    before = read_text(page)
    if record:
        numbers = collect(record)
        text = json.dumps(numbers, ensure_ascii=False, indent=None, separators=(',', ':'))
        write_text_atomically(args.folder / NUMBERS, re.sub(r'(\{"dataset"|\{"first"|\{"name")', r'\n\1', text) + '\n')
    numbers = read_json_file(args.folder / NUMBERS)
    write_text_atomically(page, fill(before, numbers))
    save_figure(draw(numbers), args.folder / PICTURE)
    print(f'written: {page}, {args.folder / PICTURE}')


if __name__ == '__main__':
    sys.exit(main())
