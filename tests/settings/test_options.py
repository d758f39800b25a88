from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.settings import OptionsAction, load_config

CONFIGS = Path(__file__).parents[2] / 'configs'
PCAM = CONFIGS / 'finetune' / 'resnet34_1xb32-100e_pcam.py'
OWN = CONFIGS / 'finetune' / 'resnet34_1xb32-100e_tile-folder.py'
SCRIBBLES = CONFIGS / 'pretrain' / 'deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'


def parsed(*words: str) -> dict:
    parser = argparse.ArgumentParser()
    parser.add_argument('--cfg-options', nargs='+', action=OptionsAction)
    return parser.parse_args(['--cfg-options', *words]).cfg_options


@pytest.mark.parametrize(
    ('word', 'value'),
    [
        (r'group_pattern=(patient\d+)', r'(patient\d+)'),
        ('group_pattern=None', None),
        ('data_root=/my data/a,b (1)', '/my data/a,b (1)'),
        ('pretrain_options.data_root=/my data', '/my data'),
        ('lr=1e-3', 1e-3),
        ('crop_size=(65,97)', (65, 97)),
        ('crop_size=65,97', [65, 97]),
        ('examples_per_class=None', None),
        ('in_memory=False', False),
        ('a.b=c', 'c'),
        ('initialisation=', ''),
        ('data_root=a=b', 'a=b'),
    ],
)
def test_words_become_values(word, value):
    assert list(parsed(word).values()) == [value]


@pytest.mark.parametrize('word', ['lr', '=3', 'a=((1)', 'a=' + '(' * 2000 + ')' * 2000])
def test_words_that_are_no_options(word, capsys):
    with pytest.raises(SystemExit, match='2'):
        parsed(word)
    assert '--cfg-options' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('config', 'key', 'close'),
    [
        (PCAM, 'optim_wrapper.optimizer.lrr', 'lr'),
        (PCAM, 'model.backbone.dept', 'depth'),
        (PCAM, 'train_dataloader.dataset.examples_per_clas', 'examples_per_class'),
        (PCAM, 'test_dataloader.dataset.pipeline.Resize.scal', 'scale'),
        (PCAM, 'train_dataloader.sampler.shufle', 'shuffle'),
        (SCRIBBLES, 'model.decode_head.dilation', 'dilations'),
        (SCRIBBLES, 'train_dataloader.dataset.pipeline.RandomRescaledCrop.crop', 'crop_size'),
        (SCRIBBLES, 'param_scheduler.0.powr', 'power'),
        (SCRIBBLES, 'default_hooks.checkpoint.intervall', 'interval'),
    ],
)
def test_a_misspelt_last_part_is_an_error_with_a_suggestion(config, key, close):
    with pytest.raises(UserError, match=rf'(?s){key}.*did you mean.*{close}'):
        load_config(config, {key: 1})


@pytest.mark.parametrize(
    ('config', 'key', 'value'),
    [
        (PCAM, 'optim_wrapper.optimizer.amsgrad', True),
        (PCAM, 'model.backbone.drop_path_rate', 0.1),
        (SCRIBBLES, 'model.test_cfg.mode', 'whole'),
        (SCRIBBLES, 'model.decode_head.dropout_ratio', 0.2),
        (SCRIBBLES, 'default_hooks.mine', dict(type='EMAHook')),
    ],
)
def test_what_a_class_takes_may_be_added(config, key, value):
    *parents, last = key.split('.')
    node = load_config(config, {key: value})
    for part in parents:
        node = node[part]
    assert node[last] == value


@pytest.mark.parametrize(
    ('key', 'value'),
    [
        ('optim_wrapper.optimizer.lr', 'abc'),
        ('model.backbone.depth', 'abc'),
        ('train_dataloader.sampler.shuffle', 3),
        ('log_level', 3),
        ('train_dataloader', 3),
        ('model.head.topk', 'a'),
        ('train_dataloader.dataset.pipeline', ['a']),
        # What the command line makes of a list of dicts.
        ('param_scheduler', ["{'type':'LinearLR'", "'end':300}"]),
    ],
)
def test_a_value_of_another_kind_is_an_error(key, value):
    with pytest.raises(UserError, match='another kind'):
        load_config(PCAM, {key: value})


@pytest.mark.parametrize('options', [dict(batch_size='abc'), dict(seed=2**40), dict(max_epochs=0), dict(fold=-1)])
def test_a_setting_with_a_wrong_value_ends_before_anything_is_built(options):
    with pytest.raises(UserError, match='is no value of this setting'):
        load_config(CONFIGS / 'finetune' / 'resnet34_1xb32-200e_crc.py', options)


def test_a_wrong_value_in_a_file_is_found_too(tmp_path):
    path = tmp_path / 'mine.py'
    path.write_text(f'_base_ = {str(PCAM)!r}\nlr = "fast"\n')
    with pytest.raises(UserError, match="lr='fast'"):
        load_config(path)
