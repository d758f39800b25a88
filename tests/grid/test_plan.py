"""Plans: the cells of a grid config, paired, and one clear error for each mistake."""

from __future__ import annotations

import argparse
import json
import re
import shlex
import subprocess
import sys
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import pytest
from mmengine.config import DictAction
from pydantic import TypeAdapter
from toy_grid import FINETUNE, GRID, NUM_TRAININGS, PRETRAIN

from sdp_plugin.errors import UserError
from sdp_plugin.grid import plan as planning
from sdp_plugin.grid.plan import command_of, plan_grid
from sdp_plugin.grid.records import FINETUNING, PRETRAINING, PROBE, Plan
from sdp_plugin.settings import load_config
from sdp_plugin.shipped import CONFIGS, config_path

GRID_CONFIGS = CONFIGS / 'grids'
SHIPPED = sorted(path.stem for path in GRID_CONFIGS.glob('*.py'))


def test_all_grids_are_found():
    names = 'table1 backbones protocol crc_grouped clicks foundation evidence tile_folder demo'
    assert set(names.split()) == set(SHIPPED)


@cache
def shipped(name: str) -> Plan:
    return plan_grid(GRID_CONFIGS / f'{name}.py')


@pytest.mark.parametrize('name', SHIPPED)
def test_every_shipped_grid_plans(name):
    plan = shipped(name)
    assert plan.name == name
    assert len(plan.trainings) > 5
    assert len({cell.title for cell in plan.cells}) == len(plan.cells)
    assert all(re.fullmatch('[0-9a-f]{12}', cell_id) for cell_id in plan.trainings)
    assert all(cell.needs in {None, *plan.trainings} for cell in plan.cells)
    assert set(plan.images) <= set(plan.trainings)


@pytest.mark.parametrize('name', SHIPPED)
def test_the_documentation_counts_the_trainings(name):
    counts = Counter(cell.kind for cell in shipped(name).trainings.values())
    text = (CONFIGS.parent / 'docs' / 'grids.md').read_text()
    (documented,) = re.findall(rf'^\| `{name}` \| (\d+) \+ (\d+)(?:, (\d+) probes)? \|', text, re.MULTILINE)
    assert tuple(int(number or 0) for number in documented) == tuple(
        counts[kind] for kind in (PRETRAINING, FINETUNING, PROBE)
    )


def test_table1_is_the_papers():
    plan = shipped('table1')
    kinds = Counter(cell.kind for cell in plan.trainings.values())
    assert kinds == {PRETRAINING: 3, FINETUNING: 240}
    finetunings = [cell for cell in plan.cells if cell.kind == FINETUNING]
    columns = Counter((cell.dataset, cell.examples_per_class) for cell in finetunings)
    assert columns == {('PCam', n): 40 for n in (1000, 2000, 3000)} | {('CRC', n): 40 for n in (12, 25, 50)}
    assert {cell.fold for cell in finetunings if cell.dataset == 'CRC'} == set(range(10))
    assert {cell.fold for cell in finetunings if cell.dataset == 'PCam'} == {None}
    assert {cell.seed for cell in finetunings} == set(range(10))
    assert plan.images[finetunings[0].id] == 100 * 2 * 1000
    assert plan.images[plan.cells[0].id] == 40_000 * 10


def test_planning_imports_no_torch():
    code = f"""
import sys
from sdp_plugin.grid import launch as run
from sdp_plugin.grid.plan import plan_grid
plan_grid({str(GRID_CONFIGS / 'table1.py')!r})
print(sorted({{'torch', 'mmcv', 'mmseg', 'mmpretrain', 'ray'}} & set(sys.modules)))
"""
    printed = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == '[]'


