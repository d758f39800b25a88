"""What a grid says of itself: in a log file, on a terminal, and before it runs."""

from __future__ import annotations

import io
import json
import re
from dataclasses import asdict, replace

import pytest
from toy_grid import GRID, NUM_TRAININGS

from sdp_plugin.grid import leases as claims
from sdp_plugin.grid import plan as planning
from sdp_plugin.grid import store
from sdp_plugin.grid.description import describe
from sdp_plugin.grid.progress import (
    LONGEST_SILENCE,
    MOST_NAMED,
    Estimate,
    Progress,
    _means,
    accuracy_lines,
    estimate,
    left,
    running_lines,
    status_line,
    steps_of,
)
from sdp_plugin.grid.records import FINETUNING, Failure, Result
from sdp_plugin.grid.store import GridRecord
from sdp_plugin.step_progress import FILE_NAME, StepProgress


def result_of(cell, wall: float = 60.0, accuracy: float = 70.0) -> Result:
    return Result(cell, {'accuracy/top1': accuracy}, [], {}, {store.WALL: wall}, {}, {}, {}, '')


def record_of(toy, results=(), failures=(), running=(), plan=None) -> GridRecord:
    plan = plan or toy.plan()
    return GridRecord(
        toy.work_dir,
        plan,
        {result.cell.id: result for result in results},
        {cell.id: Failure(cell, 'ValueError: no luck\nmore', '', {}, '') for cell in failures},
        {cell.id: claims.this_process(f'worker {number}') for number, cell in enumerate(running)},
        {},
    )


def of(plan, dataset: str, size: int, initialisation: str = 'Random') -> list:
    wanted = (dataset, size, initialisation)
    return [cell for cell in plan.cells if (cell.dataset, cell.examples_per_class, cell.initialisation) == wanted]


def test_a_cell_takes_as_long_as_others_of_its_group(toy):
    plan = toy.plan()
    first, second, third = of(plan, 'Alpha', 1)
    record = record_of(toy, [result_of(first, 50.0), result_of(second, 70.0)], plan=plan)
    known = [cell for cell in left(record) if cell.group == 'Alpha 1']
    assert third in known
    assert len(known) == 7
    # Alpha 2 sees twice the images of Alpha 1; of Beta and the pre-trainings nothing is known.
    assert estimate(record) == Estimate(pytest.approx(7 * 60.0 + 9 * 120.0), 16, 9 + 2)


def test_nothing_is_invented(toy):
    assert estimate(record_of(toy)) == Estimate(0, 0, NUM_TRAININGS)
    assert Estimate(0, 0, 29).text() == 'time left is being measured'
    assert Estimate(0, 0, 0).text() == ''
    assert Estimate(7200, 3, 0).text(workers=2) == 'about 60 min left'
    assert Estimate(7200, 3, 4).text() == 'about 2 h 0 min left and 4 of unknown duration'


def test_the_status_in_a_line(toy, monkeypatch):
    obstacle = lambda cfg: 'too few' if cfg.get('fold') == 2 else None  # noqa: E731
    monkeypatch.setattr(planning.data_checks, 'obstacle', obstacle)
    plan = toy.plan()
    alpha = of(plan, 'Alpha', 1)
    record = record_of(toy, [result_of(alpha[0])], failures=[alpha[1]], running=plan.cells[:2], plan=plan)
    line = status_line(record)
    assert line.startswith(f'toy: 1 of {NUM_TRAININGS} done, 2 running, 1 failed, 3 not runnable, 22 waiting, ')
    # Seven of Alpha 1 for a minute and nine of Alpha 2 for two, by two workers.
    assert line.endswith('about 12 min left and 8 of unknown duration')


def test_accuracies_by_column(toy):
    plan = toy.plan()
    first, second, _ = of(plan, 'Alpha', 2)
    scribble = of(plan, 'Alpha', 2, 'Scribble segmentation')[0]
    results = [result_of(first, accuracy=70), result_of(second, accuracy=71), result_of(scribble, accuracy=80)]
    lines = accuracy_lines(record_of(toy, results, plan=plan))
    assert lines == ['  Alpha 2  Random 70.50 (2), Scribble segmentation 80.00 (1)']


