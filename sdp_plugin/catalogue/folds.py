"""Folds for cross-validation: stratified by class, or grouped so that no group is split.

Like the subsets, folds are dealt in the order of a hash, so that a seed means the same folds on every platform.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sdp_plugin.catalogue.subsets import checked_labels, class_names_of, count_classes, hash_ranks, is_integer
from sdp_plugin.errors import UserError


def stratified_folds(
    keys: Sequence[str],
    labels: Sequence[int] | np.ndarray,
    num_folds: int = 10,
    seed: int = 0,
    class_names: Sequence[str] | None = None,
) -> np.ndarray:
    """Deal the examples of each class evenly to the folds.

    Args:
        keys (Sequence[str]): N different keys that name the examples, the same on every machine.
        labels (Sequence[int] | np.ndarray): The class index of each example, shape (N,).
        num_folds (int): At least 2. Defaults to 10.
        seed (int): Another seed deals other folds. Defaults to 0.
        class_names (Sequence[str] | None): All classes of the data set, for messages. Defaults to None.

    Returns:
        np.ndarray: int64, shape (N,): the fold, 0 to ``num_folds - 1``, in whose test part the example is. Two folds
        differ by at most one example in each class, and by at most one in all.

    Raises:
        UserError: Fewer than two folds, a class with fewer examples than folds, or a key twice.
    """
    _check_num_folds(num_folds)
    labels = checked_labels(keys, labels)
    if min(np.unique(labels, return_counts=True)[1]) < num_folds:
        raise UserError(
            'A class has fewer examples than there are folds.',
            looked_for=f'at least {num_folds} of each class',
            found=count_classes(labels, class_names_of(labels, class_names)),
            remedy='lower num_folds',
        )
    ranks = hash_ranks(keys, seed, 'folds')
    # One deal through all classes: the next class goes on where the last one stopped, which evens out the remainders.
    dealt = np.lexsort((ranks, labels))
    folds = np.empty(len(labels), dtype=np.int64)
    folds[dealt] = np.arange(len(labels)) % num_folds
    return folds


def grouped_folds(
    groups: Sequence[str],
    labels: Sequence[int] | np.ndarray,
    num_folds: int = 10,
    seed: int = 0,
) -> np.ndarray:
    """Deal whole groups (source images, slides, patients) to the folds, as even in the classes as groups allow.

    Greedy: the largest group first, each to the fold that has least of what the group brings. The seed decides between
    equals and which fold gets which number; where groups are few and uneven, it changes little.

    Args:
        groups (Sequence[str]): The group of each of N examples.
        labels (Sequence[int] | np.ndarray): The class index of each example, shape (N,).
        num_folds (int): From 2 to the number of groups. Defaults to 10.
        seed (int): See above. Defaults to 0.

    Returns:
        np.ndarray: int64, shape (N,): the fold, 0 to ``num_folds - 1``, in whose test part the example is. No fold is
        empty.

    Raises:
        UserError: Fewer than two folds, or more folds than groups.
    """
    _check_num_folds(num_folds)
    labels = checked_labels(groups, labels)
    names, group_of = np.unique(np.asarray(groups, dtype=object).astype(str), return_inverse=True)
    if num_folds > len(names):
        raise UserError(
            'There are more folds than groups.',
            looked_for=f'at least {num_folds} groups',
            found=f'{len(names)} groups: {", ".join(names[:20])}',
            remedy=f'set num_folds to at most {len(names)}',
        )
    fold_of_group = _deal_groups(_class_shares(group_of, labels), np.bincount(group_of), num_folds, names, seed)
    renumbered = hash_ranks([str(fold) for fold in range(num_folds)], seed, 'fold numbers')
    return renumbered[fold_of_group[group_of]]


def check_fold(fold: int, num_folds: int) -> None:
    """Refuse a fold that is none of ``num_folds``.

    Raises:
        UserError: The fold is not an integer from 0 to ``num_folds - 1``, or there are fewer than two folds.
    """
    _check_num_folds(num_folds)
    if not is_integer(fold) or not 0 <= fold < num_folds:
        raise UserError('The fold is out of range.', looked_for=f'fold=0 to {num_folds - 1}', found=repr(fold))


def _check_num_folds(num_folds: int) -> None:
    if not is_integer(num_folds) or num_folds < 2:
        raise UserError(
            'Cross-validation needs at least two folds.', looked_for='num_folds=2 or more', found=repr(num_folds)
        )


def _class_shares(group_of: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Shape (groups, classes): the share of each class's examples that each group holds."""
    _, class_of = np.unique(labels, return_inverse=True)
    counts = np.zeros((group_of.max() + 1, class_of.max() + 1))
    np.add.at(counts, (group_of, class_of), 1)
    return counts / counts.sum(axis=0)


def _deal_groups(shares: np.ndarray, sizes: np.ndarray, num_folds: int, names: Sequence[str], seed: int) -> np.ndarray:
    fold_shares = np.zeros((num_folds, shares.shape[1]))
    fold_sizes = np.zeros(num_folds, dtype=np.int64)
    fold_of_group = np.empty(len(names), dtype=np.int64)
    order = np.lexsort((hash_ranks(names, seed, 'groups'), -sizes))
    for group in order:
        # The product is half the growth of the sum of squared shares, less what is the same for every fold. Rounding
        # keeps the last bits of a sum, which may differ between machines, from deciding between equals. An empty fold
        # overlaps with nothing and is the smallest, so none stays empty.
        overlap = np.round(fold_shares @ shares[group], 9)
        fold = np.lexsort((fold_sizes, overlap))[0]
        fold_of_group[group] = fold
        fold_shares[fold] += shares[group]
        fold_sizes[fold] += sizes[group]
    return fold_of_group
