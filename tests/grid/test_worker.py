"""Workers: whatever is killed, stopped or fails, a grid ends with the results of an undisturbed run, each once."""

from __future__ import annotations

import json
import os
import random
import signal
import time
from collections.abc import Callable
from types import SimpleNamespace

import pytest
from toy_grid import GRID, NUM_TRAININGS, Toy, finished
from toy_processes import LONG

from sdp_plugin.errors import UserError
from sdp_plugin.grid import plan as planning
from sdp_plugin.grid import store
from sdp_plugin.grid.records import FEATURES, FINETUNING, PRETRAINING, PROBE
from sdp_plugin.grid.worker import Shard, Worker, in_turn


def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + LONG
    while not condition():
        assert time.monotonic() < deadline, 'waited in vain'
        time.sleep(0.005)


def join(*processes) -> None:
    for process in processes:
        process.join(LONG)
    assert [process.exitcode for process in processes] == [0] * len(processes)


def num_events(toy: Toy) -> int:
    return len(toy.log.read_text().splitlines()) if toy.log.exists() else 0


def test_runs_everything_once_and_in_order(toy, undisturbed):
    toy.run()
    assert len(undisturbed) == NUM_TRAININGS
    assert toy.contents() == undisturbed
    assert set(toy.events('start').values()) == {1}
    order = [line.split()[1] for line in toy.log.read_text().splitlines() if line.startswith('start')]
    plan = toy.plan()
    for place, cell_id in enumerate(order):
        assert plan.trainings[cell_id].needs in {None, *order[:place]}


def test_minutes_come_before_hours():
    kinds = dict(first=PRETRAINING, second=PRETRAINING, tuned=FINETUNING, seen=FEATURES, seen2=FEATURES, seen0=FEATURES,
                 probe=PROBE, probe2=PROBE, probe0=PROBE)  # fmt: skip
    needs = dict(tuned='second', seen='first', seen2='second', probe='seen', probe2='seen2', probe0='seen0')
    cells = {name: SimpleNamespace(id=name, kind=kind, needs=needs.get(name)) for name, kind in kinds.items()}
    expected = ['seen0', 'probe0', 'first', 'seen', 'probe', 'second', 'seen2', 'probe2', 'tuned']
    assert list(in_turn(cells)) == expected


def test_killed_at_twenty_random_moments(toy, undisturbed, start_worker):
    """SIGKILL, again and again: nothing is lost, nothing that was finished is run again, pre-trainings are resumed."""
    toy.planned()
    moments = random.Random(20)
    starts_of_finished = {}
    for _ in range(20):
        # So many events later, whatever else the machine does meanwhile, and then at any moment of what comes next.
        target = num_events(toy) + moments.randint(0, 3)
        worker = start_worker(toy, sleep=0.02)
        until(lambda target=target: num_events(toy) >= target)
        time.sleep(moments.uniform(0, 0.03))
        assert worker.is_alive()
        worker.kill()
        worker.join(LONG)
        starts = toy.events('start')
        starts_of_finished |= {cell_id: starts[cell_id] for cell_id in finished(toy.work_dir)}
    assert 0 < len(starts_of_finished) < NUM_TRAININGS
    join(start_worker(toy))
    assert toy.contents() == undisturbed
    starts = toy.events('start')
    assert starts.total() > NUM_TRAININGS
    assert {cell_id: starts[cell_id] for cell_id in starts_of_finished} == starts_of_finished
    steps = [line for line in toy.log.read_text().splitlines() if line.startswith('step')]
    assert len(steps) == len(set(steps))


@pytest.mark.parametrize('count', [2, 4])
def test_concurrent_workers_share_the_work(toy, undisturbed, start_worker, count):
    toy.planned()
    workers = [start_worker(toy, sleep=0.01) for _ in range(count)]
    join(*workers)
    assert toy.contents() == undisturbed
    assert set(toy.events('start').values()) == {1}
    processes = {line.split()[2] for line in toy.log.read_text().splitlines() if line.startswith('end')}
    assert len(processes) == count