@pytest.mark.parametrize('name', ['table1', 'crc_grouped', 'protocol'])
def test_initialisations_are_paired(name):
    """The same subset, fold and seed, and one config and options, for all initialisations."""
    plan = shipped(name)
    pairs = defaultdict(list)
    for cell in plan.cells:
        if cell.kind == FINETUNING:
            pairs[cell.variant, cell.dataset, cell.examples_per_class, cell.repeat, cell.fold, cell.seed].append(cell)
    for cells in pairs.values():
        variant = plan.grid['variants'][cells[0].variant]
        assert [cell.initialisation for cell in cells] == list(
            variant['initialisations'] or plan.grid['initialisations']
        )
        assert len({(cell.config, str(cell.options), cell.group) for cell in cells}) == 1
        assert all(cell.options['seed'] == cell.seed for cell in cells)


def test_backbones_pair_each_segmentor_with_its_classifier():
    plan = shipped('backbones')
    assert len(plan.grid['variants']) == 12
    for cell in plan.cells:
        if cell.kind == FINETUNING and cell.needs:
            pretraining = plan.trainings[cell.needs]
            assert pretraining.variant == cell.variant
            assert pretraining.config.startswith('pretrain/')
    assert len({cell.config for cell in plan.cells if cell.kind == PRETRAINING}) == 24
    assert len({cell.config for cell in plan.cells if cell.kind == FINETUNING}) >= 12


def test_variants_that_change_nothing_for_a_cell_share_its_training():
    """Another loss of the pre-training leaves the fine-tuning from random weights as it is."""
    plan = shipped('protocol')
    ids = defaultdict(set)
    for cell in plan.cells:
        if (cell.kind, cell.initialisation) == (FINETUNING, 'Random'):
            ids[cell.variant].add(cell.id)
    assert ids['loss over all pixels'] == ids['']
    assert not ids['batch size 16'] & ids['']
    assert len(plan.trainings) < len(plan.cells)


def test_a_fold_without_the_classes_is_planned_as_not_runnable(tmp_path):
    """Of the ten source images of CRC, one holds nearly all EMPTY tiles: 50 a class are not there without it."""
    from sdp_plugin.catalogue.crc import CLASS_FOLDERS

    for number, folder in enumerate(CLASS_FOLDERS):
        (tmp_path / folder).mkdir()
        for index in range(600):
            source = index % 10 + 1 if number < 7 else 6 if index < 565 else 10
            name = f'{index:04}_CRC-Prim-HE-{source:02}_{index:03}.tif_Row_1_Col_{index}.tif'
            (tmp_path / folder / name).write_bytes(b'')
    plan = plan_grid(GRID_CONFIGS / 'crc_grouped.py', {'datasets.CRC.options.data_root': str(tmp_path)})
    cells = [cell for cell in plan.cells if cell.kind == FINETUNING]
    impossible = [cell for cell in cells if cell.obstacle]
    assert {cell.examples_per_class for cell in impossible} == {50}
    assert len({cell.fold for cell in impossible}) == 1
    assert len(impossible) == len(plan.grid['initialisations'])
    assert 'EMPTY 35' in impossible[0].obstacle


def test_the_toy_grid(toy):
    plan = toy.plan()
    assert len(plan.trainings) == NUM_TRAININGS
    assert plan.absent == []
    cell = next(cell for cell in plan.cells if (cell.dataset, cell.fold, cell.initialisation) == ('Beta', 2, 'Random'))
    assert cell.title == 'Beta 4, Random, fold 2'
    assert cell.group == 'Beta 4'
    assert dict(cell.options) == dict(num_folds=3, examples_per_class=4, seed=2, fold=2)
    assert (cell.needs, cell.checkpoint, cell.repeat, cell.seed) == (None, None, 0, 2)
    again = TypeAdapter(Plan).validate_json(json.dumps(plan.to_dict()), strict=True)
    assert again.cells == plan.cells
    assert again.to_dict() == plan.to_dict()


def test_repeats_of_folds_have_their_own_seeds(toy):
    toy.write(GRID.replace('folds=3', 'folds=3, repeats=2'))
    cells = [cell for cell in toy.plan().cells if (cell.dataset, cell.initialisation) == ('Beta', 'Random')]
    assert [(cell.repeat, cell.fold, cell.seed) for cell in cells] == [
        *((0, 0, 0), (0, 1, 1), (0, 2, 2), (1, 0, 3), (1, 1, 4), (1, 2, 5)),
    ]
    assert cells[3].title == 'Beta 4, Random, fold 0 of repeat 1'


