from __future__ import annotations

import json
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[4] / 'tools/benchmarks'


@pytest.fixture
def run_benchmark(run_tool, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return lambda *arguments: run_tool('benchmarks/augmentation.py', *arguments)


def test_it_measures_all_sides_and_says_what_is_exact(run_benchmark, tmp_path):
    out = tmp_path / 'augmentation.json'
    status, printed, _ = run_benchmark('--images', 4, '--batch-size', 2, '--rounds', 2, '--out', out)
    assert status == 0
    report = json.loads(out.read_text())
    assert {'stock', 'ours, OpenCV', 'ours, batched in torch', 'torchvision v2'} <= set(report['sides'])
    assert all(side['images_a_second']['least'] > 0 for side in report['sides'].values())
    assert all(name in printed for name in [*report['sides'], *report['steps']])
    exact = {name for name, step in report['steps'].items() if step['largest_difference'] == 0}
    assert exact == {name for name in report['steps'] if 'reference' in name or 'ours' in name}
    assert ('GPU' in printed) == (report['gpu'] is None)


def test_missing_patches_end_in_one_message(run_benchmark, tmp_path):
    status, _, errors = run_benchmark('--data-root', tmp_path)
    assert status == 2
    assert 'The patches are missing.' in errors