def test_concurrent_workers_that_are_killed(toy, undisturbed, start_worker):
    toy.planned()
    moments = random.Random(4)
    workers = [start_worker(toy, sleep=0.02) for _ in range(3)]
    for _ in range(8):
        time.sleep(moments.uniform(0, 0.04))
        victim = workers.pop(0)
        victim.kill()
        victim.join(LONG)
        workers.append(start_worker(toy, sleep=0.02))
    join(*workers)
    assert toy.contents() == undisturbed


def first_claimed(toy: Toy) -> str:
    cells = toy.work_dir / 'cells'
    until(lambda: list(cells.glob('*/claim.0')))
    return next(cells.glob('*/claim.0')).parent.name


def test_takes_over_from_a_dead_worker_at_once(toy, undisturbed, start_worker):
    toy.planned()
    dead = start_worker(toy, sleep=LONG, lease=600)
    cell_id = first_claimed(toy)
    dead.kill()
    dead.join(LONG)
    started = time.monotonic()
    join(start_worker(toy, lease=600))
    assert time.monotonic() - started < LONG / 2
    assert toy.contents() == undisturbed
    assert toy.events('start')[cell_id] <= 2


def test_a_stopped_worker_that_wakes_up_late(toy, undisturbed, start_worker):
    """Its cell is taken over; when it wakes, it drops what it has and does not disturb the result."""
    toy.planned()
    stopped = start_worker(toy, sleep=1.0, lease=0.6)
    cell_id = first_claimed(toy)
    until(lambda: cell_id in toy.events('start'))
    os.kill(stopped.pid, signal.SIGSTOP)
    try:
        join(start_worker(toy, lease=0.6))
        assert toy.contents() == undisturbed
        folder = store.cell_folder(toy.work_dir, cell_id)
        result = (folder / 'result.json').read_bytes()
        assert 'config.1.py' in result.decode()
    finally:
        os.kill(stopped.pid, signal.SIGCONT)
    join(stopped)
    assert toy.contents() == undisturbed
    assert (folder / 'result.json').read_bytes() == result
    ends = [line.split()[1:] for line in toy.log.read_text().splitlines() if line.startswith('end')]
    assert [cell_id, str(stopped.pid)] not in ends


def test_waits_for_the_pretraining_of_another_worker(toy, start_worker):
    toy.write(GRID.replace("'Random': dict(),", ''))
    toy.planned()
    join(*[start_worker(toy, sleep=0.05) for _ in range(3)])
    assert len(finished(toy.work_dir)) == NUM_TRAININGS - 9
    assert set(toy.events('start').values()) == {1}


def test_a_failing_cell_is_recorded_and_the_rest_goes_on(toy):
    toy.write(GRID.replace("'Beta'", "'Fails'"))
    plan = toy.plan()
    toy.run(plan)
    record = store.read_grid(toy.work_dir)
    failing = {cell.id for cell in plan.cells if cell.dataset == 'Fails'}
    assert len(failing) == 9
    assert set(record.failures) == failing
    assert set(record.results) == set(plan.trainings) - failing
    failure = record.failures[min(failing)]
    assert 'no luck with Fails 4' in failure.error
    assert 'toy_work.py' in failure.traceback
    toy.run(plan)
    assert {toy.events('start')[cell_id] for cell_id in failing} == {1}
    store.forget_failures(toy.work_dir, plan.trainings)
    toy.run(plan)
    assert {toy.events('start')[cell_id] for cell_id in failing} == {2}


