"""Grids on a real Ray cluster of two nodes on this machine, one of which is killed half-way."""

from __future__ import annotations

import io
import threading
import time

import pytest
from toy_grid import NUM_TRAININGS, PYTHONPATH

from sdp_plugin.errors import UserError
from sdp_plugin.grid.launchers.on_ray import RayOptions, run_on_ray, workers_that_fit
from sdp_plugin.grid.progress import Progress
from sdp_plugin.grid.worker import Shard

ray = pytest.importorskip('ray', reason='Ray is not installed: grids on clusters are not tested')


def start_cluster(attempts: int = 3):
    """Two nodes, each with room for one worker. Ray gives a node half a minute, which a busy machine may exceed."""
    from ray.cluster_utils import Cluster

    small = dict(num_cpus=1, object_store_memory=80_000_000)
    for attempt in range(attempts):
        cluster = None
        try:
            cluster = Cluster(initialize_head=True, head_node_args=small | dict(include_dashboard=False))
            cluster.second_node = cluster.add_node(**small)
            cluster.wait_for_nodes()
        except Exception:
            if cluster:
                cluster.shutdown()
            if attempt == attempts - 1:
                raise
        else:
            return cluster


@pytest.fixture
def cluster(toy, monkeypatch):
    # Nodes inherit it, so that their workers find the toy work function and write to its log.
    monkeypatch.setenv('PYTHONPATH', PYTHONPATH)
    monkeypatch.setenv('TOY_SLEEP', '0.15')
    # A node starts five Python processes. With compiled files they are in time the second time at the latest.
    monkeypatch.delenv('PYTHONDONTWRITEBYTECODE', raising=False)
    cluster = start_cluster()
    yield cluster
    ray.shutdown()
    cluster.shutdown()


@pytest.mark.slow
def test_a_node_is_killed_half_way(toy, undisturbed, cluster):
    plan = toy.planned()
    stream = io.StringIO()
    progress = Progress(toy.work_dir, plan, interval=0.5, stream=stream)
    killed_at = []

    def kill_a_node() -> None:
        while toy.events('end').total() < NUM_TRAININGS // 3:
            time.sleep(0.02)
        killed_at.append(toy.events('end').total())
        cluster.remove_node(cluster.second_node, allow_graceful=False)

    killer = threading.Thread(target=kill_a_node)
    killer.start()
    run_on_ray(progress, RayOptions(address=cluster.address), Shard(), lease=5.0)
    killer.join()
    assert killed_at[0] < NUM_TRAININGS
    assert toy.contents() == undisturbed
    pids = {line.split()[2] for line in toy.log.read_text().splitlines() if line.startswith('end')}
    assert len(pids) >= 2
    assert '2 workers on 2 machine(s)' in stream.getvalue()


@pytest.mark.parametrize(
    ('resources', 'gpus', 'cpus', 'count'),
    [
        ({'CPU': 8.0}, 0.0, 1.0, 8),
        ({'CPU': 8.0, 'GPU': 2.0}, 0.25, 1.0, 8),
        ({'CPU': 64.0, 'GPU': 2.0}, 0.25, 1.0, 8),
        ({'CPU': 64.0, 'GPU': 3.0}, 1.0, 8.0, 3),
        ({'CPU': 0.3}, 0.0, 0.1, 3),
    ],
)
def test_as_many_workers_as_there_is_room_for(resources, gpus, cpus, count):
    assert workers_that_fit(resources, RayOptions(gpus=gpus, cpus=cpus)) == count


def test_a_cluster_without_room_is_one_error():
    with pytest.raises(UserError, match='no room'):
        workers_that_fit({'CPU': 8.0}, RayOptions(gpus=1.0))
