from __future__ import annotations

import pytest

from sdp_plugin.demo_data.miniature import MiniatureData, MiniatureSizes, write_miniature

SIZES = MiniatureSizes(
    voc_train=20, voc_val=4, voc_width=120, voc_height=90, pcam_train=24, pcam_valid=4, pcam_test=8, crc_per_class=10
)


@pytest.fixture(scope='session')
def miniature(tmp_path_factory) -> MiniatureData:
    return write_miniature(tmp_path_factory.mktemp('miniature'), SIZES, seed=3, report=lambda line: None)
