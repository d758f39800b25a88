"""Each rule does what it says, and its way back undoes it."""

from __future__ import annotations

import pytest
import torch

from sdp_plugin.conversion.convert import convert
from sdp_plugin.conversion.rules import (
    SAME_NAMES,
    Concatenate,
    Drop,
    DropZeros,
    Fresh,
    Recompute,
    Rename,
    Split,
    ZeroFill,
    match,
    reverse,
)


@pytest.mark.parametrize(
    ('template', 'name', 'fields'),
    [
        ('layer{i}.{rest*}', 'layer1.0.conv1.weight', {'i': '1', 'rest': '0.conv1.weight'}),
        ('layer{i}.{rest*}', 'layer1', None),
        ('{p}.weight', 'a.b.weight', None),
        ('in_proj_{p}', 'in_proj_bias', {'p': 'bias'}),
        ('a.b', 'axb', None),
        ('a', 'a.b', None),
    ],
)
def test_templates(template, name, fields):
    assert match(template, name) == fields


RULES = (
    Rename('stem.{p}', 'stem.0.{p}'),
    Split('in_proj.{p}', ('q.{p}', 'kv.{p}'), (1, 2)),
    Concatenate(('k.{p}', 'v.{p}'), 'both.{p}', (1, 2)),
    Drop('gone', 'no counterpart'),
    Fresh('new', 'no counterpart'),
    ZeroFill('patch.bias', 'the source has none'),
    Recompute('index', 'follows from the size'),
    SAME_NAMES,
)


def sides() -> tuple[dict, dict]:
    source = {
        'stem.w': torch.randn(2, 3), 'in_proj.w': torch.randn(6, 2), 'in_proj.b': torch.randn(3), 'v.w': torch.randn(4),
        'k.w': torch.randn(2), 'gone': torch.randn(1), 'index': torch.zeros(2), 'other': torch.randn(2),
    }  # fmt: skip
    target = {
        'stem.0.w': torch.randn(2, 3), 'q.w': torch.randn(2, 2), 'kv.w': torch.randn(4, 2), 'q.b': torch.randn(1),
        'kv.b': torch.randn(2), 'both.w': torch.randn(6), 'new': torch.randn(1), 'patch.bias': torch.randn(2),
        'index': torch.arange(2.0), 'other': torch.randn(2),
    }  # fmt: skip
    return source, target


def test_every_rule():
    source, target = sides()
    converted = convert(source, RULES, target)
    state = converted.state
    assert list(state) == [name for name in target if name != 'new']
    assert torch.equal(state['stem.0.w'], source['stem.w'])
    assert torch.equal(torch.cat([state['q.w'], state['kv.w']]), source['in_proj.w'])
    assert torch.equal(state['both.w'], torch.cat([source['k.w'], source['v.w']]))
    assert not state['patch.bias'].any()
    assert torch.equal(state['index'], target['index'])
    assert [record.targets for record in converted.named('fresh')] == [('new',)]
    assert {(record.action, *record.sources) for record in converted.named('drop')} == {('drop', 'gone')}
    assert converted.carried == {'stem.0.w', 'q.w', 'kv.w', 'q.b', 'kv.b', 'both.w', 'other'}


def test_the_way_back_undoes_it():
    source, target = sides()
    there = convert(source, RULES, target).state | {'new': torch.ones(1)}
    back = convert(there, reverse(RULES), source)
    assert [record.targets for record in back.named('fresh')] == [('gone',)]
    for name in source.keys() - {'gone', 'index'}:
        assert torch.equal(back.state[name], source[name]), name
    assert reverse(reverse(RULES)) == RULES


def test_zeros_are_dropped_only_if_they_are_zeros():
    rule = DropZeros('bias', 'the target has none')
    assert rule.take('bias', torch.zeros(3)) == []
    assert rule.take('bias', torch.tensor([0.0, 1e-9])) is None
