"""Trunks that are kept along a training."""

from __future__ import annotations

import pytest
from power_cut import PowerCutError

from sdp_plugin.apis.train import train
from sdp_plugin.engine.hooks import trunks
from sdp_plugin.engine.hooks.trunks import kept_trunks

SCRIBBLES = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'


def test_a_trunk_is_not_lost_where_a_training_ends_while_it_is_written(small_config, tmp_path, monkeypatch):
    def config():
        options = {'default_hooks.trunks.iterations': [2], 'default_hooks.checkpoint.interval': 1}
        cfg = small_config(SCRIBBLES, max_iters=3, **options)
        cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
        return cfg

    def cut(*_):
        raise PowerCutError

    with monkeypatch.context() as patched:
        patched.setattr(trunks, 'save_checkpoint', cut)
        with pytest.raises(PowerCutError):
            train(config())
    train(config(), resume=True)
    assert list(kept_trunks(tmp_path / 'run')) == [2]
