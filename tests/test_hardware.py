from __future__ import annotations

import os

import pytest

from sdp_plugin import hardware


def test_free_memory_is_some_of_what_there_is():
    assert 0 < hardware.available_memory() <= hardware._total()


@pytest.mark.parametrize(('limit', 'left'), [('max', None), ('1000', 1000 - 600 + 150)])
def test_a_container_leaves_its_limit(tmp_path, monkeypatch, limit, left):
    (tmp_path / 'memory.max').write_text(f'{limit}\n')
    (tmp_path / 'memory.current').write_text('600\n')
    (tmp_path / 'memory.stat').write_text('anon 300\ninactive_file 150\n')
    monkeypatch.setattr(hardware, '_CGROUP', tmp_path)
    assert hardware._left_in_container() == left


def test_without_linux_it_is_half(tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, '_CGROUP', tmp_path)
    monkeypatch.setattr(hardware, '_MEMINFO', tmp_path / 'meminfo')
    assert hardware.available_memory() == hardware._total() // 2


@pytest.mark.parametrize(
    ('num_bytes', 'text'),
    [(0, '0 bytes'), (999, '999 bytes'), (1000, '1.0 kB'), (7_247_757_312, '7.2 GB'), (10**15, '1000.0 TB')],
)
def test_sizes_for_people(num_bytes, text):
    assert hardware.readable_size(num_bytes) == text


@pytest.mark.skipif(not hasattr(os, 'sched_setaffinity'), reason='the system has no affinity')
def test_cores_are_those_that_the_process_may_use():
    before = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(before)})
        assert hardware.cores() == 1
    finally:
        os.sched_setaffinity(0, before)
    assert hardware.cores() == len(before)


def test_the_processor(tmp_path, monkeypatch):
    monkeypatch.setattr(hardware, '_CPUINFO', tmp_path / 'cpuinfo')
    assert hardware.processor()
    assert hardware.processor_flags() == frozenset()
    core = 'processor\t: 0\nmodel name\t: A: fast one\nflags\t\t: fpu amx_bf16\nvmx flags\t: other\n'
    (tmp_path / 'cpuinfo').write_text(core + '\n' + core.replace('fast', 'slow'))
    assert hardware.processor() == 'A: fast one'
    assert hardware.processor_flags() == {'fpu', 'amx_bf16'}
