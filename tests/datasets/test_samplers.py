"""The order of samples and what is drawn for each."""

from __future__ import annotations

import itertools
import pickle

import numpy as np
import pytest
from mmengine.dataset import InfiniteSampler
from torch.utils.data import DataLoader

from sdp_plugin.datasets.samplers import RepeatableSampler, SeededIndex, seed_draws

# The first indices of seed 3 over ten samples: what trainings rest on.
ORDER = [6, 0, 3, 7, 8, 5, 1, 9, 2, 4, 9, 8]


class Drawing:
    """A data set whose samples are their index and a random number."""

    def __len__(self) -> int:
        return 10

    def __getitem__(self, index: int) -> tuple[int, float]:
        seed_draws(index)
        return int(index), np.random.random_sample()


def first(sampler, count: int) -> list:
    return list(itertools.islice(sampler, count))


def samples(num_workers: int, skipped: int = 0, count: int = 12) -> list[tuple[int, float]]:
    sampler = RepeatableSampler(Drawing(), seed=3)
    if skipped:
        sampler.skip(skipped)
    loader = DataLoader(Drawing(), 2, sampler=sampler, num_workers=num_workers, collate_fn=lambda batch: batch)
    return list(itertools.chain.from_iterable(itertools.islice(loader, (count - skipped) // 2)))


def test_the_order_is_that_of_mmengine():
    assert first(RepeatableSampler(Drawing(), seed=3), 25) == first(InfiniteSampler(Drawing(), seed=3), 25)


def test_the_order_is_pinned():
    assert first(RepeatableSampler(Drawing(), seed=3), 12) == ORDER


def test_draws_do_not_depend_on_workers():
    whole = samples(0)
    assert [index for index, _ in whole] == ORDER
    assert len({number for _, number in whole}) == 12  # the third and the thirteenth time differ, too
    assert samples(2) == whole


@pytest.mark.skipif(
    not hasattr(InfiniteSampler, 'skip'), reason='this MMEngine skips no samples: it reads through what was seen'
)
def test_draws_do_not_depend_on_where_one_begins():
    assert samples(3, skipped=4) == samples(0)[4:]


def test_another_seed_draws_otherwise():
    def numbers(seed: int) -> list[float]:
        return [Drawing()[index][1] for index in first(RepeatableSampler(Drawing(), seed=seed), 10)]

    assert not set(numbers(3)) & set(numbers(4))


def test_an_index_without_a_seed_leaves_the_generator_as_it_is():
    np.random.seed(1)
    expected = np.random.random_sample()
    np.random.seed(1)
    assert Drawing()[4] == (4, expected)


@pytest.mark.parametrize('protocol', range(2, pickle.HIGHEST_PROTOCOL + 1))
def test_an_index_travels_to_other_processes(protocol):
    index = pickle.loads(pickle.dumps(SeededIndex(7, (1, 2)), protocol))
    assert (index, index.seed) == (7, (1, 2))
