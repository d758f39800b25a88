"""Every shipped config: it takes a training step, here or in test_backbones, and says what the protocol says."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from backbone_table import BACKBONES, SCHEDULES, SUPERVISIONS
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.optim import ExponentialLR, PolyLR, build_optim_wrapper
from mmengine.registry import MODELS, DefaultScope
from mmengine.runner import Runner

from sdp_plugin.catalogue.data_checks import collection_of
from sdp_plugin.catalogue.foundation_models import FOUNDATION_MODELS
from sdp_plugin.settings import load_config

CONFIGS = Path(__file__).parents[2] / 'configs'
FOLDERS = ('finetune', 'pretrain')  # grids are no trainings: tests/grid/test_plan.py plans them all
LEAVES = [path.relative_to(CONFIGS).as_posix() for folder in FOLDERS for path in sorted(CONFIGS.glob(f'{folder}/*.py'))]
NUM_SHIPPED = 66
IN_BOTH_PHASES = {backbone.pretraining(supervision) for backbone in BACKBONES for supervision in SUPERVISIONS} | {
    backbone.finetuning(dataset) for backbone in BACKBONES for dataset in SCHEDULES
}

# What the paper trains. Configs of other backbones or schedules may depart from its settings.
SEGMENTATION = [leaf for leaf in LEAVES if leaf.startswith('pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-')]
CLASS_LABELS = [leaf for leaf in LEAVES if leaf.startswith('pretrain/resnet34_1xb10-40k_voc12-classes')]
PROTOCOL_PRETRAIN = [*SEGMENTATION, *CLASS_LABELS]
FROZEN = ['finetune/vit-giant_1xb32-adamw-50e_pcam.py']
FINETUNE_EPOCHS = {'finetune/resnet34_1xb32-100e_pcam.py': 100, 'finetune/resnet34_1xb32-200e_crc.py': 200}


def test_all_configs_are_found():
    assert len(LEAVES) == NUM_SHIPPED
    assert {path.name for path in CONFIGS.iterdir()} == {'_base_', 'grids', *FOLDERS}
    assert {Path(leaf).parent.name for leaf in LEAVES} == set(FOLDERS)
    assert len(SEGMENTATION) >= 4
    assert len(CLASS_LABELS) >= 4
    assert set(FINETUNE_EPOCHS) <= set(LEAVES)


def read(leaf: str) -> Config:
    return load_config(CONFIGS / leaf)


def transform_of(cfg: Config, name: str) -> dict:
    return next(t for t in cfg.train_dataloader.dataset.pipeline if t.type.split('.')[-1] == name)


def transforms_of(cfg: Config) -> list[str]:
    return [t.type.split('.')[-1] for t in cfg.train_dataloader.dataset.pipeline]


def build_model(cfg: Config) -> BaseModel:
    """The model as the Runner builds it."""
    settings = dict(cfg.model)
    if 'data_preprocessor' in cfg:
        settings.setdefault('data_preprocessor', cfg.data_preprocessor)
    model = MODELS.build(settings)
    model.init_weights()
    return model


@pytest.mark.parametrize('leaf', [leaf for leaf in LEAVES if leaf not in IN_BOTH_PHASES])
def test_takes_one_training_step(small_config, leaf):
    more = {'crop_size': (65, 65)} if leaf.startswith('pretrain/') else {}
    if 'vit-giant' in leaf:
        more['model.backbone.arguments.depth'] = 1
    cfg = small_config(leaf, small_model=False, **more)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
        model = build_model(cfg)
        optimiser = build_optim_wrapper(model, cfg.optim_wrapper)
        model.train()  # MMSegmentation's and MMPretrain's return None
        batch = next(iter(loader))
        assert len(batch['inputs']) == 2
        losses = model(**model.data_preprocessor(batch, training=True), mode='loss')
    loss, _ = model.parse_losses(losses)
    assert 0 < loss.item() < math.inf
    loss.backward()
    trained = [name for name, _ in model.named_parameters() if name.startswith('head.') or leaf not in FROZEN]
    assert [name for name, parameter in model.named_parameters() if parameter.grad is not None] == trained
    before = {name: parameter.detach().clone() for name, parameter in model.named_parameters()}
    optimiser.step()
    moved = {name.split('.')[0] for name, value in model.named_parameters() if not torch.equal(value, before[name])}
    assert moved == {name.split('.')[0] for name in trained}
    assert all(torch.isfinite(parameter).all() for parameter in model.parameters())


def test_the_giant_is_h_optimus_frozen():
    card, cfg = FOUNDATION_MODELS['h-optimus-0'], read(FROZEN[0])
    described = {'type', 'model', 'arguments', 'pooling'}
    assert {key: cfg.model.backbone[key] for key in described} == {
        key: card.settings()['model.backbone'][key] for key in described
    }
    assert cfg.model.backbone.frozen
    for key, value in card.settings().items():
        if key.startswith('data_preprocessor.'):
            assert cfg.data_preprocessor[key.split('.')[1]] == pytest.approx(value)
    assert cfg.model.head.in_channels == card.width
    with torch.device('meta'):
        backbone = MODELS.build(cfg.model.backbone)
    assert sum(parameter.numel() for parameter in backbone.parameters()) > 1.1e9
    assert not any(parameter.requires_grad for parameter in backbone.parameters())


@pytest.mark.parametrize('leaf', [*SEGMENTATION[:1], *CLASS_LABELS, *FINETUNE_EPOCHS])
def test_builds_what_the_test_needs(small_config, leaf):
    """The test loader's images reach the model, and the evaluators exist."""
    runner = Runner.from_cfg(small_config(leaf))
    runner.build_test_loop(runner.cfg.test_cfg)
    batch = next(iter(runner.test_dataloader))
    runner.model.eval()
    assert len(runner.model.test_step(batch)) == len(batch['inputs'])


