"""The table of docs/robustness.md names tests that there are."""

from __future__ import annotations

import re

import pytest
from robustness_table import PAGE, ROOT, ROWS


@pytest.mark.parametrize(('what', 'outcome', 'tests'), ROWS, ids=[what for what, *_ in ROWS])
def test_every_row_is_in_the_docs_and_has_its_tests(what, outcome, tests):
    assert re.search(rf'^\| {re.escape(what)} +\| +\d+ \| {re.escape(outcome)} +\|$', PAGE.read_text(), re.MULTILINE)
    for test in tests:
        path, name = test.split('::')
        assert f'def {name or "test_"}' in (ROOT / path).read_text(encoding='utf-8'), test