def ids(plan: Plan) -> dict[str, str]:
    return {cell.title: cell.id for cell in plan.cells}


def test_ids_do_not_depend_on_the_order(toy):
    before = ids(toy.plan())
    toy.write(
        GRID.replace('[1, 2]', '[2, 1]').replace("'Random': dict(),", '') + "initialisations['Random'] = dict()\n"
    )
    assert ids(toy.plan()) == before


def test_another_size_leaves_the_ids_of_the_rest(toy):
    before = ids(toy.plan())
    toy.write(GRID.replace('[1, 2]', '[1, 2, 3]').replace('repeats=3', 'repeats=4'))
    after = ids(toy.plan())
    assert {title: after[title] for title in before} == before


def test_another_pretraining_changes_what_needs_it_only(toy):
    before = ids(toy.plan())
    toy.write(GRID.replace("'lr': 0.2", "'lr': 0.3"))
    after = ids(toy.plan())
    changed = {title for title in before if after[title] != before[title]}
    assert changed == {title for title in before if 'Full segmentation' in title or 'masks' in title}


def test_the_data_change_the_ids(toy, monkeypatch):
    before = ids(toy.plan())
    monkeypatch.setattr(planning.data_checks, 'fingerprint', lambda dataset: 'other data')
    after = ids(toy.plan())
    # Toy pre-trainings name no data set.
    assert {title for title in before if after[title] == before[title]} == {
        'pre-training masks',
        'pre-training scribbles',
    }


def test_missing_data_are_named(toy, monkeypatch):
    monkeypatch.setattr(planning.data_checks, 'fingerprint', lambda dataset: planning.data_checks.ABSENT)
    toy.write(
        finetune=(toy.root / 'finetune.py').read_text().replace("type='ToyDataset'", "type='T', data_root='my/data'")
    )
    assert toy.plan().absent == ['my/data']


def test_the_content_of_an_outside_checkpoint_counts(toy):
    checkpoint = toy.root / 'mine.pth'
    toy.write(GRID.replace("'Random': dict(),", f"'Mine': dict(checkpoint={str(checkpoint)!r}),"))
    with pytest.raises(UserError, match='missing'):
        toy.plan()
    checkpoint.write_bytes(b'weights')
    before = ids(toy.plan())
    checkpoint.write_bytes(b'others')
    after = ids(toy.plan())
    assert {title for title in before if after[title] != before[title]} == {
        title for title in before if 'Mine' in title
    }
    cell = next(cell for cell in toy.plan().cells if cell.initialisation == 'Mine')
    assert cell.checkpoint == str(checkpoint)


VARIANTS = """
variants = {
    '': dict(values=dict(name='pretrain')),
    'slow': dict(values=dict(name='pretrain'), finetune_options=dict(lr=0.01), datasets=['Beta']),
    'other': dict(values=dict(name='other'), initialisations=['Random', 'Scribble segmentation'])
}
"""


def test_variants(toy):
    toy.write(GRID.replace("dict(config='pretrain.py')", "dict(config='{name}.py')") + VARIANTS)
    (toy.root / 'other.py').write_text(PRETRAIN.replace('0.1', '0.7'))
    plan = toy.plan()
    # One pre-training of each name serves the first two variants; the third has scribbles of its own.
    pretrainings = [cell.title for cell in plan.trainings.values() if cell.kind == PRETRAINING]
    assert pretrainings == ['pre-training masks', 'pre-training scribbles', 'other: pre-training scribbles']
    counts = Counter(cell.variant for cell in plan.cells if cell.kind == FINETUNING)
    assert counts == {'': 27, 'slow': 9, 'other': 18}
    slow = next(cell for cell in plan.cells if cell.variant == 'slow' and cell.kind == FINETUNING)
    assert slow.options['lr'] == 0.01
    assert slow.group == 'slow: Beta 4'
    other = {cell.id for cell in plan.cells if (cell.variant, cell.initialisation) == ('other', 'Random')}
    assert other == {cell.id for cell in plan.cells if (cell.variant, cell.initialisation) == ('', 'Random')}
    assert len(plan.trainings) == len(plan.cells) - 9


