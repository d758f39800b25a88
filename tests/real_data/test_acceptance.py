"""The method on real images, as short as it can be and still show that it learns.

The images are small parts of VOC 2012 and PCam. No number here compares with a published one.
"""

from __future__ import annotations

import json
from pathlib import Path
from statistics import fmean

import h5py
import numpy as np
import pytest
import torch
from PIL import Image

from sdp_plugin.apis.train import latest_checkpoint, train
from sdp_plugin.checkpoints.reading import load_checkpoint
from sdp_plugin.conversion.carry_over import carry_over, write
from sdp_plugin.conversion.trunks import features, trunk_from_config
from sdp_plugin.scribbles.formats.scribblesup import write_scribblesup
from sdp_plugin.scribbles.synthesis import synthesise_scribbles
from sdp_plugin.settings import load_config

pytestmark = [pytest.mark.real_data, pytest.mark.slow]

CONFIGS = Path(__file__).parents[2] / 'configs'
SCRIBBLES = CONFIGS / 'pretrain' / 'deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
PCAM = CONFIGS / 'finetune' / 'resnet34_1xb32-100e_pcam.py'
NUM_IMAGES = 60
ITERATIONS = 200
# At higher rates the loss of so small a batch leaps to 10 and more first, and its fall from there shows nothing.
SHORT_PRETRAINING = dict(max_iters=ITERATIONS, crop_size=(65, 65), batch_size=4, lr=2.5e-5, num_workers=0)
# Half the size of the patches, for a quarter of the time.
SHORT_FINETUNING = dict(examples_per_class=100, max_epochs=15, lr=3e-4, batch_size=16, input_size=48, num_workers=0)
SEEDS = (0, 1, 2)


@pytest.fixture(scope='module')
def pretraining(real_data, tmp_path_factory) -> Path:
    """The work directory of a short pre-training from scribbles that were drawn after real masks."""
    folder = tmp_path_factory.mktemp('pretraining')
    voc = real_data / 'VOCdevkit' / 'VOC2012'
    listed = (voc / 'ImageSets' / 'Segmentation' / 'train_aug.txt').read_text().split()
    ids = listed[:: len(listed) // NUM_IMAGES][:NUM_IMAGES]
    assert len(ids) == NUM_IMAGES
    (folder / 'ids.txt').write_text('\n'.join(ids))
    for image_id in ids:
        mask = np.asarray(Image.open(voc / 'SegmentationClassAug' / f'{image_id}.png'))
        scribbles = synthesise_scribbles(mask, seed=0, image_id=image_id)
        write_scribblesup(folder / 'scribbles' / f'{image_id}.xml', scribbles)
    options = SHORT_PRETRAINING | {
        'data_root': str(voc),
        'scribbles': str(folder / 'scribbles'),
        'train_dataloader.dataset.ann_file': str(folder / 'ids.txt'),
        'default_hooks.logger.interval': 1,
        'log_processor.window_size': 1,
    }
    cfg = load_config(SCRIBBLES, options)
    cfg.work_dir = str(folder / 'run')
    # 300 full-size test images would take longer than the training, and nothing here asks for them.
    cfg.test_dataloader = cfg.test_evaluator = cfg.test_cfg = None
    train(cfg)
    return folder / 'run'


@pytest.fixture(scope='module')
def initialisation(pretraining) -> Path:
    out = pretraining / 'initialisation.pth'
    write(carry_over(latest_checkpoint(pretraining)), out)
    return out


def losses_of(work_dir: Path) -> list[float]:
    (scalars,) = work_dir.glob('*/vis_data/scalars.json')
    records = map(json.loads, scalars.read_text().splitlines())
    return [record['loss'] for record in records if 'loss' in record]


def test_the_loss_of_scribbles_falls(pretraining):
    losses = losses_of(pretraining)
    assert len(losses) == ITERATIONS
    assert fmean(losses[-20:]) <= 0.8 * fmean(losses[:20])


def test_conversion_keeps_every_tensor(pretraining, initialisation):
    trained = load_checkpoint(latest_checkpoint(pretraining))['state_dict']
    trunk = {name: tensor for name, tensor in trained.items() if name.startswith('backbone.')}
    converted = load_checkpoint(initialisation)['state_dict']
    assert converted.keys() == trunk.keys()
    assert len(trunk) > 200
    assert [name for name in trunk if not torch.equal(trunk[name], converted[name])] == []


def test_the_trunk_at_the_strides_of_the_classifier_gives_the_same_features(pretraining, initialisation, real_data):
    trained = load_checkpoint(latest_checkpoint(pretraining))['state_dict']
    segmentation = load_config(SCRIBBLES).model.backbone
    classification = load_config(PCAM).model.backbone
    every_stage = dict(out_indices=(0, 1, 2, 3))
    source = trunk_from_config(segmentation, 'mmseg').with_settings(output_stride=32, **every_stage)
    target = trunk_from_config(classification, 'mmpretrain').with_settings(**every_stage)
    modules = []
    for trunk, state in ((source, trained), (target, load_checkpoint(initialisation)['state_dict'])):
        module = trunk.build()
        module.load_state_dict({k.removeprefix('backbone.'): v for k, v in state.items() if k.startswith('backbone.')})
        modules.append(module)  # in evaluation mode already
    images = real_tissue(real_data)
    for ours, theirs in zip(*(features(module, images) for module in modules), strict=True):
        assert ours.std() > 0
        assert torch.equal(ours, theirs)


def real_tissue(real_data: Path) -> torch.Tensor:
    with h5py.File(real_data / 'pcam' / 'camelyonpatch_level_2_split_test_x.h5') as file:
        return torch.from_numpy(file['x'][:2]).permute(0, 3, 1, 2).float().sub(128).div(64)


def test_two_hundred_patches_teach_something(real_data, tmp_path):
    """From random initialisation, so that it does not wait for the pre-training."""
    accuracies = []
    for seed in SEEDS:
        cfg = load_config(PCAM, dict(SHORT_FINETUNING, data_root=str(real_data / 'pcam'), seed=seed))
        cfg.default_hooks.checkpoint = None
        cfg.work_dir = str(tmp_path / f'seed-{seed}')
        accuracies.append(train(cfg)['accuracy/top1'])
    print(accuracies)
    assert fmean(accuracies) >= 60
