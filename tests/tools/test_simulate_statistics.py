from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType


def load_tool(name: str) -> ModuleType:
    path = Path(__file__).resolve().parents[2] / 'tools' / f'{name}.py'
    spec = importlib.util.spec_from_file_location(f'tool_{name}', path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_prints_and_writes_the_tables(run_tool, tmp_path):
    out = tmp_path / 'tables.md'
    status, printed, told = run_tool(
        'simulate_statistics.py', '--tables', 'folds', 'runs', '--repetitions', 20, '--out', out
    )
    assert status == 0
    written = out.read_text(encoding='utf-8')
    narrow = re.sub(' +', ' ', written)
    assert '| correlation | uncorrected, % |' in narrow
    assert '| normal | 10 | Student t (default) |' in narrow
    assert told.splitlines() == ['folds: 20 repetitions a row', 'runs: 20 repetitions a row']
    assert written.count('20 repetitions a row.') == 2
    assert written.split() == printed.split()


def test_too_few_repetitions_are_refused(run_tool):
    status, _, errors = run_tool('simulate_statistics.py', '--repetitions', 1)
    assert status == 2
    assert 'at least 10' in errors


def test_it_says_how_far_it_is(monkeypatch, capsys):
    tool = load_tool('simulate_statistics')
    times = iter(range(0, 1000, 4))
    monkeypatch.setattr(tool.time, 'monotonic', lambda: next(times))
    assert list(tool.Progress('images', 10).track(range(10))) == list(range(10))
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        f'images: {share}% of the repetitions, {seconds} s so far' for share, seconds in ((30, 12), (60, 24), (90, 36))
    ]
