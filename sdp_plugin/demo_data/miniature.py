"""Small data in the layouts of VOC 2012, ScribbleSup, PCam and Kather 2016: drawn scenes, and a few real tiles.

They let the whole method run in minutes, through the code that reads the real data. Accuracies on them say nothing
about the real data sets. All choices come from ``numpy.random.RandomState``, so labels, masks and file names are the
same everywhere; grey values may differ by rounding between builds of NumPy, OpenCV or libjpeg.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from sdp_plugin.demo_data.manifest import ensure_folder
from sdp_plugin.demo_data.miniature_voc import write_scribbles, write_voc
from sdp_plugin.demo_data.tiles import CRC_PER_CLASS, SPLITS, check_crc, write_crc, write_pcam
from sdp_plugin.errors import UserError

# Raised whenever the same seed and sizes give other data.
GENERATOR_VERSION = 2
MIN_IMAGE_SIDE = 48


@dataclass(frozen=True)
class MiniatureSizes:
    """How much there is.

    Args:
        voc_train (int): Drawn scenes in ``train_aug``.
        voc_val (int): Drawn scenes in ``val``.
        voc_width (int): Their width in pixels.
        voc_height (int): Their height in pixels.
        pcam_train (int): Real patches for training; they repeat where there are not so many.
        pcam_valid (int): Real patches for validation.
        pcam_test (int): Real patches for the test.
        crc_per_class (int): Real tiles of each of the eight classes.

    Raises:
        UserError: If a number is too small to give a data set, or there are not so many colorectal tiles.
    """

    voc_train: int = 150
    voc_val: int = 30
    voc_width: int = 120
    voc_height: int = 90
    pcam_train: int = SPLITS['train']
    pcam_valid: int = SPLITS['valid']
    pcam_test: int = SPLITS['test']
    crc_per_class: int = CRC_PER_CLASS

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            least = MIN_IMAGE_SIDE if name in ('voc_width', 'voc_height') else 1
            if value < least:
                raise UserError(f'{name} is too small', looked_for=f'at least {least}', found=value)
        check_crc(self.crc_per_class)


@dataclass(frozen=True)
class MiniatureData:
    """Where the parts lie.

    Args:
        voc (Path): ``VOCdevkit/VOC2012``.
        scribbles (Path): ``scribbles/pascal_2012``.
        pcam (Path): The folder of the six HDF5 files.
        crc (Path): The folder of the eight class folders.
    """

    voc: Path
    scribbles: Path
    pcam: Path
    crc: Path


def write_miniature(
    root: str | os.PathLike,
    sizes: MiniatureSizes | None = None,
    seed: int = 0,
    report: Callable[[str], None] = print,
) -> MiniatureData:
    """Write what is not yet there.

    Args:
        root (str | os.PathLike): Where to; made if missing.
        sizes (MiniatureSizes | None): How much; the defaults are for a demonstration on two cores.
        seed (int): Decides the scenes and the strokes.
        report (Callable[[str], None]): Told one line a part.

    Returns:
        MiniatureData: The folders.

    Raises:
        UserError: If the place is taken by something that was not generated.
    """
    root, sizes = Path(root), sizes or MiniatureSizes()
    if root.exists() and not root.is_dir():
        raise UserError(f'{root} is a file', looked_for='a folder, or a path that is free')
    voc_folder = root / 'VOCdevkit'
    masks = voc_folder / 'VOC2012' / 'SegmentationClassAug'
    voc_counts = {'train_aug': sizes.voc_train, 'val': sizes.voc_val}
    pcam_counts = {'train': sizes.pcam_train, 'valid': sizes.pcam_valid, 'test': sizes.pcam_test}
    image_size = (sizes.voc_width, sizes.voc_height)
    tiles = {'generator_version': GENERATOR_VERSION}
    voc = {**tiles, 'seed': seed, 'counts': voc_counts, 'image_size': list(image_size)}
    parts: list[tuple[Path, dict, Callable[[Path], None]]] = [
        (voc_folder, voc, lambda folder: write_voc(folder, seed, voc_counts, image_size)),
        (root / 'scribbles', {**voc, 'of': 'VOCdevkit'}, lambda folder: write_scribbles(folder, seed, masks)),
        (root / 'pcam', {**tiles, 'counts': pcam_counts}, lambda folder: write_pcam(folder, pcam_counts)),
        (
            root / 'Kather_texture_2016_image_tiles_5000',
            {**tiles, 'per_class': sizes.crc_per_class},
            lambda folder: write_crc(folder, sizes.crc_per_class),
        ),
    ]
    for folder, parameters, write in parts:
        started = time.monotonic()
        written = ensure_folder(folder, parameters, write)
        report(f'{folder}: ' + (f'written in {time.monotonic() - started:.1f} s' if written else 'already there'))
    return MiniatureData(
        voc=voc_folder / 'VOC2012', scribbles=root / 'scribbles' / 'pascal_2012', pcam=parts[2][0], crc=parts[3][0]
    )
