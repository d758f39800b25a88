"""The backbone comparison: every backbone trains a step in both phases, and its trunk is carried over in between."""

from __future__ import annotations

import functools
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from backbone_table import (
    BACKBONES,
    BEGIN,
    END,
    SCHEDULES,
    SUPERVISIONS,
    Backbone,
    Row,
    build_model,
    count_flops,
    measure,
    to_markdown,
    update,
)
from mmengine.config import Config
from mmengine.optim import build_optim_wrapper
from mmengine.registry import PARAM_SCHEDULERS, DefaultScope
from mmengine.runner import Runner

from sdp_plugin.conversion.carry_over import carry_over, write
from sdp_plugin.conversion.initialise import load_initialisation
from sdp_plugin.conversion.trunks import ADAPTER
from sdp_plugin.errors import UserError
from sdp_plugin.settings import load_config

CONFIGS = Path(__file__).parents[2] / 'configs'
SIZE = 97
NUM_BACKBONES = 12
COUNTERPART_IN_MMPRETRAIN = {
    'ResNet-18': 'mmpretrain.ResNet',
    'ResNet-34': 'mmpretrain.ResNet',
    'ResNet-50': 'mmpretrain.ResNet',
    'ResNet-101': 'mmpretrain.ResNet',
    'ResNeXt-50 (32x4d)': 'mmpretrain.ResNeXt',
    'Swin-T': 'mmpretrain.SwinTransformer',
    'ConvNeXt-T': 'mmpretrain.ConvNeXt',
}

QUICK = {'ResNet-18', 'STDC1', 'MiT-B0'}  # of either way into a classifier and either schedule

each_backbone = pytest.mark.parametrize('backbone', BACKBONES, ids=lambda backbone: backbone.name)


def test_all_backbones_are_compared():
    assert len(BACKBONES) == len({backbone.name for backbone in BACKBONES}) == NUM_BACKBONES
    leaves = [backbone.pretraining(supervision) for backbone in BACKBONES for supervision in SUPERVISIONS]
    leaves += [backbone.finetuning(dataset) for backbone in BACKBONES for dataset in SCHEDULES]
    assert len(set(leaves)) == 4 * NUM_BACKBONES
    assert [leaf for leaf in leaves if not (CONFIGS / leaf).is_file()] == []


@pytest.mark.parametrize(
    'backbone',
    [
        pytest.param(backbone, marks=[] if backbone.name in QUICK else pytest.mark.slow, id=backbone.name)
        for backbone in BACKBONES
    ],
)
def test_trains_in_both_phases_and_converts_in_between(small_config, tmp_path, backbone: Backbone):
    torch.manual_seed(0)
    scribbles, masks = (
        small_config(backbone.pretraining(supervision), supervision, small_model=False, crop_size=(SIZE, SIZE))
        for supervision in SUPERVISIONS
    )
    segmentor = build_model(scribbles)
    segmentor.init_weights()
    takes_a_step(segmentor, scribbles)
    assert masks.model == scribbles.model
    assert masks.optim_wrapper == scribbles.optim_wrapper
    takes_a_step(segmentor, masks)

    trained = tmp_path / 'iter_1.pth'
    torch.save({'meta': {'cfg': scribbles.pretty_text}, 'state_dict': segmentor.state_dict()}, trained)
    carried = carry_over(trained, target_config=CONFIGS / backbone.finetuning('pcam'))
    assert carried.target.kind == COUNTERPART_IN_MMPRETRAIN.get(backbone.name, ADAPTER)
    assert carried.key_map.verdict.name == 'exact'
    assert [stage.largest for stage in carried.verification.stages] == [0.0] * len(carried.verification.stages)
    by_default = carry_over(trained, verified=False)
    assert by_default.target.kind == carried.target.kind
    assert set(by_default.conversion.state) == set(carried.conversion.state)
    initialisation = tmp_path / 'initialisation.pth'
    write(carried, initialisation)

    pcam, crc = (
        small_config(backbone.finetuning(dataset), dataset, small_model=False, input_size=SIZE) for dataset in SCHEDULES
    )
    assert crc.model.backbone == pcam.model.backbone
    for cfg in (pcam, crc):
        classifier = build_model(cfg)
        load_initialisation(classifier, initialisation)
        assert_same_trunk(segmentor, classifier)
        takes_a_step(classifier, cfg)


