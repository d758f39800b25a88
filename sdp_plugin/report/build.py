"""From a grid's work directory to the report as data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import UTC, datetime

from sdp_plugin import __version__
from sdp_plugin.errors import UserError
from sdp_plugin.grid.plan import command_of
from sdp_plugin.grid.records import PRETRAINING
from sdp_plugin.grid.store import GridRecord
from sdp_plugin.report.comparisons import comparisons_of
from sdp_plugin.report.curves import (
    confusions_of,
    learning_curves,
    pretraining_curves,
    reliability_curves,
    roc_curves,
)
from sdp_plugin.report.model import ACCURACY, Calibration, Column, Pretraining, Report
from sdp_plugin.report.reading import read_runs
from sdp_plugin.report.runs import RunTable
from sdp_plugin.report.samples import read_samples
from sdp_plugin.report.scores import CALIBRATION
from sdp_plugin.report.standing import (
    durations_of,
    left_out_of,
    machines_of,
    missing_metrics,
    notices_of,
    standing_of,
    versions_of,
)
from sdp_plugin.report.table_entries import entries_of
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
    table = read_runs(record)
    if not table.runs:
        raise UserError(
            f'The grid {record.plan.name!r} has no fine-tuning and no probe to report of.',
            found=f'{len(record.cells)} cells',
        )
    metrics = _metrics(table, metrics)
    published = _published(table, metrics[0])
    calibrated = [name for name in CALIBRATION if any(name in run.metrics for run in table.done)]
    columns = _columns(table, published)
    entries = sorted(
        entries_of(table, (*metrics, *(name for name in calibrated if name not in metrics)), published),
        key=lambda entry: (
            table.variants.index(entry.variant),
            columns.index(entry.column),
            table.rows.index(entry.row),
        ),
    )
    comparisons = comparisons_of(table, metrics[0], columns)
    samples, sample_problems = read_samples(record.work_dir)
    return Report(
        name=record.plan.name,
        metric=metrics[0],
        metrics=metrics,
        columns=columns,
        variants=table.variants,
        initialisations=table.initialisations,
        rows=table.rows,
        entries=tuple(entries),
        comparisons=tuple(comparisons),
        learning=tuple(learning_curves(table)),
        pretraining=tuple(pretraining_curves(record)),
        pretrainings=tuple(
            Pretraining(result.cell.title, result.metrics, result.durations)
            for result in record.results.values()
            if result.cell.kind == PRETRAINING
        ),
        roc=tuple(roc_curves(table)),
        confusions=tuple(confusions_of(table)),
        calibration=_calibration(table, calibrated, columns) if calibrated else None,
        samples=tuple(samples),
        standing=standing_of(record, left_out_of(record, table, metrics)),
        notices=tuple(notices_of(record, metrics[0], entries, comparisons)),
        problems=(*table.problems, *missing_metrics(table, metrics), *sample_problems),
        published=published.citation if published else None,
        versions=versions_of(record),
        machines=machines_of(record),
        durations=durations_of(record),
        grid=dict(record.plan.grid),
        work_dir=str(record.work_dir),
        command=command_of(record.plan, record.work_dir),
        generated=datetime.now(UTC).isoformat(timespec='seconds'),
        generator=f'sdp_plugin {__version__}',
    )


def _metrics(table: RunTable, wanted: Sequence[str]) -> tuple[str, ...]:
    measured = sorted({metric for run in table.done for metric in run.metrics})
    for metric in wanted:
        if table.done and metric not in measured:
            raise UserError(f'No result has the metric {metric!r}.', looked_for=' or '.join(measured), found=metric)
    main = table.grid.get('metric', ACCURACY)
    chosen = wanted or (main, *(metric for metric in SHOWN_WHERE_MEASURED if metric in measured))
    return tuple(dict.fromkeys(chosen))


def _calibration(table: RunTable, metrics: Sequence[str], columns: Sequence[Column]) -> Calibration:
    return Calibration(
        tuple(metrics),
        {metric: tuple(comparisons_of(table, metric, columns)) for metric in metrics},
        tuple(reliability_curves(table)),
        sum(bool(run.scores) and run.scores.held_out is None for run in table.runs),
    )


def _published(table: RunTable, metric: str) -> PublishedTable | None:
    key = table.grid.get('published')
    found = published_table(key) if key else None
    return found if found and metric == found.metric else None


def _columns(table: RunTable, published: PublishedTable | None) -> tuple[Column, ...]:
    """Those of the plan: published data sets in the order of the paper, then the others; each with rising sizes."""
    first = [dataset for dataset, _ in published.columns] if published else []
    datasets = list(dict.fromkeys([*first, *(column.dataset for column in table.columns)]))
    return tuple(
        sorted(
            table.columns, key=lambda column: (datasets.index(column.dataset), column.examples_per_class or math.inf)
        )
    )
