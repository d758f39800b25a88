"""Snapshots of predictions: right, resumable, and without any influence on the training."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.hooks import Hook
from PIL import Image
from power_cut import PowerCutError

from sdp_plugin.apis.train import train
from sdp_plugin.catalogue.palette import voc_palette
from sdp_plugin.checkpoints.reading import load_checkpoint
from sdp_plugin.engine.hooks import snapshots
from sdp_plugin.engine.hooks.snapshots import spread_iterations
from sdp_plugin.engine.segment import segment_test_images
from sdp_plugin.errors import UserError
from sdp_plugin.registry import HOOKS
from sdp_plugin.scribbles.formats.scribblesup import read_scribblesup
from sdp_plugin.scribbles.rasterise import rasterise

SCRIBBLES = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
SNAPSHOTS = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321_snapshots.py'
PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
SHORT = {'max_iters': 4, 'default_hooks.checkpoint.interval': 2, 'lr': 0.01}


@HOOKS.register_module(force=True)
class ModuleModesHook(Hook):
    """Keep the modes of all modules after each iteration."""

    priority = 'LOWEST'
    seen: list[dict[str, bool]] = []

    def after_train_iter(self, runner, batch_idx, data_batch=None, outputs=None):
        self.seen.append({name: module.training for name, module in runner.model.named_modules()})


def with_hook(cfg: Config, *others: dict, **arguments) -> Config:
    cfg.custom_hooks = [dict(type='sdp_plugin.PredictionSnapshotHook', **{'images': [0, 1], **arguments}), *others]
    return cfg


def hostile_to_hooks(cfg: Config) -> Config:
    """Dropout and random crops draw from the generators, and so does the test pipeline."""
    cfg.model.decode_head.dropout_ratio = 0.5
    cfg.model.backbone.norm_eval = False
    cfg.test_dataloader.dataset.pipeline.insert(2, dict(type='RandomFlip', prob=0.5))
    return cfg


@pytest.fixture
def drawn(monkeypatch):
    """The rows of each figure that is written."""
    figures = []
    save = snapshots.save_panels

    def keep_and_save(rows, path, **options):
        figures.append(rows)
        save(rows, path, **options)

    monkeypatch.setattr(snapshots, 'save_panels', keep_and_save)
    return figures


def heads_of(rows) -> list[str]:
    return [panel.head for panel in rows[0].panels]


def test_training_is_the_same_with_snapshots(small_config, tmp_path):
    train(hostile_to_hooks(small_config(SCRIBBLES, 'without', **SHORT)))
    train(with_hook(hostile_to_hooks(small_config(SCRIBBLES, 'with', **SHORT)), iterations=[0, 1, 2, 3, 4]))
    without, with_snapshots = (load_checkpoint(tmp_path / run / 'iter_4.pth') for run in ('without', 'with'))
    assert any(name.endswith('running_mean') for name in without['state_dict'])
    for name, tensor in without['state_dict'].items():
        assert torch.equal(tensor, with_snapshots['state_dict'][name]), name
    assert len(list((tmp_path / 'with' / 'snapshots').glob('iter_*'))) == 5


def test_each_module_is_in_its_own_mode_again(small_config):
    ModuleModesHook.seen.clear()
    frozen = small_config(SCRIBBLES, **SHORT, **{'model.backbone.norm_eval': True})
    train(with_hook(frozen, dict(type='sdp_plugin.ModuleModesHook'), iterations=[1, 3]))
    after_snapshot, after_none = ModuleModesHook.seen[:2]
    assert after_snapshot == after_none
    assert set(after_none.values()) == {True, False}


def test_snapshots_are_what_the_checkpoints_predict(small_config, tmp_path):
    train(with_hook(small_config(SCRIBBLES, **SHORT), iterations=[2, 4]))
    for iteration in (2, 4):
        checkpoint = tmp_path / 'run' / f'iter_{iteration}.pth'
        for segmented in segment_test_images(small_config(SCRIBBLES, **SHORT), checkpoint, [0, 1]):
            path = tmp_path / 'run' / 'snapshots' / f'iter_{iteration}' / f'{segmented.image_id}.png'
            with Image.open(path) as picture:
                assert np.array_equal(np.asarray(picture), segmented.prediction)
                assert picture.getpalette()[:63] == voc_palette()[:21].ravel().tolist()


def test_the_figure_goes_from_strokes_to_masks(small_config, small_data, tmp_path, drawn):
    cfg = with_hook(
        small_config(SCRIBBLES, **SHORT),
        iterations=[4, 0, 1],
        images=['2000_000003', 0],
        ann_file='ImageSets/Segmentation/train_aug.txt',
    )
    train(cfg)
    rows = drawn[-1]
    assert [row.title for row in rows] == ['2000_000003', '2000_000001']
    assert heads_of(rows) == ['image', 'scribbles', 'iteration 0', 'iteration 1', 'iteration 4', 'full mask']
    for row in rows:
        strokes = rasterise(read_scribblesup(small_data.scribbles / f'{row.title}.xml'))
        mask = np.asarray(Image.open(small_data.voc / 'SegmentationClassAug' / f'{row.title}.png'))
        assert np.array_equal(row.panels[1].labels, strokes)
        assert np.array_equal(row.panels[-1].labels, mask)
    assert [len(rows[0].panels) for rows in drawn] == [4, 5, 6]
    assert (tmp_path / 'run' / 'snapshots' / 'snapshots.png').exists()
    assert not list((tmp_path / 'run' / 'snapshots').rglob('.*'))


def test_a_resumed_training_goes_on_with_its_snapshots(small_config, tmp_path, drawn):
    arguments = dict(iterations=[0, 1, 3, 4])
    cut = with_hook(small_config(SCRIBBLES, **SHORT), dict(type='sdp_plugin.PowerCutHook', after=3), **arguments)
    with pytest.raises(PowerCutError):
        train(cut)
    first = (tmp_path / 'run' / 'snapshots' / 'iter_1' / '2000_500001.png').stat().st_mtime_ns
    drawn.clear()
    train(with_hook(small_config(SCRIBBLES, **SHORT), **arguments), resume=True)
    assert (tmp_path / 'run' / 'snapshots' / 'iter_1' / '2000_500001.png').stat().st_mtime_ns == first
    assert heads_of(drawn[-1])[2:-1] == ['iteration 0', 'iteration 1', 'iteration 3', 'iteration 4']
    assert len(drawn) == 2


def test_snapshots_of_an_earlier_training_are_not_shown(small_config, tmp_path, drawn):
    train(with_hook(small_config(SCRIBBLES, **SHORT), iterations=[1, 4]))
    for checkpoint in (tmp_path / 'run').glob('*.pth'):
        checkpoint.unlink()
    drawn.clear()
    train(with_hook(small_config(SCRIBBLES, **SHORT), iterations=[1, 4]))
    assert [heads_of(rows)[2:-1] for rows in drawn] == [['iteration 1'], ['iteration 1', 'iteration 4']]


@pytest.mark.parametrize(('arguments', 'width'), [({}, 7), ({'line_width': 5}, 5)])
def test_strokes_are_as_wide_as_those_that_are_trained_on(small_config, small_data, drawn, arguments, width):
    options = SHORT | {'max_iters': 1, 'line_width': 7}
    train(with_hook(small_config(SCRIBBLES, **options), ann_file='ImageSets/Segmentation/train_aug.txt', **arguments))
    for row in drawn[-1]:
        strokes = rasterise(read_scribblesup(small_data.scribbles / f'{row.title}.xml'), width)
        assert np.array_equal(row.panels[1].labels, strokes)


def test_images_without_scribbles_are_shown_without(small_config, small_data, tmp_path, drawn):
    shutil.copytree(small_data.scribbles, tmp_path / 'training_only', ignore=shutil.ignore_patterns('2000_5*'))
    options = SHORT | {'scribbles': str(tmp_path / 'training_only'), 'max_iters': 1}
    train(with_hook(small_config(SCRIBBLES, **options), iterations=[1]))
    assert heads_of(drawn[-1]) == ['image', 'iteration 1', 'full mask']


def test_the_shipped_config_writes_its_figure(small_config, tmp_path, drawn):
    train(small_config(SNAPSHOTS, **SHORT))
    assert heads_of(drawn[-1])[:2] == ['image', 'scribbles']
    assert len(drawn[-1]) == 4
    assert len(drawn) == len(spread_iterations(4))


# Each entry: a config, arguments of the hook, and what the error says.
MISTAKES = {
    'an iteration beyond the end': (SCRIBBLES, {'iterations': [2, 5]}, r'iterations from 0 to 4'),
    'an unknown id': (SCRIBBLES, {'images': ['2000_000001']}, r'no such sample'),
    'a position beyond the end': (SCRIBBLES, {'images': [2]}, r'no such sample'),
    'no list': (SCRIBBLES, {'ann_file': 'nowhere.txt'}, r'list of image ids is missing'),
    'no scribbles': (SCRIBBLES, {'scribbles': '/nowhere'}, r'have no scribbles'),
    'no segmentor': (PCAM, {}, r'need a segmentor'),
}


@pytest.mark.parametrize(('config', 'arguments', 'message'), MISTAKES.values(), ids=MISTAKES)
def test_mistakes_end_before_the_training(small_config, tmp_path, config, arguments, message):
    options = {'max_epochs': 1} if config == PCAM else SHORT
    with pytest.raises(UserError, match=message):
        train(with_hook(small_config(config, **options), **arguments))
    assert not (tmp_path / 'run' / 'snapshots').exists()


@pytest.mark.parametrize(
    ('max_iters', 'iterations'),
    [
        (40_000, (100, 300, 1_000, 4_000, 10_000, 40_000)),
        (100, (1, 3, 6, 20, 40, 100)),
        (2, (1, 2)),
        (1, (1,)),
    ],
)
def test_default_iterations_are_a_factor_apart(max_iters, iterations):
    assert spread_iterations(max_iters) == iterations
