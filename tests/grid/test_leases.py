"""Claims: one worker has a cell, whatever the clocks, and a dead one does not keep it."""

from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.grid import leases as claims
from sdp_plugin.grid.leases import (
    Superseded,
    claim,
    create_exclusively,
    generations,
    heartbeat,
    holder,
    is_gone,
    this_process,
)

LEASE = 100.0


@pytest.fixture
def folder(tmp_path) -> Path:
    return tmp_path / 'cell'


def elsewhere(**changes) -> claims.Owner:
    """A process of another machine, of which nothing is known here."""
    return replace(this_process('other'), host='elsewhere', **changes)


def age(folder: Path, seconds: float, generation: int = 0) -> None:
    path = folder / f'claim.{generation}'
    long_ago = path.stat().st_mtime - seconds
    os.utime(path, (long_ago, long_ago))


def names(folder: Path) -> list[str]:
    return sorted(os.listdir(folder))


def test_of_many_at_once_one_gets_the_cell(folder):
    barrier = threading.Barrier(8)

    def compete(_):
        barrier.wait()
        return claim(folder, this_process(), LEASE)

    with ThreadPoolExecutor(8) as pool:
        got = [claimed for claimed in pool.map(compete, range(8)) if claimed]
    assert len(got) == 1
    assert got[0].is_held()
    assert names(folder) == ['claim.0']
    assert holder(folder, names(folder), LEASE) == this_process()


def test_a_live_claim_is_left_alone(folder):
    assert claim(folder, elsewhere(), LEASE)
    age(folder, LEASE - 10)
    assert claim(folder, this_process(), LEASE) is None
    assert holder(folder, names(folder), LEASE).host == 'elsewhere'


def test_of_many_at_once_one_takes_a_lapsed_claim_over(folder):
    first = claim(folder, elsewhere(), LEASE)
    age(folder, LEASE + 10)
    assert holder(folder, names(folder), LEASE) is None
    with ThreadPoolExecutor(8) as pool:
        got = [taken for taken in pool.map(lambda _: claim(folder, this_process(), LEASE), range(8)) if taken]
    assert [taken.generation for taken in got] == [1]
    assert not first.is_held()
    assert got[0].is_held()


@pytest.mark.parametrize('skew', [-1e6, 1e6])
def test_the_clock_of_the_machine_does_not_matter(folder, monkeypatch, skew):
    claim(folder, elsewhere(), LEASE)
    now = time.time()
    monkeypatch.setattr(time, 'time', lambda: now + skew)
    assert claim(folder, this_process(), LEASE) is None
    age(folder, LEASE + 10)
    assert claim(folder, this_process(), LEASE)


@pytest.mark.parametrize('kind', ['folder', 'link', 'dangling link', 'pipe'])
def test_what_is_no_file_is_no_claim(folder, kind, tmp_path):
    folder.mkdir()
    path = folder / 'claim.0'
    if kind == 'folder':
        path.mkdir()
    elif kind == 'pipe':
        os.mkfifo(path)
    else:
        (tmp_path / 'other').write_text(json.dumps(OWNER))
        path.symlink_to(tmp_path / ('other' if kind == 'link' else 'nowhere'))
    assert holder(folder, names(folder), LEASE) is None
    assert claim(folder, this_process(), LEASE).generation == 1


def test_a_claim_from_the_future_does_not_hold_for_ever(folder):
    claim(folder, elsewhere(), LEASE)
    age(folder, -LEASE + 10)
    assert claim(folder, this_process(), LEASE) is None
    age(folder, -LEASE)
    assert claim(folder, this_process(), LEASE)


def test_digits_of_other_scripts_are_no_number():
    assert generations(['claim.0', 'claim.\N{SUPERSCRIPT TWO}', 'claim.x', 'claim.']) == [0]


@pytest.mark.parametrize('lease', [0, -1, 0.5, float('nan'), float('inf')])
def test_a_lease_has_a_length(lease):
    with pytest.raises(UserError, match='--lease'):
        claims.check_lease(lease)


def test_a_released_claim_is_free_at_once_and_keeps_its_number(folder):
    claim(folder, elsewhere(), LEASE).release()
    assert holder(folder, names(folder), LEASE) is None
    second = claim(folder, this_process(), LEASE)
    assert second.generation == 1
    assert names(folder) == ['claim.0', 'claim.1']


def test_who_was_superseded_releases_nothing(folder):
    first = claim(folder, elsewhere(), LEASE)
    age(folder, LEASE + 10)
    claim(folder, this_process(), LEASE)
    first.release()
    assert json.loads((folder / 'claim.0').read_text())['released'] is False
    assert claim(folder, elsewhere(), LEASE) is None


OWNER = asdict(this_process('x'))
GARBAGE = ['', '{', '[]', '{"worker": "x"}', '\0' * 10**6, '[' * 10**5]
GARBAGE += [json.dumps(OWNER | change) for change in ({'worker': ['x']}, {'pid': 'one'}, {'released': 'yes'})]