def test_options_reach_the_cells(toy):
    toy.write(GRID + 'finetune_options = dict(lr=0.5)\npretrain_options = dict(batch_size=7)\n')
    plan = toy.plan(**{'datasets.Beta.options.lr': 0.6, 'datasets.Alpha.repeats': 1})
    lrs = {cell.dataset: cell.options['lr'] for cell in plan.cells if cell.kind == FINETUNING}
    assert lrs == {'Alpha': 0.5, 'Beta': 0.6}
    assert [dict(cell.options) for cell in plan.cells[:2]] == [{'batch_size': 7, 'lr': 0.2}, {'batch_size': 7}]
    assert len(plan.trainings) == 2 + 3 * (2 + 3)


def test_mmengines_backends_are_options_that_leave_the_ids():
    backends = [dict(type='LocalVisBackend'), dict(type='TensorboardVisBackend')]
    plan = plan_grid(GRID_CONFIGS / 'table1.py', {'finetune_options': {'visualizer.vis_backends': backends}})
    assert list(plan.trainings) == list(shipped('table1').trainings)
    cell = plan.cells[-1]
    assert load_config(config_path(cell.config), dict(cell.options)).visualizer.vis_backends == backends


MISTAKES = {
    'an unknown key': ("name = 'toy'", "name = 'toy'\nseeds = 3", "'seeds'"),
    'a key that is nearly right': ("name = 'toy'", "name = 'toy'\ncomparison = []", "'comparisons'"),
    'an unknown key of a data set': ('repeats=3', 'repeat=3', "'repeats'"),
    'no name': ("name = 'toy'", '', "'name'"),
    'an unknown pre-training': ("pretraining='masks'", "pretraining='mask'", "'masks'"),
    'an unknown initialisation': ("first='Scribble segmentation'", "first='Scribbles'", "'Scribble segmentation'"),
    'an unknown data set': ("margin={'Alpha': 1.0}", "margin={'Alhpa': 1.0}", "'Alpha'"),
    'a missing config': ("config='finetune.py'", "config='finetunes.py'", 'finetunes.py'),
    'a missing shipped config': (
        "config='finetune.py'",
        "config='finetune/resnet34_1xb32-100e_pcan.py'",
        'did you mean finetune/resnet34_1xb32-100e_pcam',
    ),
    'a place-holder without a value': ("config='finetune.py'", "config='{net}.py'", "'net'"),
    'an option the config lacks': ("options={'lr': 0.2}", "options={'lrr': 0.2}", "'lrr'"),
    'an option that the grid gives': ('repeats=3', 'repeats=3, options=dict(seed=3)', "'seed'"),
    'no size': ('[1, 2]', '[]', 'examples_per_class'),
    'a size of zero': ('[1, 2]', '[0]', 'examples_per_class'),
    'a size twice': ('[1, 2]', '[1, 1]', 'examples_per_class'),
    'a size as text': ('[1, 2]', "['1']", 'examples_per_class'),
    'one fold': ('folds=3', 'folds=1', 'folds'),
    'no repeats': ('repeats=3', 'repeats=0', 'repeats'),
    'none together': ("name = 'toy'", "name = 'toy'\ntogether = 0", 'together'),
    'a work function without a module': ("'toy_work:run'", "'run'", 'work'),
    'data sets as a list': ('datasets = {', 'datasets = [] and {', 'datasets'),
    'no Python': ("name = 'toy'", 'name = (', 'toy.py'),
    'an unknown metric as a number': ("name = 'toy'", "name = 'toy'\nmetric = 3", 'metric'),
    'a published table that is none': ("name = 'toy'", "name = 'toy'\npublished = 'teh2021'", 'teh2022'),
    'a margin of zero': ("margin={'Alpha': 1.0}", "margin={'Alpha': 0}", 'comparisons[0].margin.Alpha'),
    'a margin below zero': ("margin={'Alpha': 1.0}", 'margin=-1', 'greater than 0'),
    'a margin that is none': ("margin={'Alpha': 1.0}", "margin=float('nan')", 'margin'),
    'a margin as text': ("margin={'Alpha': 1.0}", "margin='one'", "'one'"),
    'options as a number': ("options={'lr': 0.2}", 'options=3', "pretrainings['masks'].options"),
    'a config as a number': ("config='finetune.py'", 'config=3', "datasets['Alpha'].config"),
    'yes as text': ("name = 'toy'", "name = 'toy'\nkeep_checkpoints = 'yes'", 'keep_checkpoints'),
    'repeats that are true': ('repeats=3', 'repeats=True', 'repeats'),
    'a name that leads elsewhere': ("name = 'toy'", "name = '../toy'", 'name'),
    'no variant': ("name = 'toy'", "name = 'toy'\nvariants = {}", 'variants'),
    'three methods': ("margin={'Alpha': 1.0}", "methods=['a', 'b', 'c']", 'methods'),
    'a method that is none': (
        "margin={'Alpha': 1.0}",
        "methods=['fine-tuning', 'kNN']",
        "did you mean 'k-NN'",
    ),
    'a kind that is none': ("'Random': dict()", "'Random': dict(kinds=['tuning'])", "did you mean 'finetuning'"),
    'a name of the folder above': ("name = 'toy'", "name = '..'", 'name'),
    'a name with a line feed': ("name = 'toy'", r"name = 'a\nb'", 'name'),
    'no name at all': ("name = 'toy'", "name = ''", 'name'),
    'itself as the other': ("second='Full segmentation'", "second='Scribble segmentation'", 'with itself'),
    'statistics of one image': ("'Random': dict()", "'Random': dict(batch_norm_images=1)", 'number from 2'),
    'an option at the place of what the grid gives': (
        'repeats=3',
        "repeats=3, options={'randomness.seed': 3}",
        "'randomness.seed' is no option",
    ),
    'a group of options with such a place': (
        'repeats=3',
        "repeats=3, options={'train_dataloader.dataset': dict(type='T', seed=3)}",
        "it is a place of 'seed', which the grid gives",
    ),
    'statistics at their place': (
        'repeats=3',
        "repeats=3, options={'default_hooks.initialisation.batch_norm_images': 8}",
        'see initialisations',
    ),
    'many repeats': ('repeats=3', 'repeats=100_000_000', "'Alpha' (finetuning): 3 initialisations x 2 sizes x 100,000"),
    'many draws of probes': (
        'repeats=3',
        'probes=dict(examples_per_class=[1], repeats=100_000_000)',
        "'Alpha' (probe): 3 initialisations x 100,000,000 repeats",
    ),
    'a program that ends': ("name = 'toy'", 'raise SystemExit(3)', 'SystemExit: 3'),
    'itself as its base': ("name = 'toy'", "_base_ = 'toy.py'\nname = 'toy'", 'round in a circle'),
    'two starts at once': ("pretraining='masks'", "pretraining='masks', checkpoint='x.pth'", 'Full segmentation'),
}


