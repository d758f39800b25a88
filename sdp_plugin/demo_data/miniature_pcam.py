"""A small PatchCamelyon in its public layout: two HDF5 files a split."""

from __future__ import annotations

from pathlib import Path

import h5py
import numpy as np

from sdp_plugin.demo_data.drawing import random_state
from sdp_plugin.demo_data.pcam_tiles import SIZE, draw_pcam_tile, touches_centre

SPLITS = ('train', 'valid', 'test')


def write_pcam(folder: Path, seed: int, counts: dict[str, int]) -> None:
    """Write ``camelyonpatch_level_2_split_{train,valid,test}_{x,y}.h5``.

    One of the tiles 2k and 2k + 1 has tumour in its centre, so that half of them do.

    Args:
        folder (Path): An existing folder, the future ``pcam``.
        seed (int): Decides every tile; a tile does not depend on how many there are.
        counts (dict[str, int]): Number of tiles of each split in ``SPLITS``.
    """
    for split in SPLITS:
        images = np.empty((counts[split], SIZE, SIZE, 3), dtype=np.uint8)
        labels = np.empty((counts[split], 1, 1, 1), dtype=np.uint8)
        for index in range(counts[split]):
            first_is_tumour = random_state(seed, 'pcam', split, 'pair', index // 2).uniform() < 0.5
            tumour = first_is_tumour == (index % 2 == 0)
            images[index], nests = draw_pcam_tile(random_state(seed, 'pcam', split, index), tumour)
            labels[index] = touches_centre(nests)
        for name, data in (('x', images), ('y', labels)):
            with h5py.File(folder / f'camelyonpatch_level_2_split_{split}_{name}.h5', 'w') as file:
                file.create_dataset(name, data=data)
