"""What the benchmarks share: measuring two sides in turn, naming the machine, tables and JSON."""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from importlib.metadata import PackageNotFoundError, version
from statistics import median

from sdp_plugin.files import write_text_atomically
from sdp_plugin.hardware import cores, processor

# Those that are installed are named; OpenMMLab's come from the maintained forks or from upstream.
PACKAGES = (
    'torch', 'torchvision', 'numpy', 'scipy', 'scikit-learn', 'opencv-python', 'pillow', 'h5py', 'openslide-python',
    'kornia', 'onedl-mmengine', 'onedl-mmcv', 'onedl-mmsegmentation', 'onedl-mmpretrain', 'mmengine', 'mmcv',
    'mmsegmentation', 'mmpretrain',
)  # fmt: skip


def alternate(sides: Mapping[str, Callable[[], float]], rounds: int) -> dict[str, list[float]]:
    """Measure each side once a round, so that whatever else the machine does meets both alike.

    Args:
        sides (Mapping[str, Callable[[], float]]): By name, a function that measures once.
        rounds (int): How many times.

    Returns:
        dict[str, list[float]]: The measurements of each side, by round.
    """
    measured: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(rounds):
        for name, measure in sides.items():
            measured[name].append(measure())
    return measured


def seconds(work: Callable[[], object]) -> float:
    """How long ``work`` takes, by the wall."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def core_seconds(work: Callable[[], object]) -> float:
    """How long ``work`` keeps a core busy: unlike the wall's time, that hardly depends on what else runs."""
    started = time.process_time()
    work()
    return time.process_time() - started


def summary(values: Sequence[float]) -> dict[str, object]:
    """Median, least, greatest, and the values themselves."""
    return dict(median=median(values), least=min(values), greatest=max(values), values=list(values))


def ratios(ours: Sequence[float], theirs: Sequence[float]) -> dict[str, object]:
    """How many times ours is theirs, round by round."""
    return summary([a / b for a, b in zip(ours, theirs, strict=True)])


def machine() -> dict[str, object]:
    """The day, the processor, its cores, how busy they are with other work, and the versions of what computes."""
    return dict(
        date=str(date.today()),
        processor=processor(),
        cores=cores(),
        load_before=os.getloadavg()[0],
        system=platform.system(),
        python=platform.python_version(),
        versions={name: found for name in PACKAGES if (found := _version(name))},
    )


def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up."""
    cells = [list(header), *map(list, rows)]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    lines = [
        '| ' + ' | '.join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + ' |' for row in cells
    ]
    return '\n'.join([lines[0], '|' + '|'.join('-' * (width + 2) for width in widths) + '|', *lines[1:]])


def spread(measured: Mapping[str, object], digits: int = 0) -> str:
    """A summary in short: the median and, in brackets, the least and the greatest."""
    median_, least, greatest = (f'{measured[key]:,.{digits}f}' for key in ('median', 'least', 'greatest'))
    return f'{median_} ({least}-{greatest})'


def write_report(path: str | None, report: dict) -> None:
    """Write the numbers as JSON, if a file was named."""
    if path:
        write_text_atomically(path, json.dumps(report, indent=2) + '\n')
