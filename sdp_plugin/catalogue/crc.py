"""The colorectal tiles of Kather et al. (2016): their card, and their folders."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import ClassVar

from sdp_plugin.catalogue.cards import DataCard
from sdp_plugin.catalogue.downloads import CRC_TILES
from sdp_plugin.catalogue.tile_folder import FoldedTiles
from sdp_plugin.errors import UserError

CRC = DataCard(
    name='Kather 2016: textures in colorectal cancer histology (CRC)',
    classes=('TUMOR', 'STROMA', 'COMPLEX', 'LYMPHO', 'DEBRIS', 'MUCOSA', 'ADIPOSE', 'EMPTY'),
    palette=(
        *((213, 94, 0), (230, 159, 0), (240, 228, 66), (0, 114, 178)),
        *((204, 121, 167), (0, 158, 115), (86, 180, 233), (200, 200, 200)),
    ),
    sizes={'all': 5_000},
    image_size=(150, 150),
    terms='CC BY 4.0',
    citation=(
        'J. N. Kather, C.-A. Weis, F. Bianconi, S. M. Melchers, L. R. Schad, T. Gaiser, A. Marx, F. G. Zoellner: '
        'Multi-class texture analysis in colorectal cancer histology. Scientific Reports 6, 27988, 2016.'
    ),
    homepage='https://zenodo.org/record/53169',
    downloads=(CRC_TILES,),
    notes=(
        '625 tiles of each class, without official splits: the literature uses 10-fold cross-validation.',
        'The tiles come from ten source images (CRC-Prim-HE-NN in the file name) of 238 to 1,061 tiles each. Random '
        'folds put tiles of one source image on both sides; folds grouped by source image do not.',
        'CRC-Prim-HE-06 holds 590 of the 625 EMPTY tiles and CRC-Prim-HE-10 the other 35, so 50 examples a class '
        'cannot be drawn while CRC-Prim-HE-06 is held out.',
    ),
    mpp=0.495,
)

CLASS_FOLDERS = tuple(f'{number:02}_{name}' for number, name in enumerate(CRC.classes, start=1))
GROUP_PATTERNS: Mapping[str, str | None] = MappingProxyType({'none': None, 'source_image': r'CRC-Prim-HE-\d+'})


@dataclass(frozen=True)
class KatherTiles(FoldedTiles):
    """``Kather_texture_2016_image_tiles_5000/{01_TUMOR,...,08_EMPTY}``, the official TIFFs or re-encoded tiles.

    Folds are stratified by class, as in the literature. They put tiles of one source image on both sides;
    ``group_by='source_image'`` keeps them together by the ``CRC-Prim-HE-NN`` in the official names, with at most ten
    folds, which are uneven.

    Args:
        data_root, split, examples_per_class, seed, num_folds, fold, fold_seed: Of :class:`FoldedTiles`.
        group_by (str): ``'none'`` or ``'source_image'``. Defaults to ``'none'``.

    Raises:
        UserError: What :class:`FoldedTiles` raises, and an unknown ``group_by``.
    """

    CARD: ClassVar[DataCard] = CRC

    group_by: str = 'none'

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.group_by, str) or self.group_by not in GROUP_PATTERNS:
            raise UserError('Unknown group_by.', looked_for=', '.join(GROUP_PATTERNS), found=repr(self.group_by))

    @property
    def class_folders(self) -> tuple[str, ...]:
        """``01_TUMOR`` to ``08_EMPTY``."""
        return CLASS_FOLDERS

    @property
    def complete_size(self) -> int:
        """5,000: the folds are made here, not published."""
        return CRC.sizes['all']

    @property
    def pattern(self) -> str | None:
        """What finds the source image in a name, or None."""
        return GROUP_PATTERNS[self.group_by]