def takes_a_step(model: torch.nn.Module, cfg: Config) -> None:
    """One step on two images through the config's own pipeline and optimiser, which reaches every parameter."""
    reached = set()
    hooks = [
        parameter.register_post_accumulate_grad_hook(lambda _, name=name: reached.add(name))
        for name, parameter in model.named_parameters()
    ]
    with DefaultScope.overwrite_default_scope(cfg.default_scope):
        batch = next(iter(Runner.build_dataloader(cfg.train_dataloader, seed=0)))
    assert [tuple(image.shape) for image in batch['inputs']] == [(3, SIZE, SIZE)] * 2
    before = [next(part.parameters()).detach().clone() for part in (model.backbone, _head(model))]
    model.train()
    losses = model.train_step(batch, build_optim_wrapper(model, cfg.optim_wrapper))
    for hook in hooks:
        hook.remove()
    assert 0 < losses['loss'].item() < math.inf
    assert {name for name, _ in model.named_parameters()} - reached == set()
    assert all(parameter.isfinite().all() for parameter in model.parameters())
    for part, parameter in zip((model.backbone, _head(model)), before, strict=True):
        assert not torch.equal(next(part.parameters()), parameter)


def _head(model: torch.nn.Module) -> torch.nn.Module:
    return model.decode_head if hasattr(model, 'decode_head') else model.head


def assert_same_trunk(segmentor: torch.nn.Module, classifier: torch.nn.Module) -> None:
    """All tensors of the classifier's trunk are the segmentor's, under whatever name."""
    trained = segmentor.backbone.state_dict()
    state = classifier.backbone.state_dict()
    assert {name.removeprefix('trunk.') for name in state} <= set(trained)
    different = [
        name for name, tensor in state.items() if not torch.equal(tensor, trained[name.removeprefix('trunk.')])
    ]
    assert different == []


@each_backbone
def test_the_protocol_is_the_same_for_all(backbone):
    """Only the trunk, the head and, for four, the optimiser tell the backbones apart."""
    reference = next(one for one in BACKBONES if one.name == 'ResNet-34')
    optimiser = {'40k': 'SGD', 'adamw-40k': 'AdamW'}[backbone.schedule]
    for supervision in SUPERVISIONS:
        cfg, usual = (Config.fromfile(CONFIGS / one.pretraining(supervision)) for one in (backbone, reference))
        assert cfg.optim_wrapper.optimizer.type == optimiser
        assert cfg.model.decode_head.loss_decode.type == 'sdp_plugin.PartialCrossEntropyLoss'
        assert cfg.model.decode_head.num_classes == 21
        assert 'auxiliary_head' not in cfg.model
        assert downloads(cfg.model) == []
        assert cfg.model.data_preprocessor == usual.model.data_preprocessor
        for part in ('train_dataloader', 'test_dataloader', 'train_cfg', 'test_evaluator', 'default_hooks'):
            assert cfg[part] == usual[part], part
    for dataset in SCHEDULES:
        cfg, usual = (Config.fromfile(CONFIGS / one.finetuning(dataset)) for one in (backbone, reference))
        assert downloads(cfg.model) == []
        assert {key: value for key, value in cfg.items() if key != 'model'} == {
            key: value for key, value in usual.items() if key != 'model'
        }


def downloads(node: object) -> list[object]:
    """The values in a config that would fetch weights."""
    if isinstance(node, dict):
        own = [node[key] for key in ('pretrained', 'init_cfg', 'checkpoint') if node.get(key)]
        return own + [found for value in node.values() for found in downloads(value)]
    return [found for value in node for found in downloads(value)] if isinstance(node, (list, tuple)) else []


def test_adamw_rises_and_falls_as_stated():
    iterations = 2000
    leaf = next(backbone.pretraining('masks') for backbone in BACKBONES if backbone.schedule == 'adamw-40k')
    cfg = load_config(CONFIGS / leaf, {'max_iters': iterations})
    optimiser = torch.optim.AdamW([torch.nn.Parameter(torch.zeros(1))], lr=cfg.lr)
    schedulers = [PARAM_SCHEDULERS.build(dict(settings, optimizer=optimiser)) for settings in cfg.param_scheduler]
    for iteration in range(iterations):
        risen = min(1e-6 + (1 - 1e-6) * iteration / 1499, 1)
        assert optimiser.param_groups[0]['lr'] == pytest.approx(6e-5 * (1 - iteration / iterations) * risen, abs=1e-12)
        optimiser.step()
        for scheduler in schedulers:
            scheduler.step()
    assert optimiser.param_groups[0]['lr'] == pytest.approx(0, abs=1e-12)


