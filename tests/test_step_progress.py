from __future__ import annotations

import json

import pytest

from sdp_plugin import step_progress
from sdp_plugin.step_progress import FILE_NAME, StepProgressFile, read_step_progress


@pytest.fixture
def clock(monkeypatch):
    """A list whose last value is the time."""
    times = [100.0]
    monkeypatch.setattr(step_progress.time, 'monotonic', lambda: times[-1])
    return times


def test_the_time_left_is_that_of_the_steps_so_far(tmp_path, clock):
    file = StepProgressFile(tmp_path)
    file.step('training', 1, 101, lambda: 2.5)
    first = read_step_progress(tmp_path)
    assert (first.done, first.total, first.left, first.loss) == (1, 101, None, 2.5)
    clock.append(110.0)
    file.step('training', 21, 101)
    # 20 steps in ten seconds, 80 are left.
    assert (read_step_progress(tmp_path).seconds, read_step_progress(tmp_path).left) == (10.0, 40.0)


def test_it_is_written_once_a_second_and_the_loss_asked_for_no_more_often(tmp_path, clock):
    file, asked = StepProgressFile(tmp_path), []
    for step in range(1, 31):
        clock.append(clock[-1] + 0.1)
        file.step('training', step, 30, lambda: asked.append(1) or 0.5)
    assert len(asked) == 3


def test_a_test_counts_from_its_own_first_step(tmp_path, clock):
    file = StepProgressFile(tmp_path)
    file.step('training', 400, 400)
    file.step('test', 1, 10)
    assert read_step_progress(tmp_path).phase == 'test'
    clock.append(102.0)
    file.step('test', 3, 10)
    assert read_step_progress(tmp_path).left == 7.0


def test_a_training_does_not_fail_for_it_and_begins_anew(tmp_path):
    (tmp_path / FILE_NAME).write_text('of a killed attempt')
    file = StepProgressFile(tmp_path)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / FILE_NAME).mkdir()
    file.step('training', 1, 2)
    assert read_step_progress(tmp_path) is None


SOUND = dict(phase='training', done=1, total=2, seconds=0.0)


@pytest.mark.parametrize(
    'text',
    [
        *('', '[]', '{}', 'null', ' ' * 10_000),
        *(json.dumps(SOUND | odd) for odd in ({'done': 'x'}, {'done': 3}, {'phase': 1}, {'left': []})),
    ],
    ids=range(9),
)
def test_what_is_no_progress_is_none(tmp_path, text):
    (tmp_path / FILE_NAME).write_text(json.dumps(SOUND))
    assert read_step_progress(tmp_path)
    (tmp_path / FILE_NAME).write_text(text)
    assert read_step_progress(tmp_path) is None
