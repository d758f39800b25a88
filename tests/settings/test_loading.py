"""Plain values of a config, and how they get to their places."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.runner import Runner

from sdp_plugin.errors import UserError
from sdp_plugin.settings import SETTINGS, change_settings, load_config, settings_of
from sdp_plugin.settings.loading import READ_BY_THE_RUNNER

CONFIGS = Path(__file__).parents[2] / 'configs'
PCAM = CONFIGS / 'finetune' / 'resnet34_1xb32-100e_pcam.py'
VIT = CONFIGS / 'finetune' / 'vit-small_1xb32-adamw-50e_pcam.py'
NCT = CONFIGS / 'finetune' / 'resnet34_1xb32-200e_nct-crc.py'
CRC = CONFIGS / 'finetune' / 'resnet34_1xb32-200e_crc.py'
OWN = CONFIGS / 'finetune' / 'resnet34_1xb32-100e_tile-folder.py'
SCRIBBLES = CONFIGS / 'pretrain' / 'deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
CLASSES = CONFIGS / 'pretrain' / 'resnet34_1xb10-40k_voc12-classes-321x321.py'

# Config, setting, another value, and the values at its places then.
CASES = [
    (PCAM, 'seed', 7, {'randomness.seed': 7, 'train_dataloader.dataset.seed': 7}),
    (PCAM, 'examples_per_class', 5, {'train_dataloader.dataset.examples_per_class': 5}),
    (PCAM, 'exclude', 'duplicates.txt', {'train_dataloader.dataset.exclude': 'duplicates.txt'}),
    (NCT, 'normalised', False, {'train_dataloader.dataset.normalised': False}),
    (PCAM, 'initialisation', 'a.pth', {'default_hooks.initialisation.checkpoint': 'a.pth'}),
    (PCAM, 'batch_norm_images', 8, {'default_hooks.initialisation.batch_norm_images': 8}),
    (PCAM, 'data_root', '/d', {f'{part}_dataloader.dataset.data_root': '/d' for part in ('train', 'test')}),
    (PCAM, 'batch_size', 3, {'train_dataloader.batch_size': 3, 'test_dataloader.batch_size': 128}),
    (PCAM, 'lr', 0.5, {'optim_wrapper.optimizer.lr': 0.5}),
    (PCAM, 'in_memory', False, {f'{part}_cfg.in_memory': False for part in ('train', 'test')}),
    (PCAM, 'precision', 'float32', {f'{part}_cfg.precision': 'float32' for part in ('train', 'test')}),
    (PCAM, 'max_epochs', 2, {'train_cfg.max_epochs': 2}),
    (CRC, 'fold', 4, {f'{part}_dataloader.dataset.fold': 4 for part in ('train', 'test')}),
    (CRC, 'num_folds', 5, {f'{part}_dataloader.dataset.num_folds': 5 for part in ('train', 'test')}),
    (
        CRC,
        'group_by',
        'source_image',
        {f'{part}_dataloader.dataset.group_by': 'source_image' for part in ('train', 'test')},
    ),
    (SCRIBBLES, 'max_iters', 9, {'train_cfg.max_iters': 9, 'param_scheduler.0.end': 10}),
    (SCRIBBLES, 'scribbles', '/s', {'train_dataloader.dataset.data_prefix.scribble_path': '/s'}),
    (SCRIBBLES, 'line_width', 1, {'train_dataloader.dataset.pipeline.1.line_width': 1}),
    (
        SCRIBBLES,
        'crop_size',
        (33, 44),
        {'train_dataloader.dataset.pipeline.2.crop_size': (33, 44), 'model.data_preprocessor.size': (33, 44)},
    ),
    (SCRIBBLES, 'output_stride', 16, {'model.backbone.output_stride': 16}),
    (SCRIBBLES, 'head_dilations', (3, 6), {'model.decode_head.dilations': (3, 6)}),
    (SCRIBBLES, 'decode_first', False, {'train_dataloader.dataset.decode_first': False}),
    (SCRIBBLES, 'cache_dir', '/c', {'train_dataloader.dataset.cache_dir': '/c'}),
    (SCRIBBLES, 'precision', 'float32', {'optim_wrapper.precision': 'float32'}),
    (SCRIBBLES, 'channels_last', False, {'default_hooks.prepare_model.channels_last': False}),
    (SCRIBBLES, 'checkpoint_minutes', 1, {'default_hooks.checkpoint.minutes': 1}),
    (SCRIBBLES, 'test_interval', 500, {'default_hooks.periodic_test.interval': 500}),
    (SCRIBBLES, 'compile_backbone', True, {'default_hooks.prepare_model.compile_backbone': True}),
    (OWN, 'num_classes', 5, {'model.head.num_classes': 5, 'data_preprocessor.num_classes': 5}),
    (OWN, 'group_pattern', 'S(.)', {f'{part}_dataloader.dataset.group_pattern': 'S(.)' for part in ('train', 'test')}),
    (OWN, 'mpp', 0.5, {'custom_hooks.0.mpp': 0.5}),
    (
        OWN,
        'input_size',
        64,
        {
            'train_dataloader.dataset.pipeline.1.scale': 64,
            'train_dataloader.dataset.pipeline.2.crop_size': 64,
            'test_dataloader.dataset.pipeline.1.scale': 64,
            'custom_hooks.0.input_size': 64,
        },
    ),
    (CLASSES, 'crop_size', (33, 44), {'train_dataloader.dataset.pipeline.3.crop_size': (33, 44)}),
    (CLASSES, 'num_workers', 1, {f'{part}_dataloader.num_workers': 1 for part in ('train', 'test')}),
]
IDS = [f'{path.stem}-{name}' for path, name, _, _ in CASES]


def value_at(cfg: Config, path: str) -> object:
    node = cfg
    for part in path.split('.'):
        node = node[int(part)] if part.isdigit() else node[part]
    return node


@pytest.mark.parametrize(('path', 'name', 'value', 'places'), CASES, ids=IDS)
def test_an_override_reaches_all_its_places(path, name, value, places):
    before = load_config(path)
    cfg = load_config(path, {name: value})
    assert cfg[name] == value
    assert {place: value_at(cfg, place) for place in places} == places
    changed = {place for place, wanted in places.items() if value_at(before, place) != wanted}
    assert changed or name == 'batch_size'


@pytest.mark.parametrize(('path', 'name', 'value', 'places'), CASES, ids=IDS)
def test_a_value_in_a_leaf_file_reaches_all_its_places(tmp_path, path, name, value, places):
    leaf = tmp_path / 'mine.py'
    leaf.write_text(f"_base_ = '{path}'\n{name} = {value!r}\n")
    cfg = load_config(leaf)
    assert {place: value_at(cfg, place) for place in places} == places


# A leaf by what it inherits from, what it writes, and the setting that would overwrite that.
OVERWRITTEN = {
    'a value': (PCAM, 'train_dataloader = dict(batch_size=16)', 'batch_size'),
    'a value of a literal': (PCAM, "optim_wrapper = {'optimizer': {'lr': 1e-3}}", 'lr'),
    'a list by a variable': (
        SCRIBBLES,
        "p = [dict(type='sdp_plugin.LoadImage'), dict(type='sdp_plugin.LoadStrokes', line_width=5)]\n"
        'train_dataloader = dict(dataset=dict(pipeline=p))',
        'line_width',
    ),
    'one of two places': (SCRIBBLES, 'train_cfg = dict(max_iters=9)', 'max_iters'),
}


@pytest.mark.parametrize(('base', 'written', 'setting'), OVERWRITTEN.values(), ids=OVERWRITTEN)
@pytest.mark.parametrize('between', [False, True])
def test_what_a_setting_of_the_base_would_overwrite_is_an_error(tmp_path, base, written, setting, between):
    (tmp_path / 'mine.py').write_text(f"_base_ = '{base}'\n{written}\n")
    (tmp_path / 'leaf.py').write_text("_base_ = 'mine.py'\nseed = 3\n")
    with pytest.raises(UserError, match=rf'mine.py writes(.|\n)*write {setting} = ... at the top of mine.py'):
        load_config(tmp_path / ('leaf.py' if between else 'mine.py'))


def test_a_validation_gets_what_the_test_gets(tmp_path):
    leaf = tmp_path / 'mine.py'
    leaf.write_text(f"_base_ = '{OWN}'\nval_dataloader = dict(dataset={{{{_base_.test_dataloader.dataset}}}})\n")
    options = dict(input_size=64, data_root='/d', fold=1, num_folds=4, group_pattern='(S.)')
    cfg = load_config(leaf, options)
    assert cfg.val_dataloader.dataset == cfg.test_dataloader.dataset


def test_what_a_setting_of_the_same_file_goes_to_is_none(tmp_path):
    (tmp_path / 'mine.py').write_text(f"_base_ = '{PCAM}'\nlr = 2e-3\noptim_wrapper = dict(optimizer=dict(lr=lr))\n")
    (tmp_path / 'leaf.py').write_text("_base_ = 'mine.py'\noptim_wrapper = dict(clip_grad=dict(max_norm=1.0))\n")
    assert load_config(tmp_path / 'leaf.py').optim_wrapper.optimizer.lr == 2e-3


def test_a_warm_up_before_the_poly_decay_keeps_its_end(tmp_path):
    (tmp_path / 'mine.py').write_text(
        f"_base_ = '{SCRIBBLES}'\nparam_scheduler = [dict(type='LinearLR', end=5, by_epoch=False), "
        "dict(type='PolyLR', end={{_base_.max_iters}}, by_epoch=False)]\nmax_iters = 90\n"
    )
    assert [each.end for each in load_config(tmp_path / 'mine.py').param_scheduler] == [5, 91]


def test_a_setting_that_an_override_by_path_has_made_untrue_is_not_said():
    told = settings_of(load_config(PCAM, {'train_dataloader.dataset.seed': 3, 'train_dataloader.batch_size': 16}))
    assert not {'seed', 'batch_size'} & set(told)
    assert told['lr'] == 1e-4


def test_every_setting_is_tried_above():
    assert set(SETTINGS) == {name for _, name, _, _ in CASES}


def test_a_place_that_is_overridden_by_its_own_path_wins():
    cfg = load_config(PCAM, {'train_dataloader.dataset.seed': 3})
    assert cfg.train_dataloader.dataset.seed == 3
    assert cfg.randomness.seed == 0


@pytest.mark.parametrize(
    ('path', 'setting', 'place'),
    [
        (PCAM, {'seed': 5}, {'train_dataloader.dataset.seed': 3}),
        (SCRIBBLES, {'line_width': 2}, {'train_dataloader.dataset.pipeline.LoadStrokes.line_width': 3}),
        (SCRIBBLES, {'max_iters': 9}, {'param_scheduler.0.end': 9}),
    ],
)
def test_a_setting_and_another_value_at_its_place_are_an_error(path, setting, place):
    with pytest.raises(UserError, match=f'two things of {next(iter(place))!r}'):
        load_config(path, {**setting, **place})


def test_a_setting_and_the_same_value_at_its_place_are_none():
    cfg = load_config(PCAM, {'train_dataloader.dataset.seed': 5, 'seed': 5})
    assert cfg.train_dataloader.dataset.seed == cfg.randomness.seed == 5


@pytest.mark.parametrize(
    ('typo', 'meant'),
    [('example_per_class', 'examples_per_class'), ('max_epoch', 'max_epochs'), ('optim_wraper.optimizer.lr', 'optim')],
)
def test_a_typo_is_an_error_with_a_suggestion(typo, meant):
    with pytest.raises(UserError, match=rf"'{typo}'(.|\n)*did you mean .*{meant}"):
        load_config(PCAM, {typo: 1})


def test_a_typo_further_down_is_an_error():
    with pytest.raises(UserError, match="no 'dataste'"):
        load_config(PCAM, {'train_dataloader.dataste.seed': 1})


def test_a_setting_that_this_config_has_not_is_an_error():
    with pytest.raises(UserError, match="no 'fold'"):
        load_config(PCAM, {'fold': 1})


def test_a_setting_without_a_place_is_an_error(tmp_path):
    leaf = tmp_path / 'mine.py'
    leaf.write_text(f"_base_ = '{PCAM}'\nfold = 1\n")
    with pytest.raises(UserError, match="no place for the setting 'fold'"):
        load_config(leaf)


@pytest.mark.parametrize(
    ('path', 'key', 'place'),
    [
        (SCRIBBLES, 'train_pipeline', 'train_dataloader.dataset.pipeline'),
        (SCRIBBLES, 'norm_cfg.type', 'model.backbone.norm_cfg'),
        (PCAM, 'vis_backends', 'visualizer.vis_backends'),
        (VIT, 'test_pipeline', 'test_dataloader.dataset.pipeline'),  # where input_size has gone since
    ],
)
def test_a_variable_that_was_used_already_is_no_option(path, key, place):
    with pytest.raises(UserError, match=f'used it already(.|\n)*{place}'):
        load_config(path, {key: []})


def test_what_the_runner_reads_is_its_own_list():
    taken = set(inspect.signature(Runner.__init__).parameters) - {'self', 'cfg'}
    assert taken == set(READ_BY_THE_RUNNER)


def test_a_type_and_what_it_takes_go_together():
    options = {'optim_wrapper.optimizer.momentum': 0.9, 'optim_wrapper.optimizer.type': 'SGD'}
    assert load_config(PCAM, options).optim_wrapper.optimizer.momentum == 0.9
    with pytest.raises(UserError, match="Adam takes no 'momentum'"):
        load_config(PCAM, {'optim_wrapper.optimizer.momentum': 0.9})


def test_a_slip_in_a_group_without_a_type_is_an_error():
    with pytest.raises(UserError, match='did you mean lr_mult'):
        load_config(SCRIBBLES, {'optim_wrapper.paramwise_cfg.custom_keys.head.lr_mul': 3.0})
    added = {'optim_wrapper.paramwise_cfg.custom_keys.head.decay_mult': 0.0}
    assert load_config(SCRIBBLES, added).optim_wrapper.paramwise_cfg.custom_keys.head.decay_mult == 0


@pytest.mark.parametrize('member', ['2', 'RandomRescaledCrop'])
def test_a_list_member_is_named_by_its_position_or_its_type(member):
    cfg = load_config(SCRIBBLES, {f'train_dataloader.dataset.pipeline.{member}.flip_prob': 0.25})
    assert cfg.train_dataloader.dataset.pipeline[2].flip_prob == 0.25


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('train_dataloader.dataset.pipeline.9.prob', 1),
        ('train_dataloader.dataset.pipeline.9', {'type': 'LoadMask'}),
        ('train_dataloader.dataset.pipeline.LoadMoon.prob', 1),
        ('train_dataloader.dataset.pipeline.LoadMoon', 1),
        ('lr.x', 1),
        ('train_cfg.max_iters.x', 1),
    ],
)
def test_an_override_of_what_is_not_there_is_an_error(key, value):
    with pytest.raises(UserError, match='--cfg-options'):
        load_config(SCRIBBLES, {key: value})


def test_values_of_one_config_do_not_leak_into_the_next():
    load_config(PCAM, {'seed': 7})
    assert load_config(PCAM).randomness.seed == 0


@pytest.mark.parametrize(('workers', 'persistent'), [(0, False), (2, True)])
def test_no_workers_are_kept_alive_where_there_are_none(workers, persistent):
    cfg = load_config(CRC, {'num_workers': workers})
    assert change_settings(load_config(CRC), {'num_workers': workers}).to_dict() == cfg.to_dict()
    for part in ('train', 'test'):
        assert cfg[f'{part}_dataloader'].num_workers == workers
        assert cfg[f'{part}_dataloader'].persistent_workers is persistent


@pytest.mark.parametrize(
    'contents', [None, 'model = dict(', "_base_ = './nowhere.py'\n", 'lr = undefined\n', 'lr = 1 / 0\n']
)
def test_what_is_no_config_is_an_error(tmp_path, contents):
    path = tmp_path / 'mine.py'
    if contents is not None:
        path.write_text(contents)
    with pytest.raises(UserError, match='config file'):
        load_config(path)


@pytest.mark.parametrize('name', ['mine.txt', 'mine.json', 'mine.yaml'])
def test_a_file_of_another_kind_is_an_error(tmp_path, name):
    path = tmp_path / name
    path.write_text('{ no config')
    with pytest.raises(UserError, match='config file'):
        load_config(path)


def test_a_config_that_ends_python_is_one_error(tmp_path):
    (tmp_path / 'mine.py').write_text('raise SystemExit(3)\n')
    with pytest.raises(UserError, match='SystemExit: 3'):
        load_config(tmp_path / 'mine.py')


def test_bases_that_go_round_in_a_circle_are_one_error(tmp_path):
    (tmp_path / 'one.py').write_text("_base_ = ['two.py']\n")
    (tmp_path / 'two.py').write_text("_base_ = './one.py'\n")
    with pytest.raises(UserError, match='round in a circle') as error:
        load_config(tmp_path / 'one.py')
    assert f'{tmp_path / "one.py"} -> {tmp_path / "two.py"} -> {tmp_path / "one.py"}' in str(error.value)
    assert f'another _base_ in {tmp_path / "two.py"}' in str(error.value)
