"""Values of files of others."""

from __future__ import annotations

import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.records import read_json


@pytest.mark.parametrize(
    'text',
    [b'NaN', b'{"mean": Infinity}', b'[1e999]', b'{"a": [{"b": -1E+0400}]}', b'[%s]' % (b'9' * 250 + b'e99'), b'{'],
)
def test_what_no_float_holds_is_refused(text):
    with pytest.raises(UserError, match=r'scores\.json'):
        read_json(text, 'scores.json')


@pytest.mark.parametrize(
    ('text', 'value'),
    [
        (b'\xef\xbb\xbf[1]', [1]),
        (b'["1e999", "e400"]', ['1e999', 'e400']),
        (b'[1e-999, 1.5e300]', [0.0, 1.5e300]),
        pytest.param(b'9' * 250, int('9' * 250), id='250 digits'),
    ],
)
def test_other_numbers_and_texts_are_not(text, value):
    assert read_json(text, 'scores.json') == value