def test_what_needs_a_failed_pretraining_is_not_run(toy, monkeypatch):
    import toy_work

    def fail(task):
        raise ValueError('diverged')

    monkeypatch.setattr(toy_work, 'pretrain', fail)
    toy.run()
    record = store.read_grid(toy.work_dir)
    assert {record.plan.trainings[cell_id].kind for cell_id in record.failures} == {PRETRAINING}
    assert {cell.initialisation for cell in record.cells if cell.id in record.results} == {'Random'}
    reasons = record.not_runnable()
    assert len(reasons) == 18
    assert set(reasons.values()) == {'pre-training masks failed', 'pre-training scribbles failed'}


def test_a_cell_that_cannot_be_drawn_is_not_run(toy, monkeypatch):
    def obstacle(cfg):
        return 'too few tiles' if (cfg.get('examples_per_class'), cfg.get('fold')) == (4, 1) else None

    monkeypatch.setattr(planning.data_checks, 'obstacle', obstacle)
    toy.run()
    record = store.read_grid(toy.work_dir)
    assert len(record.results) == NUM_TRAININGS - 3
    assert set(record.not_runnable().values()) == {'too few tiles'}
    assert {record.plan.trainings[cell_id].fold for cell_id in record.not_runnable()} == {1}
    assert not set(toy.events('start')) & set(record.not_runnable())


def test_cells_of_one_group_are_run_together(toy):
    toy.write(GRID.replace('toy_work:run', 'toy_work:run_together') + 'together = 4\n')
    plan = toy.plan()
    toy.run(plan)
    batches = [line.split()[1:] for line in toy.log.read_text().splitlines() if line.startswith('together')]
    assert sorted(cell_id for batch in batches for cell_id in batch) == sorted(plan.trainings)
    assert all(len({plan.trainings[cell_id].group for cell_id in batch}) == 1 for batch in batches)
    assert max(map(len, batches)) == 4


def test_a_work_function_that_breaks_fails_the_cells_it_has_not_done(toy, monkeypatch):
    import toy_work

    def break_off(tasks):
        yield tasks[0], toy_work.train(tasks[0])
        raise RuntimeError('out of memory')

    monkeypatch.setattr(toy_work, 'run', break_off)
    toy.write(GRID + 'together = 9\n')
    toy.run()
    record = store.read_grid(toy.work_dir)
    assert {failure.error for failure in record.failures.values()} == {'RuntimeError: out of memory'}
    assert record.results
    assert len(record.results) + len(record.failures) + len(record.not_runnable()) == NUM_TRAININGS


def test_a_work_function_that_gives_nothing_fails_its_cells(toy, monkeypatch):
    import toy_work

    monkeypatch.setattr(toy_work, 'run', lambda tasks: iter(()))
    toy.run()
    failures = store.read_grid(toy.work_dir).failures.values()
    assert {failure.error for failure in failures} == {'RuntimeError: toy_work:run gave nothing for this cell'}


@pytest.mark.parametrize('work', ['no_such_module:run', 'toy_work:no_such_function'])
def test_a_work_function_that_is_not_there_is_one_error(toy, work):
    toy.write(GRID.replace('toy_work:run', work))
    with pytest.raises(UserError, match='work function') as error:
        toy.run()
    assert work in str(error.value)
    assert store.read_grid(toy.work_dir).failures == {}


def test_a_full_disk_is_one_error_and_leaves_the_cell_free(toy, monkeypatch):
    def no_space(*args):
        raise OSError(28, 'No space left on device')

    with monkeypatch.context() as patch:
        patch.setattr(store, 'write_text_atomically', no_space)
        patch.setattr(store, 'write_plan', lambda *args: None)
        store_plan = toy.work_dir / store.PLAN
        store_plan.parent.mkdir(parents=True)
        store_plan.write_text(json.dumps(toy.plan().to_dict()))
        with pytest.raises(UserError, match='cannot be written'):
            toy.run()
    assert store.read_grid(toy.work_dir).running == {}
    toy.run()
    assert len(finished(toy.work_dir)) == NUM_TRAININGS


