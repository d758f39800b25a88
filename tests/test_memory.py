from __future__ import annotations

import pytest

from sdp_plugin import memory


def test_free_memory_is_some_of_what_there_is():
    assert 0 < memory.available_memory() <= memory._total()


@pytest.mark.parametrize(('limit', 'left'), [('max', None), ('1000', 1000 - 600 + 150)])
def test_a_container_leaves_its_limit(tmp_path, monkeypatch, limit, left):
    (tmp_path / 'memory.max').write_text(f'{limit}\n')
    (tmp_path / 'memory.current').write_text('600\n')
    (tmp_path / 'memory.stat').write_text('anon 300\ninactive_file 150\n')
    monkeypatch.setattr(memory, '_CGROUP', tmp_path)
    assert memory._left_in_container() == left


def test_without_linux_it_is_half(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, '_CGROUP', tmp_path)
    monkeypatch.setattr(memory, '_MEMINFO', tmp_path / 'meminfo')
    assert memory.available_memory() == memory._total() // 2


@pytest.mark.parametrize(
    ('num_bytes', 'text'),
    [(0, '0 bytes'), (999, '999 bytes'), (1000, '1.0 kB'), (7_247_757_312, '7.2 GB'), (10**15, '1000.0 TB')],
)
def test_sizes_for_people(num_bytes, text):
    assert memory.readable_size(num_bytes) == text
