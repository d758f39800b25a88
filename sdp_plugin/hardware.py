"""The machine that this process runs on: its cores, its processor, and how much memory is free."""

from __future__ import annotations

import math
import os
import platform
from pathlib import Path

_CPUINFO = Path('/proc/cpuinfo')
_CGROUP = Path('/sys/fs/cgroup')
_MEMINFO = Path('/proc/meminfo')


def cores() -> int:
    """Processor cores that this process may use: no more than its affinity (``taskset``, a batch system) lets it."""
    return len(os.sched_getaffinity(0)) if hasattr(os, 'sched_getaffinity') else os.cpu_count() or 1


def processor() -> str:
    """The processor's name, or its kind where the system does not tell."""
    return _cpuinfo('model name') or platform.machine()


def processor_flags() -> frozenset[str]:
    """What the processor can do, by Linux's names (``avx512_bf16``); empty where the system does not tell."""
    return frozenset(_cpuinfo('flags').split())


def _cpuinfo(key: str) -> str:
    """What Linux says of the first core."""
    try:
        lines = _CPUINFO.read_text().splitlines()
    except OSError:
        return ''
    return next((line.partition(':')[2].strip() for line in lines if line.partition(':')[0].strip() == key), '')


def available_memory() -> int:
    """Bytes that this process can still take without the machine swapping or its container being killed.

    The smaller of what Linux calls available (free, or held only by caches) and what the container's limit leaves.
    Elsewhere half of the memory there is, which is a guess.
    """
    candidates = [amount for amount in (_available_on_linux(), _left_in_container()) if amount is not None]
    return min(candidates) if candidates else _total() // 2


def _available_on_linux() -> int | None:
    try:
        lines = dict(line.split(':', 1) for line in _MEMINFO.read_text().splitlines())
        return int(lines['MemAvailable'].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None


def _left_in_container() -> int | None:
    try:
        limit = (_CGROUP / 'memory.max').read_text().strip()
        used = int((_CGROUP / 'memory.current').read_text())
        statistics = dict(line.split() for line in (_CGROUP / 'memory.stat').read_text().splitlines())
        # Cached file pages count as used, but are given back before the limit hurts.
        return None if limit == 'max' else int(limit) - used + int(statistics['inactive_file'])
    except (OSError, KeyError, ValueError):
        return None


def _total() -> int:
    return os.sysconf('SC_PAGE_SIZE') * os.sysconf('SC_PHYS_PAGES')


def readable_size(num_bytes: int) -> str:
    """A number of bytes for people: ``7.2 GB``, in powers of ten as disks are sold."""
    if num_bytes < 1000:
        return f'{num_bytes} bytes'
    power = min(4, int(math.log10(num_bytes)) // 3)
    return f'{num_bytes / 1000**power:.1f} {("kB", "MB", "GB", "TB")[power - 1]}'
