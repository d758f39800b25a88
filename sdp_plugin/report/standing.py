"""How far a grid is, what went wrong, where and with what it ran, and what a reader must know before the numbers."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence

from sdp_plugin.catalogue.foundation_models import FOUNDATION_MODELS
from sdp_plugin.grid.records import FEATURES, PRETRAINING
from sdp_plugin.grid.store import GridRecord
from sdp_plugin.report.model import ComparisonBlock, Entry, Standing, Trouble
from sdp_plugin.report.runs import RunTable
from sdp_plugin.report.table_entries import is_number
from sdp_plugin.statistics.claims import HIGHER, LOWER

FEW_RUNS = 5
PLACES = ('data_root', 'scribbles', 'num_workers')


def standing_of(record: GridRecord, left_out: Collection[str] = ()) -> Standing:
    """Each training of the plan in one of done, running, failed, not runnable and missing; and what is stale.

    Args:
        record (GridRecord): A grid, complete or not.
        left_out (Collection[str]): See :func:`left_out_of`; they are finished, and do not count as done.
    """
    trainings = record.plan.trainings
    not_runnable = {id: reason for id, reason in record.not_runnable().items() if id not in record.running}
    running = [
        Trouble(trainings[id].title, f'{owner.worker} on {owner.host or "an unknown machine"}')
        for id, owner in record.running.items()
    ]
    failed = [
        Trouble(failure.cell.title, failure.error, f'{failure.failed} on {_host(failure.machine)}\n{failure.traceback}')
        for failure in record.failures.values()
    ]
    missing = [
        Trouble(cell.title)
        for id, cell in trainings.items()
        if not any(
            id in ids for ids in (record.results, record.running, record.failures, record.unreadable, not_runnable)
        )
    ]
    return Standing(
        len(trainings),
        len(record.results) - len(left_out),
        tuple(running),
        tuple(failed),
        tuple(Trouble(trainings[id].title, reason) for id, reason in not_runnable.items() if id not in record.failures),
        tuple(missing),
        tuple(Trouble(result.cell.title, f'finished {result.finished}') for result in record.stale.values()),
        tuple(
            Trouble(trainings[id].title if id in trainings else f'cells/{id}', ' '.join(why.split()))
            for id, why in record.unreadable.items()
        ),
        len(left_out),
    )


def left_out_of(record: GridRecord, table: RunTable, metrics: Sequence[str]) -> set[str]:
    """Ids of finished cells whose draws, scores or values of a metric are not in the report, wholly or in part."""
    return {
        run.cell
        for run in table.runs
        if (result := record.results.get(run.cell)) is not None
        and (
            not run.is_done
            or ('scores' in result.files and run.scores is None)
            or not all(is_number(run.metrics.get(metric)) for metric in metrics)
        )
    }


def notices_of(
    record: GridRecord, metric: str, entries: Sequence[Entry], comparisons: Sequence[ComparisonBlock]
) -> list[str]:
    """What a reader must know before the numbers."""
    return [
        *_about_the_metric(record, metric),
        *_about_the_published(record, entries),
        *_about_pretrainings(record),
        *_about_what_was_seen(record),
        *_about_statistics_of_the_target(record),
        *_about_few_runs(entries),
        *_about_pairs(comparisons),
        *_about_test_images(comparisons),
        *_about_versions(record),
    ]


def versions_of(record: GridRecord) -> dict[str, dict[str, int]]:
    """Library to version to number of results."""
    names = dict.fromkeys(name for result in record.results.values() for name in result.versions)
    return {
        name: dict(Counter(result.versions.get(name, 'unknown') for result in record.results.values()))
        for name in names
    }


def machines_of(record: GridRecord) -> dict[str, int]:
    """Description of a machine to number of results."""
    return dict(Counter(_machine(result.machine) for result in record.results.values()))


def durations_of(record: GridRecord) -> dict[str, dict[str, float]]:
    """Kind of cell to phase to seconds, summed over the results."""
    seconds: dict[str, Counter] = {}
    for result in record.results.values():
        seconds.setdefault(result.cell.kind, Counter()).update(result.durations)
    return {kind: dict(phases) for kind, phases in seconds.items()}


def _about_the_metric(record: GridRecord, metric: str) -> list[str]:
    planned = record.plan.grid.get('metric', metric)
    if metric == planned:
        return []
    return [
        f'The comparisons are of {metric}. The margins were fixed for {planned} before the runs, so equivalence is '
        'not tested here.'
    ]


def _about_the_published(record: GridRecord, entries: Iterable[Entry]) -> list[str]:
    reasons: dict[str, list[str]] = {}
    compared = False
    for entry in entries:
        if entry.published and entry.summaries and entry.published.obstacle:
            reasons.setdefault(entry.published.obstacle, []).append(entry.column.dataset)
        compared |= bool(entry.published and not entry.published.obstacle)
    notices = [
        f'{" and ".join(dict.fromkeys(datasets))}: {reason}. Numbers on parts of the data do not compare with the '
        'paper, so no difference is given.'
        for reason, datasets in reasons.items()
    ]
    changed = _overrides(record)
    if changed and (compared or reasons):
        notices.append(f'The grid changes settings of its configs ({changed}), so it may differ from the paper.')
    return notices


def _overrides(record: GridRecord) -> str:
    grid = record.plan.grid
    members = [member for name in ('datasets', 'pretrainings') for member in grid.get(name, {}).values()]
    # Published results stand beside this variant alone, which has options as any other.
    parts = [grid, *members, grid.get('variants', {}).get('', {})]
    kinds = ('options', 'pretrain_options', 'finetune_options')
    changed = {key: value for part in parts for kind in kinds for key, value in part.get(kind, {}).items()}
    return ', '.join(f'{key}={value}' for key, value in changed.items() if key.rsplit('.', 1)[-1] not in PLACES)


def _about_pairs(comparisons: Iterable[ComparisonBlock]) -> list[str]:
    other: dict[str, int] = {}
    for block in comparisons:
        odd = [reason for row in block.rows for _, reason in row.unpaired if not reason.startswith('no result')]
        if odd:
            other[f'{block.first} and {block.second}'] = len(odd)
    return [
        f'Runs of {names} that the plan pairs are not comparable ({count} of them): see the paired comparisons.'
        for names, count in other.items()
    ]


def _about_test_images(comparisons: Iterable[ComparisonBlock]) -> list[str]:
    shown = [row for block in comparisons for row in block.rows if row.images and row.claim.verdict in (HIGHER, LOWER)]
    odd = sum(0 in row.images for row in shown)
    if not odd:
        return []
    return [
        f'{odd} of the {len(shown)} differences that are shown on a common test set are shown for that test set only: '
        'over other test images as well, their intervals include 0. Tests are over the runs.'
    ]


def _about_pretrainings(record: GridRecord) -> list[str]:
    if all(cell.kind != PRETRAINING for cell in record.plan.cells):
        return []
    return [
        'Each initialisation that is pre-trained comes from one pre-training. Intervals and tests say what other '
        'draws, seeds and folds would give, not what another pre-training would.'
    ]


def _about_what_was_seen(record: GridRecord) -> list[str]:
    grid = record.plan.grid
    cards = {name: FOUNDATION_MODELS.get(part.get('card')) for name, part in grid.get('initialisations', {}).items()}
    return [
        f'{name} may have seen slides of {dataset} in its own pre-training, on {card.trained_on}: its results there '
        'may be too good.'
        for name, card in cards.items()
        if card
        for dataset in card.overlaps
        if dataset in grid.get('datasets', {})
    ]


def _about_statistics_of_the_target(record: GridRecord) -> list[str]:
    of_folds = [cell for cell in record.plan.cells if cell.kind == FEATURES and 'fold' in cell.options]
    datasets = dict.fromkeys(cell.dataset for cell in of_folds if cell.options.get('batch_norm_images'))
    return [
        f'{dataset}: the images of which probes have their batch-norm statistics are of the training part of the first '
        'fold, for all folds. Some of them are, without their labels, test images of the others.'
        for dataset in datasets
    ]


def _about_few_runs(entries: Iterable[Entry]) -> list[str]:
    counts = sorted({summary.n for entry in entries for summary in entry.summaries.values() if summary.n < FEW_RUNS})
    if not counts:
        return []
    said = ' to '.join(map(str, dict.fromkeys((counts[0], counts[-1]))))
    return [
        f'Some entries are of {said} run{"" if said == "1" else "s"} only. Their intervals and tests rest on the runs '
        'being normally distributed, and are wide: of two runs, an interval may hold all that a percentage can be.'
    ]


def _about_versions(record: GridRecord) -> list[str]:
    mixed = [f'{name} {" and ".join(found)}' for name, found in versions_of(record).items() if len(found) > 1]
    return [f'The results are of different versions: {"; ".join(mixed)}.'] if mixed else []


def _machine(machine: Mapping[str, str]) -> str:
    cores = machine.get('cores')
    parts = [machine.get('processor'), f'{cores} cores' if cores else None, machine.get('device')]
    return f'{_host(machine)}: {", ".join(part for part in parts if part)}'


def _host(machine: Mapping[str, str]) -> str:
    return machine.get('host') or 'an unknown machine'


def missing_metrics(table: RunTable, metrics: Sequence[str]) -> list[str]:
    """Finished runs without a finite value of a metric, in words."""
    return [
        f'{run.title}: {metric} is {run.metrics.get(metric, "missing")}'
        for run in table.done
        for metric in metrics
        if not is_number(run.metrics.get(metric))
    ]
