"""Taking turns between trainings."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch
from mmengine.logging import MMLogger, print_log

from sdp_plugin.engine.in_memory.turns import Turns, in_company, next_turn
from sdp_plugin.engine.isolation import forgotten

CPU = torch.device('cpu')


def test_jobs_run_one_at_a_time_and_in_turns():
    seen, running = [], []

    def job(name):
        for step in range(3):
            running.append(name)
            assert len(running) == 1, f'{running} run at once'
            seen.append(f'{name}{step}')
            running.remove(name)
            next_turn()
        return name

    results = dict(Turns([lambda name=name: job(name) for name in 'abc'], CPU).run())
    assert results == {0: 'a', 1: 'b', 2: 'c'}
    assert seen == ['a0', 'b0', 'c0', 'a1', 'b1', 'c1', 'a2', 'b2', 'c2']


def draws(seed: int) -> list[float]:
    """What a job with this seed draws from all generators, with a turn for others before each draw."""
    torch.manual_seed(seed)
    np.random.seed(seed)
    values = []
    for _ in range(3):
        next_turn()
        values += [torch.rand(1).item(), np.random.rand()]
    return values


def test_each_job_draws_what_it_draws_alone():
    alone = [draws(seed) for seed in range(3)]
    together = dict(Turns([lambda seed=seed: draws(seed) for seed in range(3)], CPU).run())
    assert [together[index] for index in range(3)] == alone


def test_the_generators_of_the_caller_are_left_alone():
    torch.manual_seed(7)
    wanted = torch.rand(1)
    torch.manual_seed(7)
    list(Turns([lambda: draws(1), lambda: draws(2)], CPU).run())
    assert torch.equal(torch.rand(1), wanted)


def test_a_job_that_fails_takes_no_other_down():
    def fails():
        next_turn()
        raise ValueError('broken')

    results = dict(Turns([fails, lambda: draws(1)], CPU).run())
    assert isinstance(results[0], ValueError)
    assert len(results[1]) == 6


def test_no_job_runs_while_the_caller_looks_at_a_result():
    steps = []

    def long():
        for _ in range(50):
            steps.append(1)
            next_turn()

    for _, _ in Turns([lambda: None, long], CPU).run():
        before = len(steps)
        threading.Event().wait(0.02)
        assert len(steps) == before


def test_a_caller_that_leaves_ends_all_jobs():
    threads = set(threading.enumerate())

    def endless():
        while True:
            next_turn()

    results = Turns([lambda: 'done', endless, endless], CPU).run()
    assert next(results) == (0, 'done')
    results.close()
    for thread in set(threading.enumerate()) - threads:
        thread.join(5)
        assert not thread.is_alive()


def test_alone_there_is_nobody_to_wait_for():
    assert not in_company()
    next_turn()
    assert dict(Turns([in_company], CPU).run()) == {0: True}


@pytest.mark.gpu
def test_each_job_has_its_own_stream():
    if not torch.cuda.is_available():
        pytest.skip('no CUDA device')
    device = torch.device('cuda')
    streams = dict(Turns([lambda: torch.cuda.current_stream().cuda_stream] * 2, device).run())
    assert len({*streams.values(), torch.cuda.default_stream().cuda_stream}) == 3


def test_what_a_job_says_lands_in_its_own_log(tmp_path):
    """MMEngine's current logger is whichever was made last, in whatever thread."""

    def job(name: str) -> str:
        MMLogger.get_instance(name, log_file=str(tmp_path / name))
        next_turn()
        print_log(f'{name} has a word', logger='current')
        next_turn()
        return MMLogger.get_current_instance().instance_name

    with forgotten('turns'):
        MMLogger.get_instance('turns-caller')
        names = [f'turns-{letter}' for letter in 'abc']
        for index, name in Turns([lambda name=name: job(name) for name in names], CPU).run():
            assert name == names[index]
            assert MMLogger.get_current_instance().instance_name == 'turns-caller'
    for name in names:
        assert [line.rpartition(' - ')[2] for line in (tmp_path / name).read_text().splitlines()] == [
            f'{name} has a word'
        ]
