"""The grid on small parts of the real data, which small_grid.sh runs, can be planned."""

from __future__ import annotations

from pathlib import Path

from sdp_plugin.grid.plan import plan_grid
from sdp_plugin.grid.records import PRETRAINING


def test_the_small_grid_is_planned_without_its_data(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = plan_grid(Path(__file__).with_name('small_grid.py'))
    assert len(plan.trainings) == 1 + 2 * (2 * 3 + 2 * 3)
    assert [cell.title for cell in plan.trainings.values() if cell.kind == PRETRAINING] == ['pre-training scribbles']
    assert {Path(folder).parts[:2] for folder in plan.absent} == {('work_dirs', 'real_small')}
