"""Every transform refuses nonsense at construction, in one error."""

from __future__ import annotations

import inspect
import re

import pytest

from sdp_plugin.datasets import transforms
from sdp_plugin.errors import UserError
from sdp_plugin.registry import TRANSFORMS

SIZES = (0, -1, True, 1.5, '16', None, (1, -2), (1, 2, 3), (16,), (16, 0.5), (), {'height': 16})
RANGES = (1, (1,), (1, 2, 3), (2, 1), (0, 1), (-1, 1), (0.5, float('nan')), (0.5, float('inf')), 'ab', ('a', 'b'), None)
COUNTS = (-1, 1.5, '3', None, True)
BYTES = (*COUNTS, 256)
COLOURS = (0, (0, 0), (0, 0, 256), (0, 0, -1), ('a', 0, 0), None)
FLAGS = (1, 0, 'yes', None)
NAMES = ('abc', (), [''], ['a', 'a'], ['a', 1], None, 3)
TEXTS = ('', None, 3, ['x'])

GOOD = {
    'RandomCrop': dict(crop_size=16, padding=4),
    'RandomLabelledCrop': dict(crop_size=16),
    'RandomRescaledCrop': dict(crop_size=16),
}
CROP = dict(crop_size=SIZES, min_labelled=COUNTS, max_tries=COUNTS, pad_val=COLOURS, ignore_index=BYTES)
DRAWN = dict(
    line_width=(0, -1, True, '3', float('nan'), float('inf'), None, 1e4),
    mode=('round', None, 3),
    ignore_index=BYTES,
    unknown_tag=('ignore', None),
    size_mismatch=('scale', None),
    class_names=NAMES,
    file_ignore_index=COUNTS,
)
BAD = {
    'ClassLabelsFromMask': dict(background_index=BYTES, ignore_index=BYTES, keep_mask=FLAGS),
    'LoadClassLabels': dict(classes=NAMES),
    'LoadImage': dict(max_pixels=(0, *COUNTS)),
    'LoadMask': dict(num_classes=(0, *BYTES)),
    'LoadPatch': dict(array=TEXTS, cache_dir=(3, ['x'], True)),
    'LoadScribbles': DRAWN,
    'LoadStrokes': DRAWN,
    'PackBytes': {},
    'PackClassLabels': dict(num_classes=(0, *COUNTS)),
    'RandomCrop': dict(
        crop_size=SIZES,
        padding=(-1, True, 1.5, None, '4', (1,), (1, 2, 3), (1, -2), (1, 0.5), (1, 2, 3, 4, 5)),
        padding_mode=('co', 'wrap', '', None, 0),
    ),
    'RandomLabelledCrop': CROP,
    'RandomRescale': dict(ratio_range=RANGES),
    'RandomRescaledCrop': dict(CROP, ratio_range=RANGES, flip_prob=(-0.1, 1.1, '0.5', None, True, float('nan'))),
}
CASES = [
    (name, argument, value) for name, options in BAD.items() for argument, values in options.items() for value in values
]


def test_the_table_knows_every_argument():
    classes = {name: getattr(transforms, name) for name in transforms.__all__ if not name.startswith('collate')}
    assert set(classes) == set(BAD)
    for name, transform in classes.items():
        taken = set(inspect.signature(transform).parameters) - {'kwargs'}
        assert taken <= set(BAD[name]), name


@pytest.mark.parametrize('name', BAD)
def test_defaults_are_taken(name):
    transform = TRANSFORMS.build(dict(type=f'sdp_plugin.{name}', **GOOD.get(name, {})))
    told = repr(transform)
    assert told.startswith(f'{name}(')
    for argument in BAD[name]:
        assert re.search(rf'\b{argument}=', told), argument


@pytest.mark.parametrize(('name', 'argument', 'value'), CASES)
def test_nonsense_is_refused(name, argument, value):
    with pytest.raises(UserError, match=argument):
        getattr(transforms, name)(**GOOD.get(name, {}) | {argument: value})
