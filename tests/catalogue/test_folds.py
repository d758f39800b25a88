from __future__ import annotations

import re

import numpy as np
import pytest

from sdp_plugin.catalogue.crc import CRC
from sdp_plugin.catalogue.folds import check_fold, grouped_folds, stratified_folds
from sdp_plugin.errors import UserError

KEYS = [f'{c}/tile_{i:03}' for c in range(8) for i in range(625)]
LABELS = np.repeat(np.arange(8), 625)
# Ten groups of very different sizes; one holds nearly all of a class, as HE-06 does with EMPTY in CRC.
GROUP_SIZES = (1061, 900, 700, 590, 500, 400, 300, 250, 238, 61)
GROUPS = np.repeat([f'group{i}' for i in range(10)], GROUP_SIZES)


def counts(folds, labels, num_folds=10):
    return np.array([np.bincount(labels[folds == fold], minlength=8) for fold in range(num_folds)])


def assert_no_group_is_split(folds, groups):
    pairs = set(zip(groups.tolist(), folds.tolist(), strict=True))
    assert len(pairs) == len(set(groups.tolist()))


def test_stratified_folds_are_even_in_every_class():
    folds = stratified_folds(KEYS, LABELS)
    assert set(counts(folds, LABELS).ravel()) == {62, 63}
    assert np.bincount(folds).tolist() == [500] * 10


@pytest.mark.parametrize(('num_folds', 'total'), [(2, 31), (3, 31), (7, 101)])
def test_stratified_remainders_are_spread(num_folds, total):
    labels = np.arange(total) % 3
    folds = stratified_folds([str(i) for i in range(total)], labels, num_folds)
    assert np.ptp(np.bincount(folds, minlength=num_folds)) <= 1
    assert np.ptp(counts(folds, labels, num_folds), axis=0).max() <= 1


@pytest.mark.parametrize('deal', [stratified_folds, grouped_folds])
def test_item_order_does_not_matter(deal):
    names = KEYS if deal is stratified_folds else GROUPS.tolist()
    order = np.random.default_rng(0).permutation(len(names))
    shuffled = deal([names[i] for i in order], LABELS[order], 5)
    np.testing.assert_array_equal(deal(names, LABELS, 5)[order], shuffled)


@pytest.mark.parametrize('deal', [stratified_folds, grouped_folds])
def test_seeds_differ_and_repeat(deal):
    names = KEYS if deal is stratified_folds else GROUPS.tolist()
    np.testing.assert_array_equal(deal(names, LABELS, 10, 3), deal(names, LABELS, 10, 3))
    assert (deal(names, LABELS, 10, 3) != deal(names, LABELS, 10, 4)).mean() > 0.5


def test_known_folds_stay_as_they_are():
    # Pinned: a fold number in published results must mean the same tiles in every later version.
    assert stratified_folds(KEYS, LABELS, 10, 0)[:10].tolist() == [6, 9, 5, 7, 6, 5, 0, 7, 0, 9]
    first_of_each = np.unique(GROUPS, return_index=True)[1]
    assert grouped_folds(GROUPS, LABELS, 10, 0)[first_of_each].tolist() == [9, 7, 4, 5, 8, 0, 3, 1, 6, 2]


@pytest.mark.parametrize('num_folds', range(2, 11))
def test_no_group_is_split_and_no_fold_empty(num_folds):
    folds = grouped_folds(GROUPS, LABELS, num_folds)
    assert_no_group_is_split(folds, GROUPS)
    assert set(folds) == set(range(num_folds))


def test_groups_of_one_kind_are_balanced():
    groups = np.repeat([f'{i}' for i in range(40)], 10)
    labels = np.repeat(np.arange(40) % 4, 10)
    assert (counts(grouped_folds(groups, labels, 5), labels, 5)[:, :4] == 20).all()


def test_official_crc_names(real_data):
    list_path = real_data / 'crc-5000-file-names.txt'
    if not list_path.is_file():
        pytest.skip(f'{list_path} is missing: the folds of the official names are not tested')
    names = list_path.read_text().split()
    labels = np.array([int(name[:2]) - 1 for name in names])
    assert len(names) == CRC.sizes['all']
    folds = stratified_folds(names, labels, 10, 0)
    assert set(counts(folds, labels).ravel()) == {62, 63}

    groups = np.array([re.search(r'CRC-Prim-HE-\d+', name).group() for name in names])
    for num_folds in (2, 5, 10):
        grouped = grouped_folds(groups, labels, num_folds)
        assert set(grouped) == set(range(num_folds))
        assert_no_group_is_split(grouped, groups)


@pytest.mark.parametrize(
    ('call', 'message'),
    [
        (lambda: stratified_folds(KEYS, LABELS, 1), 'at least two folds'),
        (lambda: grouped_folds(GROUPS, LABELS, 1), 'at least two folds'),
        (lambda: stratified_folds(KEYS, LABELS, 2.5), 'at least two folds'),
        (lambda: stratified_folds(['a', 'b', 'c'], [0, 0, 1], 2), 'fewer examples than there are folds'),
        (lambda: grouped_folds(GROUPS, LABELS, 11), 'more folds than groups'),
        (lambda: stratified_folds(['a', 'a'], [0, 0], 2), 'share a key'),
        (lambda: check_fold(10, 10), 'out of range'),
        (lambda: check_fold(-1, 10), 'out of range'),
        (lambda: check_fold('0', 10), 'out of range'),
    ],
)
def test_mistakes(call, message):
    with pytest.raises(UserError, match=message):
        call()