def test_adamw_spares_norms_and_position_tables():
    backbone = next(backbone for backbone in BACKBONES if backbone.name == 'Swin-T')
    cfg = Config.fromfile(CONFIGS / backbone.pretraining('masks'))
    model = build_model(cfg)
    optimiser = build_optim_wrapper(model, cfg.optim_wrapper)
    group_of = {id(parameter): group for group in optimiser.param_groups for parameter in group['params']}
    rates: dict[str, set[float]] = {}
    spared = set()
    for name, parameter in model.named_parameters():
        group = group_of[id(parameter)]
        rates.setdefault(name.split('.')[0], set()).add(group['lr'])
        if group['weight_decay'] == 0:
            spared.add(name)
    norms = {
        f'backbone.{name}.{part}'
        for name, module in model.backbone.named_modules()
        if isinstance(module, torch.nn.LayerNorm)
        for part in ('weight', 'bias')
    }
    tables = {name for name, _ in model.named_parameters() if name.endswith('relative_position_bias_table')}
    assert len(tables) == sum((2, 2, 6, 2))
    assert spared == norms | tables
    assert rates['backbone'] == {6e-5}
    assert list(rates['decode_head']) == [pytest.approx(6e-4)]


@pytest.mark.parametrize(('phase', 'stated'), [('segmentor', 225.8), ('classifier', 3.99)])
def test_operations_of_resnet34_are_those_of_the_protocol(phase, stated):
    """Training is the forward pass three times, except that no gradient by the image is needed."""
    cost = getattr(measured('ResNet-34'), phase)
    stem = 2 * 64 * 3 * 7 * 7 * math.ceil(cost.size / 2) ** 2
    assert (3 * cost.flops - stem) / 1e9 == pytest.approx(stated, rel=2e-3)


class _Attention(torch.nn.Module):
    """Attention with one head over all pixels, each a token of three numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = torch.nn.MultiheadAttention(3, 1, batch_first=True)

    def forward(self, images: torch.Tensor, mode: str) -> torch.Tensor:
        tokens = images.flatten(2).transpose(1, 2)
        return self.attention(tokens, tokens, tokens)[0]


def test_operations_of_attention_are_counted():
    tokens, channels = 4 * 4, 3
    projections, products = 2 * tokens * channels * 4 * channels, 2 * 2 * tokens**2 * channels
    assert count_flops(_Attention(), size=4) == projections + products


def test_parameters_are_those_of_the_papers():
    """Swin-T has 28.3 and ConvNeXt-T 28.6 million with 1000 classes, of which these have 2."""
    for name, published in {'Swin-T': 28.3, 'ConvNeXt-T': 28.6}.items():
        parameters = measured(name).classifier.parameters + 998 * (768 + 1)
        assert parameters / 1e6 == pytest.approx(published, abs=0.05)


@pytest.mark.parametrize('name', ['ResNet-34', 'Swin-T', 'ConvNeXt-T', 'MiT-B0'])
def test_the_page_is_current(name):
    header, row = to_markdown([measured(name)]).splitlines()[-3::2]
    table = (CONFIGS.parent / 'docs' / 'conversion.md').read_text().partition(BEGIN)[2].partition(END)[0].splitlines()
    assert header in table
    assert row in table
    assert len([line for line in table if line.startswith('|')]) == NUM_BACKBONES + 2


@functools.cache
def measured(name: str) -> Row:
    return measure(next(backbone for backbone in BACKBONES if backbone.name == name))


def test_costs_at_other_sizes_are_not_put_beside_each_other():
    row = measured('MiT-B0')
    larger = replace(row, classifier=replace(row.classifier, size=150))
    with pytest.raises(UserError, match='do not compare'):
        to_markdown([row, larger])


def test_a_trunk_that_does_not_fit_is_refused():
    other = replace(BACKBONES[0], classifier=BACKBONES[2].classifier)
    with pytest.raises(UserError, match='depth: 18'):
        measure(other)


def test_the_table_goes_between_the_markers(tmp_path):
    path = tmp_path / 'page.md'
    path.write_text(f'before\n{BEGIN}\nold\n{END}\nafter\n')
    for _ in range(2):
        update(path, 'table\n')
        assert path.read_text() == f'before\n{BEGIN}\n\ntable\n\n{END}\nafter\n'


@pytest.mark.parametrize('text', ['nothing', BEGIN, f'{END}\n{BEGIN}', f'{BEGIN}{BEGIN}{END}', f'{BEGIN}{END}{END}'])
def test_a_file_without_a_place_for_the_table_is_left_alone(tmp_path, run_tool, text):
    path = tmp_path / 'page.md'
    path.write_text(text)
    status, _, errors = run_tool('docs/backbone_table.py', '--update', path)
    assert status == 2
    assert 'no place for the table' in errors
    assert path.read_text() == text
