"""Rows of foundation models and of ImageNet weights in a grid, from a file to features."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import torchvision
from mmengine.config import Config
from test_probe_cells import PCAM

from sdp_plugin.catalogue import foundation_models
from sdp_plugin.catalogue.foundation_models import FoundationModel
from sdp_plugin.checkpoints.reading import save_checkpoint
from sdp_plugin.errors import UserError
from sdp_plugin.grid import store
from sdp_plugin.grid.config import GIVEN
from sdp_plugin.grid.plan import plan_grid
from sdp_plugin.grid.records import FEATURES, FINETUNING, PROBE
from sdp_plugin.grid.worker import Worker
from sdp_plugin.shipped import CONFIGS

timm = pytest.importorskip('timm')

SIZES = dict(img_size=32, patch_size=8, embed_dim=32, depth=1, num_heads=2)
CARD = FoundationModel('Tiny', 'vit_tiny_patch16_224', 32, SIZES, input_size=40, source='nowhere/tiny', licence='none')


@pytest.fixture
def cards(monkeypatch):
    """The cards, with one more."""
    all_cards = {**foundation_models.FOUNDATION_MODELS, 'tiny': CARD}
    monkeypatch.setattr(foundation_models, 'FOUNDATION_MODELS', all_cards)


def test_a_row_of_a_card_and_one_of_imagenet(cards, small_options, tmp_path):
    model = timm.create_model(CARD.model, num_classes=0, **SIZES)
    save_checkpoint({'state_dict': model.state_dict()}, tmp_path / 'tiny.pth')
    torch.save(torchvision.models.resnet18().state_dict(), tmp_path / 'resnet18.pth')
    more = {'model.backbone.depth': 18, 'input_size': 64}
    options = small_options(PCAM, small_model=False, **more)
    values = dict(
        name='rows',
        initialisations={
            'ImageNet': dict(checkpoint=str(tmp_path / 'resnet18.pth')),
            'Tiny': dict(card='tiny', checkpoint=str(tmp_path / 'tiny.pth')),
            'Frozen': dict(card='tiny', checkpoint=str(tmp_path / 'tiny.pth'), frozen=True),
        },
        datasets={
            'PCam': dict(
                config=PCAM,
                examples_per_class=[2],
                repeats=1,
                probes=dict(examples_per_class=[2], repeats=1),
                options={key: value for key, value in options.items() if key not in GIVEN} | dict(max_epochs=1),
            )
        },
    )
    path = tmp_path / 'grid.py'
    path.write_text('\n'.join(f'{key} = {value!r}' for key, value in values.items()))
    work_dir, plan = tmp_path / 'work', plan_grid(path)
    store.write_plan(work_dir, plan)
    Worker(work_dir).run()
    record = store.read_grid(work_dir)
    assert record.failures == {}
    found = {
        cell.initialisation: np.load(store.left_by(work_dir, cell.id, 'features'))
        for cell in plan.cells
        if cell.kind == FEATURES
    }
    assert {name: array.shape for name, array in found.items()} == {'ImageNet': (22, 512), 'Tiny': (22, 32)}
    # Features and probes of a frozen model are those of the model.
    assert len(record.results) == 2 * 3 + 1
    tuned = {cell.initialisation: Config.fromfile(work_dir / 'cells' / cell.id / 'config.py') for cell in plan.cells
             if cell.kind == FINETUNING}  # fmt: skip
    assert [name for name, cfg in tuned.items() if cfg.model.backbone.get('frozen')] == ['Frozen']


def test_a_frozen_giant_is_fine_tuned_beside_its_probes(cards, tmp_path):
    save_checkpoint(
        {'state_dict': timm.create_model(CARD.model, num_classes=0, **SIZES).state_dict()}, tmp_path / 'a.pth'
    )
    values = dict(
        name='giant',
        initialisations={
            name: dict(card='tiny', checkpoint=str(tmp_path / 'a.pth'), frozen=name == 'Frozen')
            for name in ('Trained', 'Frozen')
        },
        datasets={
            'PCam': dict(
                config='finetune/vit-giant_1xb32-adamw-50e_pcam.py',
                examples_per_class=[10],
                probes=dict(examples_per_class=[10]),
            )
        },
    )
    path = tmp_path / 'grid.py'
    path.write_text('\n'.join(f'{key} = {value!r}' for key, value in values.items()))
    plan = plan_grid(path)
    assert sorted(cell.kind for cell in plan.cells) == sorted([FEATURES, FINETUNING, FINETUNING, PROBE, PROBE])


def test_what_is_frozen_has_a_card(tmp_path):
    path = tmp_path / 'grid.py'
    path.write_text(
        "name = 'mine'\ninitialisations = {'Random': dict(frozen=True)}\n"
        f"datasets = {{'PCam': dict(config={PCAM!r})}}"
    )
    with pytest.raises(UserError, match=r"(?s)'Random' is frozen, but has no card.*frozen_stages"):
        plan_grid(path)


def dry_run(*options: str) -> dict:
    return {f'initialisations.Fifth.{key}': value for key, value in (option.split('=') for option in options)}


def test_the_shipped_grid_plans_a_row_more_for_a_card_with_a_file(cards, tmp_path):
    save_checkpoint(
        {'state_dict': timm.create_model(CARD.model, num_classes=0, **SIZES).state_dict()}, tmp_path / 'a.pth'
    )
    grid = CONFIGS / 'grids' / 'foundation.py'
    plan = plan_grid(grid, dry_run('card=tiny', f'checkpoint={tmp_path / "a.pth"}'))
    rows = [cell for cell in plan.cells if cell.initialisation == 'Fifth' and cell.kind == FEATURES]
    assert {cell.checkpoint for cell in rows} == {str(tmp_path / 'a.pth')}
    assert {cell.options['input_size'] for cell in rows} == {40}


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        (('card=tiny',), 'get them from nowhere/tiny'),
        (('card=tinny', 'checkpoint=x'), 'did you mean tiny'),
        (('card=conch', 'checkpoint=x'), 'cannot be used here'),
        (('card=tiny', 'checkpoint=nowhere.pth'), 'is missing'),
    ],
)
def test_mistakes_are_named_when_it_is_planned(cards, options, message):
    with pytest.raises(UserError, match=message):
        plan_grid(CONFIGS / 'grids' / 'foundation.py', dry_run(*options))


def test_a_file_that_is_not_that_model_is_refused_when_it_is_planned(cards, tmp_path: Path):
    path = tmp_path / 'resnet.pth'
    torch.save(torchvision.models.resnet18().state_dict(), path)
    with pytest.raises(UserError, match=r"(?s)not a file of vit_tiny.*looks like torchvision's or timm's ResNet"):
        plan_grid(CONFIGS / 'grids' / 'foundation.py', dry_run('card=tiny', f'checkpoint={path}'))
