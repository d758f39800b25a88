"""Configs that a conversion is told of: ours with settings at their places, those of others as they are."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdp_plugin.conversion.source import config_in
from sdp_plugin.errors import UserError

PRETRAINING = Path(__file__).parents[2] / 'configs/pretrain/deeplabv2_r18-d8_1xb10-40k_voc12-scribbles-321x321.py'


def test_a_setting_of_a_leaf_file_is_at_its_place(tmp_path):
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(f"_base_ = '{PRETRAINING}'\noutput_stride = 16\n")
    assert config_in(leaf).model.backbone.output_stride == 16


def test_a_name_of_another_project_that_has_no_place_is_no_error(tmp_path):
    stock = tmp_path / 'stock.py'
    stock.write_text("fold = 'left'\nmodel = dict(type='EncoderDecoder', backbone=dict(type='ResNet', depth=18))\n")
    assert config_in(stock).model.backbone.depth == 18


@pytest.mark.parametrize('text', ['model = [', "_base_ = './missing.py'", 'raise SystemExit(0)'])
def test_what_is_no_config_is_one_error(tmp_path, text):
    broken = tmp_path / 'broken.py'
    broken.write_text(text)
    with pytest.raises(UserError, match='cannot be read'):
        config_in(broken)


def test_a_config_that_inherits_from_itself_is_one_error(tmp_path):
    circle = tmp_path / 'circle.py'
    circle.write_text("_base_ = './circle.py'")
    with pytest.raises(UserError, match='round in a circle'):
        config_in(circle)
