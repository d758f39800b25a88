"""NCT-CRC-HE-100K to train on, CRC-VAL-HE-7K to test on (Kather et al., 2019): their card, and their folders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import ClassVar

from sdp_plugin.catalogue.cards import DataCard
from sdp_plugin.catalogue.downloads import CRC_VAL_7K, NCT_CRC_100K, NCT_CRC_100K_NONORM
from sdp_plugin.catalogue.tile_folder import TileFolder
from sdp_plugin.catalogue.tiles import TileCollection, Tiles
from sdp_plugin.errors import UserError

NCT_CRC = DataCard(
    name='NCT-CRC-HE-100K, tested on CRC-VAL-HE-7K',
    classes=('ADI', 'BACK', 'DEB', 'LYM', 'MUC', 'MUS', 'NORM', 'STR', 'TUM'),
    palette=(
        *((86, 180, 233), (200, 200, 200), (204, 121, 167), (0, 114, 178), (240, 228, 66)),
        *((230, 159, 0), (0, 158, 115), (120, 94, 60), (213, 94, 0)),
    ),
    sizes={'train': 100_000, 'test': 7_180},
    image_size=(224, 224),
    terms='CC BY 4.0',
    citation=(
        'J. N. Kather, J. Krisam, P. Charoentong, T. Luedde, E. Herpel, C.-A. Weis, T. Gaiser, A. Marx, N. A. Valous, '
        'D. Ferber, et al.: Predicting survival from colorectal cancer histology slides using deep learning: a '
        'retrospective multicenter study. PLOS Medicine 16(1), 2019.'
    ),
    homepage='https://zenodo.org/records/1214456',
    downloads=(NCT_CRC_100K, CRC_VAL_7K),
    mpp=0.5,
    notes=(
        'Adipose, background, debris, lymphocytes, mucus, smooth muscle, normal mucosa, stroma, tumour epithelium.',
        'No patient is in both sets. The classes are not balanced.',
        'The training tiles are colour-normalised (Macenko); the variant NONORM holds them as they were scanned.',
    ),
)
NCT_CRC_NONORM = replace(
    NCT_CRC, name=f'{NCT_CRC.name}, without colour normalisation', downloads=(NCT_CRC_100K_NONORM, CRC_VAL_7K)
)
_FOLDERS = {
    (split, normalised): download.file_name.removesuffix('.zip')
    for normalised, card in ((True, NCT_CRC), (False, NCT_CRC_NONORM))
    for split, download in zip(('train', 'test'), card.downloads, strict=True)
}


@dataclass(frozen=True)
class NCTTiles(TileCollection):
    """The class folders of ``NCT-CRC-HE-100K`` (or ``-NONORM``) and, for the test, of ``CRC-VAL-HE-7K``.

    A tile's key is ``<class>/<name without suffix>``.

    Args:
        data_root (str): The folder that holds both.
        split (str): ``'train'`` or ``'test'``.
        examples_per_class, seed: Of :class:`TileCollection`.
        normalised (bool): Whether the training tiles are the colour-normalised ones. Defaults to True.

    Raises:
        UserError: What :class:`TileCollection` raises, and a validation part: none is published.
    """

    CARD: ClassVar[DataCard] = NCT_CRC
    READ_BY: ClassVar[tuple[str, ...]] = ('data_root', 'split', 'normalised')

    normalised: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.split not in NCT_CRC.sizes:
            raise UserError(
                'NCT-CRC has no validation part.', looked_for="split='train' or 'test'", found=repr(self.split)
            )
        if not isinstance(self.normalised, bool):
            raise UserError('normalised is neither True nor False.', found=repr(self.normalised))

    def look(self) -> Tiles:
        """List the tiles of the split, by class and key.

        Returns:
            Tiles: With ``img_path`` (str) as sources.

        Raises:
            UserError: A missing or empty class folder, or two files of one tile.
        """
        return self._folder.look()

    def content(self, found: Tiles) -> Iterable[object]:
        """The keys, and the sizes of the files."""
        return self._folder.content(found)

    def read_some(self, found: Tiles, count: int) -> None:
        """Decode some tiles, evenly spread."""
        self._folder.read_some(found, count)

    @property
    def folders(self) -> tuple[Path, ...]:
        """That of the split."""
        return (Path(self._folder.data_root),)

    @property
    def _folder(self) -> TileFolder:
        folder = Path(self.data_root).expanduser() / _FOLDERS[self.split, self.normalised]
        return TileFolder(data_root=str(folder), split=self.split, num_folds=None, classes=NCT_CRC.classes)
