"""The page: the report's data and pictures through Jinja2 into one HTML file that needs nothing else."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from sdp_plugin.grid.records import FEATURES, FINETUNING, PRETRAINING, PROBE
from sdp_plugin.report import pictures
from sdp_plugin.report.model import Column, Report, Sample, label_of
from sdp_plugin.report.samples import SUFFIXES

TEMPLATES = Path(__file__).parent / 'templates'
EN_DASH = '\N{EN DASH}'
VERDICTS = {
    'higher': 'difference',
    'lower': 'difference',
    'equivalent': 'equivalent',
    'inconclusive': 'inconclusive',
    'untested': 'not tested',
}

KINDS = {PRETRAINING: 'pre-trainings', FINETUNING: 'fine-tunings', FEATURES: 'features', PROBE: 'probes'}


def render_page(report: Report) -> str:
    """The HTML."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        points=points,
        number=number,
        p_value=p_value,
        typographic=typographic,
        without_verdict=without_verdict,
        duration=duration,
        data_uri=data_uri,
        label=label_of,
    )
    return environment.get_template('page.html.j2').render(
        r=report,
        style=Markup(environment.get_template('page.css').render()),
        script=Markup((TEMPLATES / 'page.js').read_text(encoding='utf-8')),
        looks={name: pictures.style_of(report, name) for name in report.initialisations},
        datasets=[(dataset, list(columns)) for dataset, columns in groupby(report.columns, lambda c: c.dataset)],
        accuracy=pictures.accuracy_panels(report),
        forests=pictures.forests(report),
        learning=pictures.learning_panels(report),
        roc=pictures.roc_panels(report),
        reliability=pictures.reliability_panels(report),
        strips={metric: pictures.strips(report, metric) for metric in _measured(report)},
        methods=methods(report),
        sample_groups=_sample_groups(report.samples),
        config=json.dumps(report.grid, indent=2, ensure_ascii=False),
        verdicts=VERDICTS,
        kinds=KINDS,
        incomparable=_incomparable(report),
        confusions=_confusions(report),
    )


def methods(report: Report) -> dict[str, list[str]]:
    """How the intervals of the main metric were computed, and of which columns."""
    found: dict[str, list[str]] = {}
    for entry in report.entries:
        summary = entry.summaries.get(report.metric)
        if summary and summary.interval:
            labels = found.setdefault(typographic(summary.interval.method), [])
            if entry.column.label not in labels:
                labels.append(entry.column.label)
    return found


def points(value: float | None, digits: int = 2) -> str:
    """A difference with its sign; an en dash for None."""
    return EN_DASH if value is None else f'{value:+.{digits}f}'.replace('-', pictures.MINUS)


def number(value: float | None, digits: int = 2) -> str:
    """A number with a minus sign that is one; an en dash for None."""
    return EN_DASH if value is None else f'{value:,.{digits}f}'.replace('-', pictures.MINUS)


def p_value(value: float | None) -> str:
    """Three digits; below that, so."""
    if value is None:
        return EN_DASH
    return '< 0.001' if value < 0.001 else f'{value:.3f}'


def typographic(text: str) -> str:
    """The text with real minus signs before numbers, and no line break within '95 %' or 'p = 0.01'."""
    text = re.sub(r'(^|[ (])-(?=\d)', rf'\1{pictures.MINUS}', text)
    return re.sub(r'(?<=\d) (?=%|points)|(?<=\bp) (?=[=<])|(?<=[=<]) (?=\d)', '\N{NO-BREAK SPACE}', text)


def without_verdict(text: str) -> str:
    """A claim that stands beside its verdict need not repeat it."""
    rest = re.sub(r'^(Inconclusive|Nothing may be claimed): ', '', text)
    return rest[:1].upper() + rest[1:]


def duration(seconds: float) -> str:
    """In the largest fitting unit."""
    for unit, length in (('h', 3600), ('min', 60)):
        if seconds >= length:
            return f'{seconds / length:.1f} {unit}'
    return f'{seconds:.1f} s'


def data_uri(sample: Sample) -> str:
    """The picture as part of the page."""
    return f'data:{SUFFIXES[Path(sample.file).suffix.lower()]};base64,{base64.b64encode(sample.content).decode()}'


def _measured(report: Report) -> list[str]:
    return list(dict.fromkeys([*report.metrics, *(report.calibration.metrics if report.calibration else ())]))


def _sample_groups(samples: Sequence[Sample]) -> dict[str, list[Sample]]:
    groups: dict[str, list[Sample]] = {}
    for sample in samples:
        groups.setdefault(sample.group, []).append(sample)
    return groups


def _incomparable(report: Report) -> dict[str, list[str]]:
    """Why entries do not compare with the paper, and which."""
    reasons: dict[str, list[str]] = {}
    for entry in report.entries:
        if entry.published and entry.published.obstacle and entry.summaries:
            reasons.setdefault(entry.published.obstacle, []).append(f'{entry.row.label} on {entry.column.label}')
    return reasons


def _confusions(report: Report) -> dict[tuple[str, Column], list]:
    groups: dict[tuple[str, Column], list] = {
        (variant, column): [] for variant in report.variants for column in report.columns
    }
    for confusion in report.confusions:
        groups[confusion.variant, confusion.column].append(confusion)
    return {place: found for place, found in groups.items() if found}
