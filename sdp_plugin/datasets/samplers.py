"""The order in which a training sees its samples, and what is drawn for each of them."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from mmengine.dataset import InfiniteSampler

from sdp_plugin.registry import DATA_SAMPLERS


class SeededIndex(int):
    """The index of a sample that knows how its random transforms are to be seeded.

    Args:
        index (int): The index.
        seed (tuple[int, int]): The training's seed and the position in the stream of samples, below 2**32 each.
    """

    seed: tuple[int, int]

    def __new__(cls, index: int, seed: tuple[int, int]) -> SeededIndex:
        made = super().__new__(cls, index)
        made.seed = seed
        return made

    def __getnewargs__(self) -> tuple[int, tuple[int, int]]:
        return int(self), self.seed


@DATA_SAMPLERS.register_module()
class RepeatableSampler(InfiniteSampler):
    """MMEngine's ``InfiniteSampler``, whose samples are drawn alike however often the training was interrupted.

    The order is that of ``InfiniteSampler``. Each index carries a seed made of the training's seed and the sample's
    position in the stream, from which data sets that call :func:`seed_draws` draw their augmentations: those depend
    neither on the number of worker processes nor on where a training was resumed. Other data sets ignore it.

    Args:
        dataset (Sized): The data set.
        shuffle (bool): Defaults to True.
        seed (int | None): Defaults to None, which MMEngine replaces with the seed of the run.
    """

    def _infinite_indices(self) -> Iterator[SeededIndex]:
        for position, index in enumerate(super()._infinite_indices()):
            yield SeededIndex(index, (self.seed % 2**32, position % 2**32))


def seed_draws(index: int) -> None:
    """Seed NumPy's global generator, from which MMCV's transforms draw, for one sample.

    Args:
        index (int): The index that a data set was asked for. One without a seed leaves the generator as it is.
    """
    if isinstance(index, SeededIndex):
        np.random.seed(index.seed)
