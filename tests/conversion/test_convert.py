"""Every tensor is accounted for, and an error names those that are not."""

from __future__ import annotations

import pytest
import torch

from sdp_plugin.conversion.convert import convert
from sdp_plugin.conversion.rules import Concatenate, Rename
from sdp_plugin.errors import UserError

RULES = (
    Rename('a.{p}', 'b.{p}'),
    Concatenate(('q.{p}', 'k.{p}'), 'qk.{p}', (1, 1)),
    Rename('same.{p}', 'same.{p}'),
    Rename('twice.{p}', 'same.{p}'),
)


def source() -> dict:
    return {
        'a.w': torch.ones(2),
        'a.n': torch.tensor(3),
        'q.w': torch.ones(1),
        'k.w': torch.ones(1),
        'same.w': torch.ones(4),
    }


def target() -> dict:
    return {'b.w': torch.zeros(2), 'b.n': torch.tensor(0), 'qk.w': torch.zeros(2), 'same.w': torch.zeros(4)}


MUTATIONS = {
    'a source tensor that no rule takes': ({'extra.w': torch.ones(1)}, 'taken by no rule: extra.w'),
    'a source tensor that the target lacks': ({'a.extra': torch.ones(1)}, 'unknown to the target: b.extra'),
    'a missing source tensor': ({'a.w': None}, 'made from nothing: b.w'),
    'a missing part': ({'k.w': None}, 'incomplete parts: qk.w from q.w'),
    'a wrong shape': ({'a.w': torch.ones(3)}, r'b.w \(from a.w\) \(3,\) instead of \(2,\)'),
    'a transposed shape': ({'same.w': torch.ones(2, 2)}, r'same.w \(2, 2\) instead of \(4,\)'),
    'NaN': ({'a.w': torch.tensor([0, torch.nan])}, 'not finite: b.w'),
    'infinity': ({'k.w': torch.tensor([torch.inf])}, 'not finite: qk.w'),
    'two sources for one target': ({'twice.w': torch.ones(4)}, 'made twice: same.w'),
}


def test_the_unchanged_source_converts():
    assert set(convert(source(), RULES, target()).state) == set(target())


@pytest.mark.parametrize('name', MUTATIONS)
def test_a_mutation_is_named(name):
    changes, message = MUTATIONS[name]
    mutated = {key: value for key, value in (source() | changes).items() if value is not None}
    with pytest.raises(UserError, match=message):
        convert(mutated, RULES, target())


def test_all_problems_are_told_at_once():
    mutated = source() | {'extra.w': torch.ones(1), 'a.w': torch.ones(3)}
    with pytest.raises(UserError, match=r'(?s)no rule: extra\.w.*another shape.*b\.w'):
        convert(mutated, RULES, target())