def test_of_many_initialisations_a_line_names_the_lowest_and_the_highest():
    few = {f'start {index}': [50.0 + index] for index in range(MOST_NAMED)}
    assert _means(few).startswith('start 0 50.00 (1), start 1 51.00 (1), ')
    assert _means({'best': [60.0, 80.0], **few}) == '9 initialisations, 50.00 (start 0) to 70.00 (best)'


def test_a_log_file_gets_a_line_when_something_changed(toy):
    plan = toy.planned()
    stream = io.StringIO()
    progress = Progress(toy.work_dir, plan, interval=0.0, stream=stream)
    progress.update()
    progress.update()
    assert len(stream.getvalue().splitlines()) == 1
    toy.run(plan)
    progress.update()
    lines = stream.getvalue().splitlines()
    assert re.match(r'\d\d:\d\d:\d\d toy: 29 of 29 done$', lines[1])
    assert len(lines) == 2 + 3
    assert '\x1b' not in stream.getvalue()


def test_a_log_file_shows_that_the_grid_is_alive(toy):
    plan = toy.planned()
    claims.claim(store.cell_folder(toy.work_dir, plan.cells[0].id), claims.this_process())
    stream = io.StringIO()
    progress = Progress(toy.work_dir, plan, interval=0.0, stream=stream)
    for _ in range(2 * LONGEST_SILENCE + 1):
        progress.update()
    lines = stream.getvalue().splitlines()
    assert len(lines) == 3 * 2
    assert lines[1] == '  running: pre-training masks, starting'


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def running(toy):
    """A grid of which one pre-training runs, 30 of its 100 iterations done in a minute."""
    plan = toy.planned()
    cell = plan.cells[0]
    claims.claim(store.cell_folder(toy.work_dir, cell.id), claims.this_process())
    step = StepProgress('training', 30, 100, seconds=60.0, left=140.0, loss=0.4567)
    work = store.cell_folder(toy.work_dir, cell.id) / store.WORK
    work.mkdir()
    (work / FILE_NAME).write_text(json.dumps(asdict(step)))
    return plan, cell


def test_what_runs_is_said_with_its_iterations_loss_and_time_left(toy, running):
    plan, _ = running
    stream = io.StringIO()
    Progress(toy.work_dir, plan, stream=stream).show()
    lines = stream.getvalue().splitlines()
    assert lines[1] == '  running: pre-training masks, training 30 of 100 iterations, loss 0.457, 2 min left'
    # The other pre-training sees as many images, and so takes as long as this one: 200 seconds.
    assert lines[0].endswith('1 running, 28 waiting, about 6 min left and 27 of unknown duration')


def test_before_the_first_step_the_time_left_is_being_measured(toy):
    plan = toy.planned()
    claims.claim(store.cell_folder(toy.work_dir, plan.cells[0].id), claims.this_process())
    record = store.read_grid(toy.work_dir)
    assert running_lines(record, {}) == ['  running: pre-training masks, starting']
    assert status_line(record).endswith('time left is being measured')


def test_finished_cells_count_for_more_than_one_that_runs(toy, running):
    plan, cell = running
    other = next(one for one in plan.cells if one.kind == cell.kind and one is not cell)
    record = replace(store.read_grid(toy.work_dir), results={other.id: result_of(other, wall=500.0)})
    steps = steps_of(record)
    assert estimate(record, steps) == Estimate(140.0, 1, 27)
    third = replace(plan, cells=[*plan.cells, replace(other, id='third')], images={**plan.images, 'third': 20})
    assert estimate(replace(record, plan=third), steps).seconds == 140.0 + 500.0


