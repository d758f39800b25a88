"""A small Kather 2016 in its public layout: eight class folders of 150x150 TIFFs from ten source images."""

from __future__ import annotations

from pathlib import Path

from PIL import Image

from sdp_plugin.demo_data.crc_tiles import CRC_CLASSES, SIZE, draw_crc_tile
from sdp_plugin.demo_data.drawing import random_state
from sdp_plugin.demo_data.histology import draw_stain

NUM_SOURCE_IMAGES = 10


def official_name(number: int, source_image: int) -> str:
    """A file name as the official ones are, for example ``1A11_CRC-Prim-HE-07_022.tif_Row_601_Col_151.tif``.

    Args:
        number (int): Running number of the tile, from 0; no two names of different numbers are equal.
        source_image (int): 1 to 10.

    Returns:
        str: The name.
    """
    region, place = divmod(number, 100)
    row, column = (step * SIZE + 1 for step in divmod(place, 10))
    return f'{257 + 53 * number:X}_CRC-Prim-HE-{source_image:02d}_{region + 1:03d}.tif_Row_{row}_Col_{column}.tif'


def write_crc(folder: Path, seed: int, per_class: int) -> None:
    """Write ``01_TUMOR`` to ``08_EMPTY``.

    The tiles of a source image share their staining, and each class is spread evenly over the source images.

    Args:
        folder (Path): An existing folder, the future ``Kather_texture_2016_image_tiles_5000``.
        seed (int): Decides every tile; a tile does not depend on how many there are.
        per_class (int): Number of tiles of each class.
    """
    for class_index, name in enumerate(CRC_CLASSES):
        (folder / name).mkdir()
        for index in range(per_class):
            source_image = (index + 3 * class_index) % NUM_SOURCE_IMAGES + 1
            stain = draw_stain(random_state(seed, 'crc', 'stain', source_image))
            tile = draw_crc_tile(random_state(seed, 'crc', name, index), name, stain)
            path = folder / name / official_name(class_index + len(CRC_CLASSES) * index, source_image)
            Image.fromarray(tile).save(path, compression='packbits')