@pytest.mark.parametrize('leaf', PROTOCOL_PRETRAIN)
def test_pretraining_as_stated(leaf):
    cfg = read(leaf)
    assert cfg.optim_wrapper.optimizer == dict(type='SGD', lr=2.5e-4, momentum=0.9, weight_decay=5e-4)
    assert cfg.train_cfg == dict(type='IterBasedTrainLoop', max_iters=40_000)
    assert cfg.train_dataloader.batch_size == 10
    if 'RandomRescaledCrop' in transforms_of(cfg):
        crop = transform_of(cfg, 'RandomRescaledCrop')
        assert (crop.crop_size, crop.ratio_range, crop.flip_prob) == ((321, 321), (0.5, 1.5), 0.5)
    else:
        assert transform_of(cfg, 'RandomLabelledCrop').crop_size == (321, 321)
        assert transform_of(cfg, 'RandomRescale').ratio_range == (0.5, 1.5)
        assert transform_of(cfg, 'RandomFlip').prob == 0.5
    assert cfg.model.backbone.depth == 34
    assert 'val_cfg' not in cfg
    assert 'pretrained' not in cfg.model
    assert 'init_cfg' not in cfg.model.backbone


@pytest.mark.parametrize('leaf', SEGMENTATION)
def test_segmentation_trunk_has_output_stride_8(leaf):
    backbone = read(leaf).model.backbone
    with torch.device('meta'):
        built = MODELS.build({'_scope_': 'mmseg', **backbone})
    assert (built.strides, built.dilations) == ((1, 2, 1, 1), (1, 1, 2, 4))
    assert backbone.type == ('ResNet' if leaf.endswith('_mmseg-trunk.py') else 'sdp_plugin.AtrousResNet')


@pytest.mark.parametrize(
    'leaf',
    [
        'pretrain/deeplabv2_r18-d8_1xb10-40k_voc12-scribbles-321x321.py',
        'pretrain/deeplabv2_r18-d8_1xb10-40k_voc12-masks-321x321.py',
        'pretrain/resnet18_1xb10-40k_voc12-classes-321x321.py',
    ],
)
def test_a_small_pretraining_is_made_by_settings_alone(small_config, leaf):
    stride = {} if 'classes' in leaf else {'output_stride': 16, 'head_dilations': [3, 6, 9, 12]}
    cfg = small_config(leaf, small_model=False, crop_size=97, batch_size=3, lr=2.5e-3, max_iters=1500, **stride)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = build_model(cfg)
        batch = next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=0)))
        batch = model.data_preprocessor(batch, training=True)
    assert batch['inputs'].shape == (3, 3, 97, 97)
    assert model.backbone(batch['inputs'])[-1].shape[2:] == ((7, 7) if stride else (4, 4))
    if stride:
        assert model.decode_head.dilations == (3, 6, 9, 12)


@pytest.mark.parametrize(
    ('leaf', 'normalisation', 'dilations'),
    [
        ('scribbles-321x321', 'labelled', (6, 12, 18, 24)),
        ('scribbles-321x321_all-pixels', 'all', (6, 12, 18, 24)),
        ('scribbles-321x321_dilations-6-12', 'labelled', (6, 12)),
        ('clicks-321x321', 'labelled', (6, 12, 18, 24)),
        ('masks-321x321', 'labelled', (6, 12, 18, 24)),
    ],
)
def test_variants_of_segmentation(leaf, normalisation, dilations):
    head = read(f'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-{leaf}.py').model.decode_head
    assert head.loss_decode.normalisation == normalisation
    assert head.dilations == dilations


