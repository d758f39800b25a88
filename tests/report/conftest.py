from __future__ import annotations

import pytest
from synthetic import SMALL, write_grid, write_troubled_grid

from sdp_plugin.grid.leases import Claim, heartbeat, this_process
from sdp_plugin.grid.store import read_grid
from sdp_plugin.report.build import build_report


@pytest.fixture(scope='session')
def work_dir(tmp_path_factory):
    """A complete small grid. Tests that change it copy it first."""
    folder = tmp_path_factory.mktemp('grid')
    write_grid(folder, SMALL)
    return folder


@pytest.fixture(scope='session')
def record(work_dir):
    return read_grid(work_dir)


@pytest.fixture(scope='session')
def report(record):
    return build_report(record)


@pytest.fixture(scope='session')
def troubled(tmp_path_factory):
    """A grid with everything that can be amiss, and the ids of the cells that are."""
    folder = tmp_path_factory.mktemp('troubled')
    amiss = write_troubled_grid(folder)
    held = Claim(folder / 'cells' / amiss['running'], 0, this_process('worker-1'))
    # Tests may take longer than a claim holds.
    with heartbeat(lambda: [held]):
        yield folder, amiss