@pytest.mark.parametrize('text', GARBAGE, ids=range(len(GARBAGE)))
def test_an_unreadable_claim_lapses_by_its_age(folder, text):
    folder.mkdir()
    (folder / 'claim.0').write_text(text)
    assert claim(folder, this_process(), LEASE) is None
    assert holder(folder, names(folder), LEASE) == claims.UNREADABLE
    age(folder, LEASE + 10)
    assert claim(folder, this_process(), LEASE)


def ended_process() -> int:
    """The number of a process that has ended and was collected."""
    process = subprocess.Popen(['true'])
    process.wait()
    return process.pid


def test_a_dead_process_of_this_machine_loses_its_claim_at_once(folder):
    claim(folder, replace(this_process(), pid=ended_process()), LEASE)
    assert claim(folder, this_process(), LEASE)


def test_a_zombie_is_dead():
    process = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=subprocess.PIPE)
    owner = replace(this_process(), pid=process.pid, started=claims._start_of(process.pid))
    assert not is_gone(owner)
    process.stdin.close()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(owner)
    process.wait()


@pytest.mark.parametrize(
    ('changes', 'gone'),
    [
        ({}, False),
        ({'started': '1'}, True),  # the number was given to another process since
        ({'started': '1', 'host': 'elsewhere'}, False),
        ({'started': '1', 'boot': 'another'}, False),
        ({'started': '1', 'namespace': 'pid:[1]'}, False),
        ({'started': ''}, False),  # a system that does not say
    ],
)
def test_only_what_is_known_to_be_gone_is_gone(changes, gone):
    assert is_gone(replace(this_process(), **changes)) is gone


def test_a_claim_does_not_lapse_while_its_heart_beats(folder):
    held = claim(folder, elsewhere(), LEASE)
    with heartbeat(lambda: [held], lease=0.3):
        for _ in range(3):
            age(folder, 2 * LEASE)
            deadline = time.monotonic() + 30
            while holder(folder, names(folder), LEASE) is None:
                assert time.monotonic() < deadline, 'nobody touches the claim'
                time.sleep(0.01)
    age(folder, 2 * LEASE)
    time.sleep(0.2)
    assert holder(folder, names(folder), LEASE) is None


def work_until_taken_over(folder: Path, held: claims.Claim) -> None:
    with heartbeat(lambda: [held], lease=0.3):
        create_exclusively(folder / 'claim.1', json.dumps(asdict(this_process())))
        time.sleep(30)


def test_the_block_ends_when_a_claim_is_taken_over(folder):
    started = time.monotonic()
    with pytest.raises(Superseded):
        work_until_taken_over(folder, claim(folder, elsewhere(), 0.3))
    assert time.monotonic() - started < 15
    assert signal.getsignal(signal.SIGUSR2) == signal.SIG_DFL


def test_a_claim_that_is_finished_may_be_taken(folder):
    held = [claim(folder, elsewhere(), 0.3)]
    with heartbeat(lambda: held, lease=0.3):
        held.clear()
        create_exclusively(folder / 'claim.1', '{}')
        time.sleep(0.3)
    assert generations(os.listdir(folder)) == [0, 1]


def test_a_file_is_created_once_and_whole(tmp_path):
    path = tmp_path / 'file'
    assert create_exclusively(path, 'first')
    assert not create_exclusively(path, 'second')
    assert path.read_text() == 'first'
    assert names(tmp_path) == ['file']


@pytest.mark.parametrize('number', [errno.EPERM, errno.EOPNOTSUPP])
def test_file_systems_without_links(tmp_path, monkeypatch, number):
    def link(*args):
        raise OSError(number, 'no links here')

    monkeypatch.setattr(os, 'link', link)
    path = tmp_path / 'file'
    with ThreadPoolExecutor(8) as pool:
        created = list(pool.map(lambda index: create_exclusively(path, f'text {index}'), range(8)))
    assert sum(created) == 1
    assert path.read_text() == f'text {created.index(True)}'
    assert names(tmp_path) == ['file']


def test_a_full_disk_is_no_lost_race(tmp_path, monkeypatch):
    def link(*args):
        raise OSError(errno.ENOSPC, 'No space left on device')

    monkeypatch.setattr(os, 'link', link)
    with pytest.raises(OSError, match='No space'):
        create_exclusively(tmp_path / 'file', 'text')
    assert names(tmp_path) == []


def test_a_link_whose_answer_was_lost_counts(tmp_path, monkeypatch):
    """NFS repeats the request, and is told that the file exists."""
    link = os.link

    def link_twice(source, target):
        link(source, target)
        link(source, target)

    monkeypatch.setattr(os, 'link', link_twice)
    assert create_exclusively(tmp_path / 'file', 'text')


@pytest.mark.parametrize(
    ('file_name', 'generation', 'name'),
    [('scores.npz', 0, 'scores.npz'), ('scores.npz', 1, 'scores.1.npz'), ('config.py', 12, 'config.12.py')],
)
def test_each_attempt_has_its_own_file_names(folder, file_name, generation, name):
    assert claims.Claim(folder, generation, this_process()).name(file_name) == name


def test_generations_are_numbers():
    assert claims.generations(['claim.10', 'claim.9', 'claim.x', '.claim.11.ab', 'result.json']) == [9, 10]
