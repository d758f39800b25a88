from __future__ import annotations


def test_prints_and_writes_the_tables(run_tool, tmp_path):
    out = tmp_path / 'tables.md'
    status, printed, _ = run_tool(
        'simulate_statistics.py', '--tables', 'folds', 'runs', '--repetitions', 20, '--out', out
    )
    assert status == 0
    written = out.read_text(encoding='utf-8')
    assert '| correlation | uncorrected, % |' in written
    assert '| normal | 10 | Student t (default) |' in written
    assert written.count('20 repetitions a row.') == 2
    assert written.split() == printed.split()


def test_too_few_repetitions_are_refused(run_tool):
    status, _, errors = run_tool('simulate_statistics.py', '--repetitions', 1)
    assert status == 2
    assert 'at least 10' in errors
