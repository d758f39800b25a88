"""From a grid's work directory to the report as data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from sdp_plugin import __version__
from sdp_plugin.errors import UserError
from sdp_plugin.grid.records import PRETRAINING
from sdp_plugin.grid.store import GridRecord
from sdp_plugin.report.comparisons import comparisons_of
from sdp_plugin.report.curves import confusions_of, learning_curves, pretraining_curves, roc_curves
from sdp_plugin.report.entries import entries_of
from sdp_plugin.report.model import ACCURACY, Column, Pretraining, Report
from sdp_plugin.report.samples import read_samples
from sdp_plugin.report.score_files import finetunings, read_scores
from sdp_plugin.report.standing import (
    command_of,
    durations_of,
    machines_of,
    missing_metrics,
    notices_of,
    standing_of,
    versions_of,
)
from sdp_plugin.statistics.published import PublishedTable, published_table

SHOWN_WHERE_MEASURED = ('single-label/balanced-accuracy', 'single-label/auroc')


def build_report(record: GridRecord, metrics: Sequence[str] = ()) -> Report:
    """Compute all that the report says.

    Args:
        record (GridRecord): A grid, complete or not.
        metrics (Sequence[str]): The main metric and further ones. The grid's own, the balanced accuracy and the AUROC
            if empty.

    Raises:
        UserError: The grid has no fine-tuning, or no result has one of the metrics.
    """
    cells = finetunings(record)
    if not cells:
        raise UserError(
            f'The grid {record.plan.name!r} has no fine-tuning to report of.', found=f'{len(record.cells)} cells'
        )
    metrics = _metrics(record, metrics)
    published = _published(record, metrics[0])
    scores, problems = read_scores(record)
    columns, initialisations = _columns(record, published), _initialisations(record)
    variants = tuple(dict.fromkeys(cell.variant for cell in cells))
    entries = sorted(
        entries_of(record, scores, metrics, published),
        key=lambda entry: (
            variants.index(entry.variant),
            columns.index(entry.column),
            initialisations.index(entry.initialisation),
        ),
    )
    comparisons = comparisons_of(record, scores, metrics[0], columns)
    samples, sample_problems = read_samples(record.work_dir)
    return Report(
        name=record.plan.name,
        metric=metrics[0],
        metrics=metrics,
        columns=columns,
        variants=variants,
        initialisations=initialisations,
        entries=tuple(entries),
        comparisons=tuple(comparisons),
        learning=tuple(learning_curves(record)),
        pretraining=tuple(pretraining_curves(record)),
        pretrainings=tuple(
            Pretraining(result.cell.title, result.metrics, result.durations)
            for result in record.results.values()
            if result.cell.kind == PRETRAINING
        ),
        roc=tuple(roc_curves(record, scores)),
        confusions=tuple(confusions_of(record, scores)),
        samples=tuple(samples),
        standing=standing_of(record),
        notices=tuple(notices_of(record, metrics[0], entries, comparisons)),
        problems=(*problems, *missing_metrics(record, metrics), *sample_problems),
        published=published.citation if published else None,
        versions=versions_of(record),
        machines=machines_of(record),
        durations=durations_of(record),
        grid=dict(record.plan.grid),
        work_dir=str(record.work_dir),
        command=command_of(record),
        generated=datetime.now(UTC).isoformat(timespec='seconds'),
        generator=f'sdp_plugin {__version__}',
    )


def _metrics(record: GridRecord, wanted: Sequence[str]) -> tuple[str, ...]:
    results = [record.results[cell.id] for cell in finetunings(record) if cell.id in record.results]
    measured = sorted({metric for result in results for metric in result.metrics})
    for metric in wanted:
        if results and metric not in measured:
            raise UserError(f'No result has the metric {metric!r}.', looked_for=' or '.join(measured), found=metric)
    main = record.plan.grid.get('metric', ACCURACY)
    chosen = wanted or (main, *(metric for metric in SHOWN_WHERE_MEASURED if metric in measured))
    return tuple(dict.fromkeys(chosen))


def _published(record: GridRecord, metric: str) -> PublishedTable | None:
    key = record.plan.grid.get('published')
    return published_table(key) if key and metric == ACCURACY else None


def _columns(record: GridRecord, published: PublishedTable | None) -> tuple[Column, ...]:
    """Those of the plan: first the published ones in the order of the paper, then the others in that of the grid."""
    planned = list(dict.fromkeys(Column(cell.dataset, cell.examples_per_class) for cell in finetunings(record)))
    first = [Column(*column) for column in published.columns] if published else []
    datasets = list(dict.fromkeys(column.dataset for column in (*first, *planned)))
    return tuple(sorted(planned, key=lambda column: datasets.index(column.dataset)))


def _initialisations(record: GridRecord) -> tuple[str, ...]:
    planned = dict.fromkeys(cell.initialisation for cell in finetunings(record))
    named = [name for name in record.plan.grid.get('initialisations', {}) if name in planned]
    return tuple(dict.fromkeys([*named, *planned]))
