"""Every setting with values that it takes and values that it does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.settings import SETTINGS, describe_settings

NO_COUNT = ['abc', 0, -1, 1.5, True, [3], float('nan')]
NOT_FROM_ZERO = ['abc', -1, 1.5, True, None, [3]]
NO_POSITIVE = ['abc', 0, -1.0, float('nan'), float('inf'), True, [1.0]]
NO_FLAG = ['yes', 1, 0, None]
NO_TEXT = [3, 1.5, ['a'], True]

# Setting: values that it takes, and values that it does not.
CASES: dict[str, tuple[list, list]] = {
    'data_root': (['/data', '/my data/a,b', Path('/data')], [*NO_TEXT, None]),
    'scribbles': (['../strokes'], [*NO_TEXT, None]),
    'line_width': ([1, 3, 2.5], NO_POSITIVE),
    'decode_first': ([True, False], NO_FLAG),
    'cache_dir': (['/cache', None], NO_TEXT),
    'crop_size': ([65, (65, 97), [65, 65]], ['abc', 0, (1, -2), (1, 2, 3), (65.0, 65), True, None]),
    'output_stride': ([8, 16, 32], [4, '8', None, 12]),
    'head_dilations': ([(6, 12), [6, 12, 18, 24]], [6, (0, 6), 'abc', (6.5,)]),
    'examples_per_class': ([1, 1000, None], NO_COUNT),
    'exclude': (['duplicates.txt', None], NO_TEXT),
    'normalised': ([True, False], NO_FLAG),
    'num_folds': ([2, 10, None], [*NO_COUNT, 1]),
    'fold': ([0, 9], NOT_FROM_ZERO),
    'group_by': (['none', 'source_image'], ['patient', None, 1]),
    'group_pattern': ([r'(patient\d+)', r'[ab],(c)', None], NO_TEXT),
    'num_classes': ([2], [*NO_COUNT, None]),
    'input_size': ([96], [*NO_COUNT, None, (96, 96)]),
    'mpp': ([0.5, 1, None], NO_POSITIVE),
    'seed': ([0, 2**32 - 1], [*NOT_FROM_ZERO, 2**32, 2**40]),
    'initialisation': (['', 'a.pth', Path('a.pth')], [*NO_TEXT, None]),
    'batch_norm_images': ([0, 2, 512], [*NOT_FROM_ZERO, 1]),
    'batch_size': ([1, 32], [*NO_COUNT, None]),
    'num_workers': ([0, 4], NOT_FROM_ZERO),
    'in_memory': ([True, False], NO_FLAG),
    'precision': (['auto', 'float32', 'bfloat16'], ['float16', 'fp32', None, 32]),
    'channels_last': ([True, False], NO_FLAG),
    'compile_backbone': ([True, False], NO_FLAG),
    'checkpoint_minutes': ([5, 0.5, None], NO_POSITIVE),
    'test_interval': ([0, 500], NOT_FROM_ZERO),
    'lr': ([1e-4, 1], [*NO_POSITIVE, None]),
    'max_epochs': ([1, 100], [*NO_COUNT, None]),
    'max_iters': ([1, 40_000], [*NO_COUNT, None]),
}


def test_every_setting_is_tried():
    assert set(CASES) == set(SETTINGS)


@pytest.mark.parametrize(('name', 'value'), [(name, value) for name, (good, _) in CASES.items() for value in good])
def test_what_a_setting_takes(name, value):
    SETTINGS[name].checked(name, value)


@pytest.mark.parametrize(('name', 'value'), [(name, value) for name, (_, bad) in CASES.items() for value in bad])
def test_what_it_does_not_take_is_one_clear_error(name, value):
    with pytest.raises(UserError) as error:
        SETTINGS[name].checked(name, value)
    first, looked_for, found = str(error.value).splitlines()
    assert first.startswith(f'{name}=')
    assert SETTINGS[name].means in looked_for
    assert found


def test_a_size_may_be_one_number():
    assert SETTINGS['crop_size'].checked('crop_size', 65) == (65, 65)


def test_help_names_all():
    assert all(f'  {name} ' in describe_settings() for name in SETTINGS)
