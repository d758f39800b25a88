"""The demonstration, as short as it can be."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import pytest

from sdp_plugin.engine import demo
from sdp_plugin.engine.demo import Demo, DemoSizes
from sdp_plugin.errors import UserError

CONFIGS = Path(__file__).parents[2] / 'configs'
SHORTEST = DemoSizes(segmentation_iters=1, classification_iters=1, pcam_epochs=1, crc_epochs=1, repeats=1)
NUM_STEPS = 3 + 3 + 4 * 2


def test_another_demonstration_in_the_folder_is_refused(tmp_path):
    Demo(tmp_path, CONFIGS, SHORTEST)
    Demo(tmp_path, CONFIGS, SHORTEST)
    with pytest.raises(UserError, match='another demonstration'):
        Demo(tmp_path, CONFIGS, DemoSizes())


@pytest.mark.slow
def test_runs_and_runs_again(tmp_path, monkeypatch, small_data):
    monkeypatch.setattr(demo, 'write_miniature', lambda root, report: small_data)
    monkeypatch.setattr(demo, 'IMAGES_IN_FIGURE', 1)
    smallest = dict(batch_size=2, num_workers=0)
    monkeypatch.setattr(demo, 'FINETUNINGS', with_options(demo.FINETUNINGS, **smallest, examples_per_class=1))
    monkeypatch.setattr(demo, 'PRETRAININGS', with_options(demo.PRETRAININGS, **smallest, crop_size=(33, 33)))
    lines = []
    results = Demo(tmp_path, CONFIGS, SHORTEST, report=lines.append).run()

    assert len(results) == 8
    assert {result.initialisation for result in results} == set(demo.INITIALISATIONS)
    assert all(0 <= result.value <= 100 for result in results)
    assert sum(line.startswith(f'[{NUM_STEPS}/{NUM_STEPS} ') for line in lines) == 1
    assert cv2.imread(str(tmp_path / 'predictions.png')) is not None
    table = (tmp_path / 'results.md').read_text()
    assert all(name in table for name in demo.INITIALISATIONS)
    assert len(json.loads((tmp_path / 'results.json').read_text())) > 0

    written = {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*.pth')}
    assert len(written) >= 3 + 3 + 8
    again = []
    assert Demo(tmp_path, CONFIGS, SHORTEST, report=again.append).run() == results
    assert sum('done before' in line for line in again) == NUM_STEPS
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob('*.pth')} == written


def with_options(trainings: dict, **options) -> dict:
    return {
        name: demo.Training(t.config, t.length, t.length_from, {**t.options, **options})
        for name, t in trainings.items()
    }
