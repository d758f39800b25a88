"""Drawing N labelled examples a class: nested, and the same on every platform.

Examples are ordered by a hash of the seed and their key. A random generator's permutation would depend on the order in
which a file system lists the files and on the generator's version; a hash depends on neither, and taking the first N
of one order makes the draw of N lie inside every larger draw with the same seed.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from sdp_plugin.errors import UserError, shortened


def hash_ranks(keys: Sequence[str], seed: int, purpose: str) -> np.ndarray:
    """Rank the keys in an order that the seed and the purpose decide, whatever the order of the keys.

    Args:
        keys (Sequence[str]): N different keys without NUL, as file names are.
        seed (int): Another seed gives another order.
        purpose (str): Orders for different purposes are independent. Folds and subsets need that: were they dealt in
            one order, the first examples of a training part would stem from few folds.

    Returns:
        np.ndarray: int64, shape (N,), a permutation of 0 to N - 1.

    Raises:
        UserError: A key is there twice, or the seed is not an integer.
    """
    check_seed(seed)
    return _ranks(_one_copy('\0'.join(keys)), int(seed), purpose) if len(keys) else np.empty(0, dtype=np.int64)


@lru_cache(maxsize=4)
def _one_copy(text: str) -> str:
    """The same object for equal texts: what is kept for many seeds then holds the keys once."""
    return text


@lru_cache(maxsize=32)
def _ranks(joined_keys: str, seed: int, purpose: str) -> np.ndarray:
    """The ranks of keys that are joined by NUL, kept for the other trainings of a grid with the same seed."""
    salt = hashlib.sha256(f'{purpose}\0{seed}\0'.encode())
    digests = []
    for key in _distinct_keys(joined_keys):
        salted = salt.copy()
        salted.update(key)
        digests.append(salted.digest())
    ranks = np.empty(len(digests), dtype=np.int64)
    ranks[_order_of(digests)] = np.arange(len(digests))
    ranks.flags.writeable = False
    return ranks


@lru_cache(maxsize=4)
def _distinct_keys(joined_keys: str) -> Sequence[bytes]:
    """Keys that are joined by NUL, of which none is there twice, kept for other seeds."""
    _check_distinct(joined_keys.split('\0'))
    return joined_keys.encode().split(b'\0')


def _order_of(digests: list[bytes]) -> np.ndarray:
    # Sorting the first eight bytes as numbers takes a third of the time, and decides where no two begin alike.
    beginnings = np.frombuffer(b''.join(digests), dtype='>u8')[::4].astype(np.uint64)
    order = np.argsort(beginnings)
    if len(order) > 1 and not np.diff(beginnings[order]).all():
        return np.array(sorted(range(len(digests)), key=digests.__getitem__))
    return order


def clear_cache() -> None:
    """Forget the keys and ranks that are kept."""
    for kept in (_one_copy, _distinct_keys, _ranks):
        kept.cache_clear()


def draw_examples(
    keys: Sequence[str],
    labels: Sequence[int] | np.ndarray,
    examples_per_class: int,
    seed: int = 0,
    class_names: Sequence[str] | None = None,
    purpose: str = 'subset',
) -> np.ndarray:
    """Draw the same number of examples of each class.

    Args:
        keys (Sequence[str]): N different keys that name the examples, the same on every machine.
        labels (Sequence[int] | np.ndarray): The class index of each example, shape (N,).
        examples_per_class (int): How many of each class, at least 1.
        seed (int): Another seed draws other examples. Defaults to 0.
        class_names (Sequence[str] | None): All classes of the data set, so that a class without any example is
            missed; without it the classes are those among the labels. Defaults to None.
        purpose (str): Draws for different purposes are independent, as those for the folds of a cross-validation.
            Defaults to ``'subset'``.

    Returns:
        np.ndarray: int64 positions of the drawn examples in ``keys``, ascending. With the same seed and purpose, the
        drawn keys lie inside those of every larger draw.

    Raises:
        UserError: A class has fewer examples (the message counts all classes), the number is not a positive integer,
            a key is there twice, or keys and labels differ in length.
    """
    labels = checked_labels(keys, labels)
    names = class_names_of(labels, class_names)
    check_drawable(labels, examples_per_class, names)

    ranks = hash_ranks(keys, seed, purpose)
    drawn = []
    for class_index in names:
        members = np.flatnonzero(labels == class_index)
        drawn.append(members[np.argsort(ranks[members])[:examples_per_class]])
    return np.sort(np.concatenate(drawn))


def check_drawable(labels: np.ndarray, examples_per_class: int, names: dict[int, str]) -> None:
    """Check that a draw is possible, without drawing.

    Args:
        labels (np.ndarray): The class index of each example, shape (N,).
        examples_per_class (int): How many of each class, at least 1.
        names (dict[int, str]): The classes, see :func:`class_names_of`.

    Raises:
        UserError: The number is not a positive integer, or a class has fewer examples.
    """
    check_number(examples_per_class)
    fewest = min(_count_of_each(labels, names).values(), default=0)
    if fewest >= examples_per_class:
        return
    raise UserError(
        'A class has too few examples in the training part.',
        looked_for=f'{examples_per_class} of each class',
        found=count_classes(labels, names),
        remedy=f'set examples_per_class to at most {fewest}' if fewest else 'check the labels and the data folder',
    )


def check_number(examples_per_class: int) -> None:
    """Refuse a number of examples that is none.

    Raises:
        UserError: It is not a positive integer.
    """
    if not is_integer(examples_per_class) or examples_per_class < 1:
        raise UserError(
            'The number of examples a class is not a positive integer.',
            looked_for='examples_per_class=1 or more, or None for all',
            found=repr(examples_per_class),
        )


def check_seed(seed: int) -> None:
    """Refuse a seed that is none.

    Raises:
        UserError: It is not an integer.
    """
    if not is_integer(seed):
        raise UserError('The seed is not an integer.', found=repr(seed))


def checked_labels(keys: Sequence, labels: Sequence[int] | np.ndarray) -> np.ndarray:
    """``labels`` as an int64 array, one for each key and at least one.

    Raises:
        UserError: There are no keys, or keys and labels differ in length.
    """
    labels = np.asarray(labels, dtype=np.int64)
    if labels.shape != (len(keys),):
        raise UserError('Keys and labels differ in length.', looked_for=f'{len(keys)} labels', found=labels.shape)
    if not len(keys):
        raise UserError('There are no examples.')
    return labels


def class_names_of(labels: np.ndarray, class_names: Sequence[str] | None) -> dict[int, str]:
    """The class indices to consider, ascending, with names for messages."""
    if class_names is None:
        return {int(index): f'class {index}' for index in np.unique(labels)}
    return dict(enumerate(class_names))


def count_classes(labels: np.ndarray, names: dict[int, str]) -> str:
    """How many examples each class has, as text for messages: ``'normal 12, tumour 30'``."""
    counts = _count_of_each(labels, names)
    return ', '.join(f'{name} {counts[index]}' for index, name in names.items())


def _count_of_each(labels: np.ndarray, names: dict[int, str]) -> dict[int, int]:
    return {index: int(np.count_nonzero(labels == index)) for index in names}


def _check_distinct(keys: Sequence[str]) -> None:
    if len(set(keys)) == len(keys):
        return
    repeated = [key for key, count in Counter(keys).items() if count > 1]
    raise UserError(
        'Examples share a key, so that a draw would depend on their order.',
        found=shortened(repeated, 5),
        remedy='keep one file of each tile',
    )


def is_integer(value: object) -> bool:
    """Whether the value is an integer and neither a truth value nor text, as a mistyped config value may be."""
    return isinstance(value, int | np.integer) and not isinstance(value, bool)
