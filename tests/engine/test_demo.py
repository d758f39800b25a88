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
    monkeypatch.setattr(demo, 'FINETUNINGS', smallest(demo.FINETUNINGS, examples_per_class=1))
    monkeypatch.setattr(demo, 'PRETRAININGS', smallest(demo.PRETRAININGS, crop_size=(33, 33)))
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


def smallest(trainings: dict, **options) -> dict:
    """The trainings of the demonstration with two images a batch and a ResNet-18 of an eighth's width."""
    narrow = {'depth': 18, 'stem_channels': 8, 'base_channels': 8}
    options |= {f'model.backbone.{name}': value for name, value in narrow.items()}
    made = {}
    for name, training in trainings.items():
        head = 'decode_head' if 'deeplabv2' in training.config else 'head'
        small = {**training.options, 'batch_size': 2, **options, f'model.{head}.in_channels': 64}
        made[name] = demo.Training(training.config, training.length, training.length_from, small)
    return made
