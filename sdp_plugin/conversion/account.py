"""What a conversion did, as text."""

from __future__ import annotations

from collections import Counter

from sdp_plugin.conversion.carry_over import CarriedOver
from sdp_plugin.conversion.verify import GeometryChange, Verification
from sdp_plugin.errors import shortened


def table(carried: CarriedOver) -> str:
    """One line for each tensor: what happens to it, its name before and after, its shape, and why."""
    rows = [('rule', 'source', 'target', 'shape', 'reason')]
    state = carried.conversion.state
    for record in (*carried.conversion.records, *carried.source.dropped):
        shape = (
            'x'.join(map(str, state[record.targets[0]].shape)) if record.targets and record.targets[0] in state else ''
        )
        rows.append((record.action, ' + '.join(record.sources), ' + '.join(record.targets), shape, record.reason))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    return '\n'.join('  '.join((*map(str.ljust, row, widths), row[4])).rstrip() for row in rows)


def summary(carried: CarriedOver) -> str:
    """Both sides, and how many tensors each rule took."""
    counts = Counter(record.action for record in (*carried.conversion.records, *carried.source.dropped))
    source, verdict = carried.source, carried.verdict
    inside = f' inside {source.inside}' if source.inside else ''
    lines = [
        f'source: {source.trunk.label}{inside}, {source.path}',
        *([f'names without the prefix {source.wrapper}'] if source.wrapper else []),
        *([f'layout recognised from names and shapes: {source.layout}'] if source.layout else []),
        *([f'architecture: {source.architecture}'] if source.architecture else []),
        f'target: {carried.target.label}',
        'tensors: ' + ', '.join(f'{count} {action}' for action, count in counts.items()),
        f'verdict: {verdict.name}' + (f' ({verdict.note})' if verdict.note else ''),
    ]
    if verdict.tolerance is None:
        lines.append(
            'warning: the target computes another function of these weights; a classifier around '
            + ("timm's own class, sdp_plugin.TimmBackbone," if source.layout else 'sdp_plugin.SegmentationBackbone')
            + ' would keep it'
        )
    for action in ('fresh', 'zero-fill'):
        lines += [f'{action}: {record.targets[0]} ({record.reason})' for record in carried.conversion.named(action)]
    if carried.resized:
        lines.append(f'resized by interpolation: {shortened(carried.resized)}')
    return '\n'.join(lines)


def verification(found: Verification) -> str:
    """The difference stage by stage, and what the change of strides does."""
    lines = ['features of the source and the target, both with random noise on all weights:']
    for index, stage in enumerate(found.stages, 1):
        shape = 'x'.join(map(str, stage.shape))
        same = (
            'bit-identical'
            if stage.largest == 0
            else f'largest difference {stage.largest:.3g}, relative {stage.relative:.3g}'
        )
        lines.append(f'  stage {index} ({shape}): {same}')
    if found.geometry:
        lines += _geometry(found.geometry)
    return '\n'.join(lines)


def _geometry(change: GeometryChange) -> list[str]:
    lines = [
        f'  other strides or dilations than in training change the pooled features by {change.pooled:.1%} '
        '(expected, no error)'
    ]
    if change.every == 1 or change.sampled is None:
        return lines
    told = 'is the coarser one dilated' if change.is_atrous else 'is not the coarser one dilated'
    remedy = '' if change.is_atrous else ', as sdp_plugin.AtrousResNet would be'
    return [
        *lines,
        f'  à-trous agreement: a relative difference of {change.sampled:.2g} at every {_ordinal(change.every)} '
        f'position of the denser map, which {told}{remedy}',
    ]


def _ordinal(number: int) -> str:
    return {2: '2nd', 3: '3rd'}.get(number, f'{number}th')
