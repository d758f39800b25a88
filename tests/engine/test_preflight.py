"""What is looked at before the first iteration."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
import torch
from PIL import Image

from sdp_plugin.apis.train import build_runner, train
from sdp_plugin.errors import UserError

SCRIBBLES = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
CLASSES = 'pretrain/resnet34_1xb10-40k_voc12-classes-321x321.py'
PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'

# Each entry: a config, options, and what the message says.
BROKEN = {
    'a metric of segmentations': (PCAM, {'test_evaluator': dict(type='mmseg.IoUMetric')}, 'metric|evaluator'),
    'more classes than there are': (PCAM, {'test_evaluator': dict(type='Accuracy', topk=(5,))}, 'metric|evaluator'),
    'a metric of classes': (SCRIBBLES, {'test_evaluator': dict(type='mmpretrain.Accuracy')}, 'metric|evaluator'),
    'a pipeline without packing': (
        PCAM,
        {'test_dataloader.dataset.pipeline': [dict(type='sdp_plugin.LoadPatch')]},
        'cannot be tested',
    ),
    'more classes than the data have': (SCRIBBLES, {'model.decode_head.num_classes': 22}, '21: background'),
    'no test images': (SCRIBBLES, {'test_dataloader.dataset.ann_file': 'nowhere.txt'}, 'nowhere.txt'),
    'less than a batch': (SCRIBBLES, {'train_dataloader.batch_size': 9}, 'batch_size=8 or less'),
    'less than a batch, by epoch': (
        PCAM,
        {'train_dataloader.batch_size': 9, 'train_dataloader.drop_last': True},
        'batch_size=2 or less',
    ),
}


@pytest.mark.parametrize(('config', 'options', 'words'), BROKEN.values(), ids=BROKEN)
def test_what_the_end_would_fail_at_ends_the_beginning(small_config, tmp_path, config, options, words):
    cfg = small_config(config)
    for key, value in options.items():
        if key == 'test_evaluator':
            cfg.test_evaluator = value
        else:
            cfg.merge_from_dict({key: value})
    with pytest.raises(UserError, match=words):
        train(cfg)
    assert not list((tmp_path / 'run').glob('*.pth'))


def test_a_last_batch_of_one_image_is_tried(small_config):
    """Batch norm makes nothing of one value a channel."""
    small = dict(examples_per_class=2, batch_size=3)
    with pytest.raises(UserError, match='last batch of an epoch holds one image of 4'):
        build_runner(small_config(PCAM, input_size=32, **small))
    build_runner(small_config(PCAM, input_size=96, **small))
    build_runner(small_config(PCAM, input_size=32, **{'train_dataloader.drop_last': True}, **small))


def test_a_broken_test_image_ends_the_beginning(small_config, small_data, tmp_path):
    shutil.copytree(small_data.voc, tmp_path / 'voc')
    image = (tmp_path / 'voc' / 'ImageSets' / 'Segmentation' / 'val.txt').read_text().split()[0]
    mask = tmp_path / 'voc' / 'SegmentationClassAug' / f'{image}.png'
    Image.fromarray(np.full((5, 5), 99, np.uint8)).save(mask)
    with pytest.raises(UserError):
        train(small_config(SCRIBBLES, data_root=str(tmp_path / 'voc')))
    assert not list((tmp_path / 'run').glob('*.pth'))


@pytest.mark.parametrize('config', [SCRIBBLES, CLASSES, PCAM])
def test_looking_changes_nothing(small_config, monkeypatch, config):
    def start(look: bool):
        if not look:
            monkeypatch.setattr('sdp_plugin.apis.train.check_before_training', lambda runner: None)
        torch.manual_seed(1)
        np.random.seed(1)
        runner = build_runner(small_config(config, f'look-{look}'))
        drawn = torch.rand(3), np.random.rand(3).tolist()
        return runner.model.state_dict(), {m.training for m in runner.model.modules()}, drawn

    (weights, modes, drawn), (other_weights, other_modes, other_drawn) = start(True), start(False)
    assert modes == other_modes
    assert torch.equal(drawn[0], other_drawn[0])
    assert drawn[1] == other_drawn[1]
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
