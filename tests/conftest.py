"""Shared fixtures: the real data, where SDP_REAL_DATA names it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest


@pytest.fixture(scope='session')
def real_data() -> Path:
    """The unpacked real images (VOCdevkit, pcam, Kather_texture_2016_image_tiles_5000, scribblesup-samples)."""
    named = os.environ.get('SDP_REAL_DATA')
    if not named:
        pytest.skip('SDP_REAL_DATA is not set: the tests on real images do not run')
    root = Path(named)
    assert root.is_dir(), f'SDP_REAL_DATA names {root}, which is no folder'
    return root
