"""PatchCamelyon: its card, and its HDF5 files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from sdp_plugin.catalogue.cards import DataCard
from sdp_plugin.catalogue.collection import check_text, evenly, existing_folder
from sdp_plugin.catalogue.downloads import PCAM_FILES
from sdp_plugin.catalogue.tiles import TileCollection, Tiles
from sdp_plugin.errors import UserError
from sdp_plugin.hdf5 import array_of, images_of, open_file, reading

FILE_NAME = 'camelyonpatch_level_2_split_{split}_{part}.h5'
OFFICIAL_SPLITS = {'train': 'train', 'val': 'valid', 'test': 'test'}
_SAMPLED_PATCHES = 16

PCAM = DataCard(
    name='PatchCamelyon (PCam)',
    classes=('normal', 'tumour'),
    palette=((86, 180, 233), (213, 94, 0)),
    sizes={'train': 262_144, 'val': 32_768, 'test': 32_768},
    image_size=(96, 96),
    terms='CC0 1.0 (public domain)',
    citation=(
        'B. S. Veeling, J. Linmans, J. Winkens, T. Cohen, M. Welling: Rotation Equivariant CNNs for Digital Pathology. '
        'MICCAI 2018, arXiv 1806.03962. Slides: B. Ehteshami Bejnordi et al.: Diagnostic Assessment of Deep Learning '
        'Algorithms for Detection of Lymph Node Metastases in Women With Breast Cancer. JAMA 318(22), 2017.'
    ),
    homepage='https://github.com/basveeling/pcam',
    downloads=PCAM_FILES,
    notes=(
        'A patch is "tumour" if its central 32 x 32 pixels hold at least one pixel of tumour tissue.',
        'Half of the patches of each split are "tumour"; no slide is shared between splits.',
        'Duplicate patches exist; tools/prepare_data.py pcam lists them, and exclude= leaves them out of a draw.',
        'The slides of CAMELYON16 were scanned with 0.243 micrometres a pixel; patches are of a fourth of that.',
    ),
    mpp=0.972,
)


@dataclass(frozen=True)
class PCam(TileCollection):
    """The two HDF5 files of a split of PatchCamelyon; a patch's key is ``<split>/<index>``.

    ``x`` of shape (N, 96, 96, 3), uint8, RGB, and ``y`` of shape (N, 1, 1, 1) with the labels 0 and 1.

    Args:
        data_root (str): The folder of the HDF5 files.
        split, examples_per_class, seed: Of :class:`TileCollection`.
        exclude (str | None): A text file, relative to ``data_root``, whose lines begin with the keys of training
            patches that are not to be drawn, as in the ``duplicates.txt`` that tools/prepare_data.py writes. Keys of
            other splits and lines that begin with ``#`` are passed over. Defaults to None.

    Raises:
        UserError: What :class:`TileCollection` raises, and ``exclude`` outside of training.
    """

    CARD: ClassVar[DataCard] = PCAM
    READ_BY: ClassVar[tuple[str, ...]] = ('data_root', 'split', 'exclude')

    exclude: str | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.exclude is None:
            return
        check_text('exclude', self.exclude)
        if self.split != 'train':
            raise UserError(
                f'exclude was given for the {self.split} split, which is always used whole.',
                found=f'exclude={self.exclude!r}',
                remedy="pass exclude with split='train' only",
            )

    def look(self) -> Tiles:
        """Check both files, and read the labels.

        Returns:
            Tiles: With ``h5_path`` (str) and ``h5_index`` (int) as sources.

        Raises:
            UserError: A missing folder or file, a file that is still compressed, half a download, no HDF5 at all, ``x``
                and ``y`` of different length, of another type or shape, or labels other than 0 and 1.
        """
        root = existing_folder(self.data_root, holds=FILE_NAME.format(split='train', part='x'))
        x_path, y_path = (_official_file(root, self.split, part) for part in 'xy')
        num_patches, labels = _checked_length(x_path), _checked_labels(y_path)
        if len(labels) != num_patches:
            raise UserError(
                'Patches and labels differ in number.',
                looked_for='x and y of the same length',
                found=f'{num_patches:,} patches in {x_path}, {len(labels):,} labels in {y_path}',
                remedy='take both files from one download',
            )
        return Tiles(_keys(self.split, num_patches), labels, _Patches(str(x_path), num_patches))

    def positions(self, found: Tiles) -> np.ndarray:
        """Positions of the patches that are not excluded, ascending.

        Raises:
            UserError: The list is missing, or names a patch that is not there.
        """
        if self.exclude is None:
            return super().positions(found)
        excluded = _excluded(Path(self.data_root).expanduser() / self.exclude, self.split, len(found))
        return np.setdiff1d(np.arange(len(found)), excluded)

    def content(self, found: Tiles) -> Iterable[object]:
        """Their number, all labels, some patches, evenly spread, and which are excluded."""
        excluded = [] if self.exclude is None else [np.setdiff1d(np.arange(len(found)), self.positions(found))]
        return [len(found), found.labels, _some_patches(found, _SAMPLED_PATCHES), *excluded]

    def read_some(self, found: Tiles, count: int) -> None:
        """Read some patches, which lie in as many chunks of a compressed file."""
        _some_patches(found, min(count, _SAMPLED_PATCHES))


def _some_patches(found: Tiles, count: int) -> np.ndarray:
    """Up to ``count`` patches, evenly spread over the file, uint8 of shape (N, 96, 96, 3)."""
    path = Path(found.sources[0]['h5_path'])
    with open_file(path) as file, reading(path):
        patches = array_of(file, 'x')
        return np.stack([patches[int(position)] for position in evenly(len(found), count)])


@lru_cache(maxsize=4)
def _keys(split: str, count: int) -> Sequence[str]:
    # A grid lists the same quarter of a million patches for each of its trainings.
    return tuple(f'{split}/{index}' for index in range(count))


def _excluded(path: Path, split: str, count: int) -> list[int]:
    """The positions that a list of keys names in a split."""
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(
            'The list of patches to exclude cannot be read.',
            looked_for=path,
            found=error,
            remedy=f'{_remedy(path.parent)} lists the duplicates as duplicates.txt',
        ) from None
    keys = [line.split()[0] for line in lines if line.strip() and not line.startswith('#')]
    positions = [key.removeprefix(f'{split}/') for key in keys if key.startswith(f'{split}/')]
    wrong = [position for position in positions if not (position.isdecimal() and int(position) < count)]
    if wrong:
        raise UserError(
            'The list of patches to exclude names patches that are not there.',
            looked_for=f'{split}/0 to {split}/{count - 1}',
            found=f'{split}/{wrong[0]} in {path}',
        )
    return [int(position) for position in positions]


@dataclass(frozen=True)
class _Patches(Sequence[dict]):
    """What the loading transform needs of each patch, made when asked for: most trainings draw few of 262,144."""

    path: str
    count: int

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, index: int) -> dict:
        if not 0 <= index < self.count:
            raise IndexError(index)
        return {'h5_path': self.path, 'h5_index': int(index)}


def _official_file(root: Path, split: str, part: str) -> Path:
    path = root / FILE_NAME.format(split=OFFICIAL_SPLITS[split], part=part)
    if path.is_file():
        return path
    compressed = path.with_name(f'{path.name}.gz')
    if compressed.is_file():
        raise UserError(
            'A file of PCam is still compressed.',
            looked_for=path,
            found=compressed.name,
            remedy=f'{_remedy(root)}, or decompress it: gunzip --keep "{compressed}"',
        )
    raise UserError(
        'A file of PCam is missing.',
        looked_for=path,
        found=', '.join(sorted(entry.name for entry in root.iterdir())[:8]) or 'an empty folder',
        remedy=_remedy(root),
    )


def _remedy(root: Path) -> str:
    return f'python tools/prepare_data.py pcam --root {root.parent}'


def _checked_length(path: Path) -> int:
    """The number of patches in ``x``, after a look at its type and shape."""
    with open_file(path) as file:
        patches = images_of(file, 'x')
        if patches.shape[1:3] != PCAM.image_size:
            raise UserError(
                'The patches have another size than those of PCam.',
                looked_for=f'x of shape (N, {PCAM.image_size[0]}, {PCAM.image_size[1]}, 3)',
                found=f'shape {patches.shape} in {path}',
            )
        return len(patches)


def _checked_labels(path: Path) -> np.ndarray:
    """The labels in ``y``, as int64 of shape (N,)."""
    with open_file(path) as file:
        stored = array_of(file, 'y')
        if stored.dtype.kind not in 'ui' or stored.ndim != 4 or stored.shape[1:] != (1, 1, 1):
            raise UserError(
                'The labels have another type or shape than those of PCam.',
                looked_for='y of integers and shape (N, 1, 1, 1)',
                found=f'{stored.dtype} and shape {stored.shape} in {path}',
            )
        with reading(path):
            labels = stored[:].reshape(-1).astype(np.int64)
    strange = np.setdiff1d(labels, [0, 1])
    if len(strange):
        raise UserError(
            'There are labels that PCam does not have.',
            looked_for='0 (normal) and 1 (tumour)',
            found=f'{", ".join(map(str, strange[:5]))} in {path}',
        )
    return labels