def test_a_full_disk_in_a_training_fails_no_cell(toy, monkeypatch):
    import toy_work

    def no_space(*args, **kwargs):
        raise OSError(28, 'No space left on device', 'iter.pth')

    with monkeypatch.context() as patch:
        patch.setattr(toy_work, 'pretrain', no_space)
        patch.setattr('sdp_plugin.grid.leases.write_text_atomically', no_space)  # nor can a claim be given up
        with pytest.raises(UserError, match=r'iter\.pth') as caught:
            toy.run()
    assert 'start the same command again' in str(caught.value)
    assert store.read_grid(toy.work_dir).failures == {}
    monkeypatch.setattr('sdp_plugin.grid.leases.is_gone', lambda owner: True)
    toy.run()
    assert len(finished(toy.work_dir)) == NUM_TRAININGS


@pytest.mark.parametrize(('number', 'status'), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_gives_the_claim_up(toy, start_worker, number, status):
    toy.planned()
    worker = start_worker(toy, sleep=LONG, lease=600)
    cell_id = first_claimed(toy)
    until(lambda: cell_id in toy.events('start'))
    os.kill(worker.pid, number)
    worker.join(LONG)
    assert worker.exitcode == status
    written = (store.cell_folder(toy.work_dir, cell_id) / 'claim.0').read_text()
    assert json.loads(written)['released'] is True


def test_finished_trainings_leave_their_logs_and_no_checkpoints(toy):
    toy.run()
    works = {cell.kind: store.cell_folder(toy.work_dir, cell.id) / 'work' for cell in toy.plan().cells}
    assert sorted(path.name for path in works['finetuning'].iterdir()) == ['log.txt']
    assert sorted(path.name for path in works['pretraining'].iterdir()) == ['iter.pth']


def test_checkpoints_are_kept_when_asked_for(toy):
    toy.write(GRID + 'keep_checkpoints = True\n')
    toy.run()
    assert len(list(toy.work_dir.glob(f'cells/*/{store.WORK}/epoch_1.pth'))) == NUM_TRAININGS - 2


@pytest.mark.parametrize('count', [1, 2, 3, 7, 40])
def test_shards_divide_the_finetunings(toy, count):
    plan = toy.plan()
    shards = [Shard(index, count).of(plan) for index in range(count)]
    dealt = [cell.id for shard in shards for cell in shard.values() if cell.kind != PRETRAINING]
    assert sorted(dealt) == sorted(cell.id for cell in plan.cells if cell.kind != PRETRAINING)
    sizes = [len(set(shard) & set(dealt)) for shard in shards]
    assert max(sizes) - min(sizes) <= 1
    assert all(cell.needs in {None, *shard} for shard in shards for cell in shard.values())


def test_shards_run_each_cell_once(toy, undisturbed, start_worker):
    toy.planned()
    join(*[start_worker(toy, sleep=0.01, shard=f'{index}/3') for index in range(3)])
    assert toy.contents() == undisturbed
    assert set(toy.events('start').values()) == {1}


@pytest.mark.parametrize('text', ['3/3', '1', 'a/b', '-1/2', '', '0/0'])
def test_a_wrong_shard_is_one_error(text):
    with pytest.raises(UserError, match='shard'):
        Shard.parse(text)


def test_a_shard_leaves_the_others_alone(toy):
    toy.planned()
    Worker(toy.work_dir, Shard(1, 3), report=lambda line: None).run()
    assert finished(toy.work_dir) == sorted(Shard(1, 3).of(toy.plan()))


def test_a_cell_whose_folder_is_a_file_does_not_keep_the_others_from_being_run(toy):
    plan = toy.planned()
    spoilt = plan.cells[-1]
    (toy.work_dir / 'cells').mkdir()
    store.cell_folder(toy.work_dir, spoilt.id).write_text('no folder')
    lines = []
    Worker(toy.work_dir, report=lines.append).run()
    assert len(finished(toy.work_dir)) == NUM_TRAININGS - 1
    assert [spoilt.title in line and 'cannot be used' in line for line in lines] == [True]