@pytest.mark.parametrize(('variant', 'loading'), [('', 'LoadStrokes'), ('_ordinary-input', 'LoadScribbles')])
def test_scribbles_are_drawn_three_pixels_wide_after_rescaling(variant, loading):
    cfg = read(f'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321{variant}.py')
    assert transform_of(cfg, loading).line_width == 3
    assert transforms_of(cfg).index('RandomRescale' if variant else 'LoadImage') < transforms_of(cfg).index(loading)


def test_clicks_differ_from_scribbles_by_their_folder():
    clicks, scribbles = (
        read(f'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-{kind}-321x321.py') for kind in ('clicks', 'scribbles')
    )
    folder = clicks.train_dataloader.dataset.data_prefix.scribble_path
    assert folder == '../../clicks/pascal_2012' != scribbles.scribbles
    clicks.merge_from_dict(
        {'scribbles': scribbles.scribbles, 'train_dataloader.dataset.data_prefix.scribble_path': scribbles.scribbles}
    )
    assert clicks.to_dict() == scribbles.to_dict()


def batches_of_both_inputs(small_config, leaf: str) -> list[dict]:
    """The first batch of a config and of its ordinary input, of one random state and ready for the network."""
    batches = []
    for variant in ('', '_ordinary-input'):
        cfg = small_config(f'pretrain/{leaf}{variant}.py')
        with DefaultScope.overwrite_default_scope(cfg.default_scope):
            loader = Runner.build_dataloader(cfg.train_dataloader, seed=0)
            model = build_model(cfg)
            np.random.seed(0)
            batches.append(model.data_preprocessor(next(iter(loader)), training=True))
    fast, ordinary = batches
    assert fast['inputs'].shape == ordinary['inputs'].shape == (2, 3, 33, 33)
    assert fast['inputs'].is_contiguous(memory_format=torch.channels_last)
    # The fast input's images differ by the rounding of a re-scaled part.
    assert (fast['inputs'] - ordinary['inputs']).abs().max() < 0.06
    return batches


@pytest.mark.parametrize('labels', ['masks', 'scribbles'])
def test_ordinary_input_gives_the_same_batches(small_config, labels):
    fast, ordinary = batches_of_both_inputs(small_config, f'deeplabv2_r34-d8_1xb10-40k_voc12-{labels}-321x321')
    for ours, theirs in zip(fast['data_samples'], ordinary['data_samples'], strict=True):
        assert torch.equal(ours.gt_sem_seg.data, theirs.gt_sem_seg.data)
        assert (ours.gt_sem_seg.data != 255).any()
        for key in ('img_path', 'ori_shape', 'img_shape', 'scale_factor', 'flip', 'padding_size'):
            assert ours.get(key) == theirs.get(key), key


def test_ordinary_input_gives_the_same_classes(small_config):
    fast, ordinary = batches_of_both_inputs(small_config, 'resnet34_1xb10-40k_voc12-classes-321x321')
    for ours, theirs in zip(fast['data_samples'], ordinary['data_samples'], strict=True):
        assert torch.equal(ours.gt_score, theirs.gt_score.float())
        assert ours.gt_score.any()


@pytest.mark.parametrize('leaf', [SEGMENTATION[0], CLASS_LABELS[0]])
def test_the_head_learns_ten_times_as_fast(small_config, leaf):
    cfg = small_config(leaf)
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        model = build_model(cfg)
        optimiser = build_optim_wrapper(model, cfg.optim_wrapper)
    part_of = {id(parameter): name.split('.')[0] for name, parameter in model.named_parameters()}
    groups = optimiser.optimizer.param_groups
    rates = {(part_of[id(parameter)], group['lr']) for group in groups for parameter in group['params']}
    head = 'decode_head' if leaf in SEGMENTATION else 'head'
    assert sorted(rates) == [('backbone', 2.5e-4), (head, pytest.approx(2.5e-3, rel=1e-12))]


