"""The real patches of PCam and tiles of Kather 2016 that travel with the package (``tiles/ATTRIBUTION.md``)."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import numpy as np
from PIL import Image

from sdp_plugin.catalogue.crc import CRC
from sdp_plugin.catalogue.pcam import PCAM
from sdp_plugin.errors import UserError
from sdp_plugin.image_files import write_image

SHEETS = Path(__file__).parent / 'tiles'
# The longest side of a cell of a sheet: a multiple of the 16 pixels that WebP compresses together.
PCAM_SIZE, CRC_SIZE, CRC_CELL = 96, 150, 160
SPLITS = {'train': 200, 'valid': 20, 'test': 180}
"""How many patches of each split of PCam there are, half of them tumour."""
CRC_PER_CLASS = 12


def pcam_patches(split: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Patches of a split, normal and tumour in turn; they repeat where more are asked for than there are.

    Args:
        split (str): ``'train'``, ``'valid'`` or ``'test'``.
        count (int): How many.

    Returns:
        tuple[np.ndarray, np.ndarray]: Images, uint8, RGB, shape (count, 96, 96, 3); labels, uint8, shape (count,).
    """
    per_class = SPLITS[split] // 2
    sheets = [_cut(f'pcam_{split}_{name}.webp', PCAM_SIZE, PCAM_SIZE, per_class) for name in PCAM.classes]
    numbers = np.arange(count)
    labels = (numbers % 2).astype(np.uint8)
    return np.stack(sheets)[labels, numbers // 2 % per_class], labels


def write_pcam(folder: Path, counts: dict[str, int]) -> None:
    """Write ``camelyonpatch_level_2_split_{train,valid,test}_{x,y}.h5`` as they are published, uncompressed.

    Args:
        folder (Path): An existing folder, the future ``pcam``.
        counts (dict[str, int]): Number of patches of each split in ``SPLITS``.
    """
    for split, count in counts.items():
        images, labels = pcam_patches(split, count)
        for name, data in (('x', images), ('y', labels.reshape(-1, 1, 1, 1))):
            with h5py.File(folder / f'camelyonpatch_level_2_split_{split}_{name}.h5', 'w') as file:
                file.create_dataset(name, data=data)


def write_crc(folder: Path, per_class: int) -> None:
    """Write ``01_TUMOR`` to ``08_EMPTY``, as TIFFs.

    Args:
        folder (Path): An existing folder, the future ``Kather_texture_2016_image_tiles_5000``.
        per_class (int): Number of tiles of each class, at most ``CRC_PER_CLASS``.

    Raises:
        UserError: If there are not so many.
    """
    check_crc(per_class)
    names = json.loads((SHEETS / 'crc_names.json').read_text(encoding='utf-8'))
    for number, class_name in enumerate(CRC.classes, start=1):
        class_folder = f'{number:02d}_{class_name}'
        (folder / class_folder).mkdir()
        tiles = _cut(f'crc_{class_folder}.webp', CRC_CELL, CRC_SIZE, CRC_PER_CLASS)
        for name, tile in zip(names[class_folder][:per_class], tiles[:per_class], strict=True):
            write_image(Image.fromarray(tile), folder / class_folder / f'{name}.tif', 'TIFF', compression='packbits')


def check_crc(per_class: int) -> None:
    """Refuse more tiles of a class than there are.

    Raises:
        UserError: There are not so many.
    """
    if per_class > CRC_PER_CLASS:
        raise UserError(
            'There are not so many colorectal tiles in the package.',
            looked_for=f'at most {CRC_PER_CLASS} a class',
            found=per_class,
        )


def _cut(sheet: str, cell: int, size: int, count: int) -> np.ndarray:
    with Image.open(SHEETS / sheet) as image:
        pixels = np.asarray(image.convert('RGB'))
    rows, columns = pixels.shape[0] // cell, pixels.shape[1] // cell
    cells = pixels.reshape(rows, cell, columns, cell, 3).swapaxes(1, 2).reshape(-1, cell, cell, 3)
    return cells[:count, :size, :size]
