from __future__ import annotations

import numpy as np
import pytest

from sdp_plugin.catalogue import subsets
from sdp_plugin.catalogue.subsets import draw_examples, hash_ranks
from sdp_plugin.errors import UserError

KEYS = [f'tile_{i:04}' for i in range(300)]
LABELS = np.arange(300) % 3


def drawn_keys(n, seed=0, keys=KEYS, labels=LABELS):
    return {keys[i] for i in draw_examples(keys, labels, n, seed)}


@pytest.mark.parametrize('n', [1, 12, 100])
def test_draws_the_number_asked_for_of_each_class(n):
    positions = draw_examples(KEYS, LABELS, n)
    assert np.bincount(LABELS[positions]).tolist() == [n, n, n]
    assert (np.diff(positions) > 0).all()


def test_smaller_draws_lie_inside_larger_ones():
    assert drawn_keys(5) < drawn_keys(20) < drawn_keys(99)


def test_item_order_does_not_matter():
    order = np.random.default_rng(0).permutation(300)
    assert drawn_keys(20) == drawn_keys(20, keys=[KEYS[i] for i in order], labels=LABELS[order])


def test_seeds_differ():
    assert len(drawn_keys(50, seed=0) & drawn_keys(50, seed=1)) < 120


def test_a_known_draw_stays_as_it_is():
    # Pinned: results that name a seed must mean the same subset in every later version and on every machine.
    assert draw_examples(KEYS, LABELS, 2, seed=7).tolist() == [10, 77, 164, 199, 213, 216]


def test_an_order_is_made_once_for_all_trainings_of_a_seed(monkeypatch):
    made = []
    order_of = subsets._order_of
    monkeypatch.setattr(subsets, '_order_of', lambda digests: made.append(len(digests)) or order_of(digests))
    keys = [f'a key of this test alone {index}' for index in range(20)]
    for seed in (0, 1, 0, 1, 0):
        hash_ranks(list(keys), seed, 'subset')
    assert made == [20, 20]


def test_purposes_are_independent():
    agreement = np.corrcoef(hash_ranks(KEYS, 0, 'subset'), hash_ranks(KEYS, 0, 'folds'))[0, 1]
    assert abs(agreement) < 0.2


def test_too_few_examples_counts_all_classes():
    with pytest.raises(UserError) as caught:
        draw_examples(KEYS, np.where(np.arange(300) < 4, 0, 1), 12, class_names=['normal', 'tumour', 'other'])
    assert 'normal 4, tumour 296, other 0' in str(caught.value)


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        ({'examples_per_class': 0}, 'not a positive integer'),
        ({'examples_per_class': '12'}, 'not a positive integer'),
        ({'examples_per_class': True}, 'not a positive integer'),
        ({'seed': None}, 'seed is not an integer'),
        ({'keys': ['same'] * 300}, 'share a key'),
        ({'labels': [0, 1]}, 'differ in length'),
        ({'keys': [], 'labels': []}, 'no examples'),
    ],
)
def test_mistakes(arguments, message):
    with pytest.raises(UserError, match=message):
        draw_examples(**{'keys': KEYS, 'labels': LABELS, 'examples_per_class': 2, 'seed': 0, **arguments})