@pytest.mark.parametrize(('old', 'new', 'word'), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_clear_error(toy, old, new, word):
    assert old in GRID
    toy.write(GRID.replace(old, new))
    with pytest.raises(UserError) as error:
        toy.plan()
    assert word in str(error.value)


@pytest.mark.parametrize(('iteration', 'fits'), [(1, True), (10, True), (11, False)])
def test_an_iteration_is_one_of_the_pretraining(toy, iteration, fits):
    toy.write(
        GRID.replace("pretraining='masks'", f"pretraining='masks', iteration={iteration}"),
        pretrain=PRETRAIN + 'default_hooks = dict(trunks=dict(iterations=[]))\n',
    )
    if fits:
        assert f'initialisation-{iteration}' in {cell.takes for cell in toy.plan().cells}
        return
    with pytest.raises(UserError, match='iteration 11') as error:
        toy.plan()
    assert 'from 1 to 10, its max_iters' in str(error.value)


def test_two_methods_are_compared_from_one_initialisation(toy):
    alike = "second='Scribble segmentation', methods=['fine-tuning', 'logistic regression']"
    toy.write(GRID.replace("second='Full segmentation'", alike))
    assert toy.plan().grid['comparisons'][0]['methods']


def test_a_missing_grid_is_one_error(toy):
    toy.grid.unlink()
    with pytest.raises(UserError, match='missing'):
        toy.plan()


def test_a_config_without_the_setting_that_the_grid_gives(toy):
    toy.write(finetune=FINETUNE.replace('fold = 0\n', '').replace('fold=fold, ', ''))
    with pytest.raises(UserError, match="no setting 'fold'"):
        toy.plan()


def test_a_path_used_twice_may_be_a_variable(toy):
    before = ids(toy.plan())
    twice = GRID.replace("dict(config='finetune.py'", "dict(config=f'{tuning}.py'")
    toy.write(f"tuning = 'finetune'\n{twice}")
    assert ids(toy.plan()) == before
    with pytest.raises(UserError, match="'tuning' is a variable of the grid config"):
        toy.plan(tuning='other')


def test_a_variable_of_a_base_is_one_too(toy):
    (toy.root / 'base.py').write_text('rate = 0.3\n')
    toy.write("_base_ = 'base.py'\n" + GRID + 'finetune_options = dict(lr={{_base_.rate}})\n')
    assert toy.plan().grid['finetune_options'] == {'lr': 0.3}


def test_an_inherited_comparison_says_where_it_comes_from(toy):
    base = toy.root / 'base.py'
    comparison = GRID[GRID.index('comparisons = ') : GRID.index('work = ')]
    base.write_text(comparison.replace("'Alpha': 1.0", "'CRC': 2.0"))
    toy.write("_base_ = 'base.py'\n" + GRID.replace(comparison, ''))
    with pytest.raises(UserError, match="'CRC' is not a data set of the grid") as error:
        toy.plan()
    assert f'comparisons come from {base}; give toy.py its own' in str(error.value)
    toy.write(GRID.replace("'Alpha': 1.0", "'CRC': 2.0"))
    with pytest.raises(UserError, match="'CRC'") as error:
        toy.plan()
    assert 'come from' not in str(error.value)


EVALUATOR = "test_evaluator = [dict(type='Accuracy', topk=(1, 5)), dict(type='sdp_plugin.AUROC')]\n"


@pytest.mark.parametrize('metric', ['accuracy/top1', 'accuracy/top5', 'single-label/auroc'])
def test_a_metric_that_the_test_reports(toy, metric):
    toy.write(f'{GRID}metric = {metric!r}\n', finetune=FINETUNE + EVALUATOR)
    assert toy.plan().grid['metric'] == metric


def test_a_metric_that_the_test_does_not_report_ends_the_plan(toy):
    toy.write(f"{GRID}metric = 'single-label/auc'\n", finetune=FINETUNE + EVALUATOR)
    with pytest.raises(UserError, match='a metric that the test on Alpha reports') as error:
        toy.plan()
    assert "did you mean 'single-label/auroc'?" in str(error.value)
    # Of an evaluator of others nothing is known.
    toy.write(finetune=FINETUNE + EVALUATOR + "test_evaluator.append(dict(type='Mine'))\n")
    assert toy.plan(metric='mine/score').grid['metric'] == 'mine/score'


def test_the_command_names_the_config_and_its_options(toy, monkeypatch, tmp_path_factory):
    options = {'datasets.Alpha.examples_per_class': [1, 2], 'datasets.Beta.options.lr': 0.5, 'name': 'mine'}
    plan = TypeAdapter(Plan).validate_json(json.dumps(toy.plan(**options).to_dict()))
    monkeypatch.chdir(toy.root)
    command = command_of(plan, Path('my work'))
    assert command.startswith("python tools/run_grid.py toy.py --work-dir 'my work' --cfg-options ")
    given = command.partition('--cfg-options ')[2]
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=DictAction)
    assert parser.parse_args(['--cfg-options', *shlex.split(given)]).cfg_options == options
    monkeypatch.chdir(tmp_path_factory.mktemp('elsewhere'))
    assert str(toy.grid) in command_of(plan, Path('work'))