def test_a_terminal_has_a_bar_for_what_runs_and_one_for_the_grid(toy, running, monkeypatch):
    monkeypatch.setenv('COLUMNS', '130')
    monkeypatch.setenv('TERM', 'xterm')
    plan, _ = running
    stream = Terminal()
    progress = Progress(toy.work_dir, plan, stream=stream)
    progress.show()
    drawn = re.sub(r'\x1b\[[0-9;?]*[a-zA-Z]', '', stream.getvalue()).splitlines()
    assert re.search(r'pre-training masks +\S+ training 30 of 100 iterations, loss 0.457, 2 min left', drawn[-2])
    assert re.search(r'toy +\S+ 0 of 29 done, 1 running, 28 waiting, about', drawn[-1])
    progress.tell('a line [that] stays')
    assert 'a line [that] stays' in stream.getvalue()
    progress.keep()
    # The cursor is shown again.
    assert stream.getvalue().endswith('\x1b[?25h')


def test_a_low_terminal_shows_what_fits(toy, monkeypatch):
    monkeypatch.setenv('COLUMNS', '40')
    monkeypatch.setenv('LINES', '3')
    monkeypatch.setenv('TERM', 'xterm')
    toy.run()
    stream = Terminal()
    progress = Progress(toy.work_dir, toy.plan(), stream=stream)
    progress.show()
    assert len(stream.getvalue().splitlines()) == 3
    progress.keep()


def test_looks_only_as_often_as_it_should(toy):
    plan = toy.planned()
    stream = io.StringIO()
    progress = Progress(toy.work_dir, plan, interval=3600, stream=stream)
    progress.update()
    assert stream.getvalue() == ''


def test_the_plan_as_text(toy, monkeypatch):
    obstacle = lambda cfg: 'too few EMPTY tiles' if cfg.get('fold') == 2 else None  # noqa: E731
    monkeypatch.setattr(planning.data_checks, 'obstacle', obstacle)
    plan = toy.plan()
    alpha = of(plan, 'Alpha', 1)
    record = record_of(toy, [result_of(alpha[0])], failures=[alpha[1]], plan=plan)
    text = describe(record)
    assert '29 cells: 2 pre-trainings, 27 fine-tunings' in text
    assert re.search(r'Alpha 1 +9 +1 done, 1 failed, 7 to run', text)
    assert re.search(r'Beta 4 +9 +3 not runnable, 6 to run', text)
    assert 'Beta 4, Random, fold 2; Beta 4, Full segmentation, fold 2' in text
    assert 'too few EMPTY tiles' in text
    assert 'Alpha 1, Random, repeat 1: ValueError: no luck' in text
    assert '1 done, 24 to run with one worker: about 25 min left and 8 of unknown duration' in text
    assert len(text.splitlines()) < 25
    verbose = describe(record, is_verbose=True)
    assert all(cell.title in verbose and cell.id in verbose for cell in plan.cells)


def test_the_plan_says_that_data_are_missing(toy):
    plan = replace(toy.plan(), absent=['data/pcam'])
    assert 'Missing data: data/pcam' in describe(record_of(toy, plan=plan))
    assert 'preliminary' in describe(record_of(toy, plan=plan))


def test_the_plan_says_what_is_stale(toy):
    toy.run()
    toy.write(GRID.replace("'lr': 0.2", "'lr': 0.3"))
    text = describe(store.read_cells(toy.work_dir, toy.plan()))
    assert '10 results of the work directory belong to no cell' in text
    assert '19 done, 10 to run' in text


def test_a_cell_that_cannot_be_read_is_said_and_not_run(toy):
    plan = toy.plan()
    cell = plan.cells[-1]
    record = replace(record_of(toy, plan=plan), unreadable={cell.id: 'A file cannot be read.\n  what to do: remove it'})
    assert cell not in left(record)
    assert '1 unreadable' in status_line(record)
    assert '    what to do: remove it' in describe(record).splitlines()


def test_a_cell_that_needs_a_failed_pretraining_is_not_counted_as_left(toy):
    plan = toy.plan()
    record = record_of(toy, failures=plan.cells[:1], plan=plan)
    assert {cell.initialisation for cell in left(record) if cell.kind == FINETUNING} == {
        'Random',
        'Scribble segmentation',
    }
