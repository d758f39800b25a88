from __future__ import annotations

import re


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