@pytest.mark.parametrize(('leaf', 'epochs'), FINETUNE_EPOCHS.items())
def test_finetuning_as_stated(leaf, epochs):
    cfg = read(leaf)
    assert cfg.optim_wrapper.optimizer == dict(type='Adam', lr=1e-4)
    assert (cfg.train_cfg.type, cfg.train_cfg.max_epochs) == ('sdp_plugin.InMemoryTrainLoop', epochs)
    assert cfg.train_cfg.in_memory
    assert transform_of(cfg, 'RandomCrop').type == 'sdp_plugin.RandomCrop'  # MMPretrain's pads with black
    assert cfg.train_dataloader.batch_size == 32
    assert cfg.model.backbone.depth == 34
    assert cfg.model.head.num_classes == cfg.data_preprocessor.num_classes == {100: 2, 200: 8}[epochs]
    assert 'val_cfg' not in cfg
    assert 'save_best' not in cfg.default_hooks.checkpoint
    jitter = transform_of(cfg, 'ColorJitter')
    assert [jitter[kind] for kind in ('brightness', 'contrast', 'saturation', 'hue')] == [0.4] * 4
    assert transform_of(cfg, 'RandomCrop').padding_mode == 'reflect'


@pytest.mark.parametrize(('leaf', 'epochs'), FINETUNE_EPOCHS.items())
def test_finetuning_settings_are_plain_values(leaf, epochs):
    cfg = read(leaf)
    assert {'data_root', 'examples_per_class', 'seed', 'initialisation', 'batch_size', 'lr'} <= set(cfg)
    assert cfg.max_epochs == epochs
    assert leaf.endswith('pcam.py') or {'fold', 'num_folds', 'group_by'} <= set(cfg)


def test_nct_crc_is_trained_on_one_set_and_tested_on_the_other():
    plain, nonorm = (read(f'finetune/resnet34_1xb32-200e_nct-crc{variant}.py') for variant in ('', '_nonorm'))
    for cfg, folder in ((plain, 'NCT-CRC-HE-100K'), (nonorm, 'NCT-CRC-HE-100K-NONORM')):
        train, test = (collection_of(cfg[f'{part}_dataloader'].dataset) for part in ('train', 'test'))
        assert [str(path) for path in (*train.folders, *test.folders)] == [f'data/{folder}', 'data/CRC-VAL-HE-7K']
        assert (cfg.num_classes, cfg.model.head.num_classes, cfg.input_size) == (9, 9, 224)
        assert train.examples_per_class == 50


def test_poly_schedule_is_the_stated_one_at_every_iteration():
    cfg = read(PROTOCOL_PRETRAIN[0])
    (settings,) = cfg.param_scheduler
    assert settings.pop('type') == 'PolyLR'
    parameter = torch.nn.Parameter(torch.zeros(1))
    optimiser = torch.optim.SGD([parameter], lr=cfg.lr)
    scheduler = PolyLR(optimiser, **settings)
    for iteration in range(cfg.max_iters):
        wanted = 2.5e-4 * (1 - iteration / 40_000) ** 0.9
        assert optimiser.param_groups[0]['lr'] == pytest.approx(wanted, abs=1e-9), iteration
        optimiser.step()
        scheduler.step()
    assert optimiser.param_groups[0]['lr'] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize('leaf', FINETUNE_EPOCHS)
def test_exponential_schedule_is_the_stated_one(leaf):
    (settings,) = read(leaf).param_scheduler
    assert settings.pop('type') == 'ExponentialLR'
    assert settings.by_epoch  # whatever the number of iterations an epoch has
    optimiser = torch.optim.Adam([torch.nn.Parameter(torch.zeros(1))], lr=1e-4)
    scheduler = ExponentialLR(optimiser, **settings)
    for epoch in range(FINETUNE_EPOCHS[leaf]):
        assert optimiser.param_groups[0]['lr'] == pytest.approx(1e-4 * 0.94**epoch, rel=1e-9), epoch
        optimiser.step()
        scheduler.step()


@pytest.mark.parametrize('leaf', CLASS_LABELS)
def test_class_label_loss_is_the_mean_binary_cross_entropy(leaf):
    from mmpretrain.structures import DataSample

    cfg = read(leaf)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        head = MODELS.build(cfg.model.head)
        preprocessor = MODELS.build(cfg.data_preprocessor)
    labels = [[0, 19], [], [7]]
    samples = [DataSample().set_gt_label(torch.tensor(present, dtype=torch.long)) for present in labels]
    images = [torch.zeros(3, 8, 8, dtype=torch.uint8) for _ in labels]
    batch = preprocessor(dict(inputs=images, data_samples=samples), training=True)
    features = torch.randn(3, 512, generator=torch.Generator().manual_seed(0))
    loss = head.loss((features,), batch['data_samples'])['loss']
    targets = torch.zeros(3, 20)
    for row, present in enumerate(labels):
        targets[row, present] = 1
    torch.testing.assert_close(loss, torch.nn.BCEWithLogitsLoss()(head.fc(features), targets))
