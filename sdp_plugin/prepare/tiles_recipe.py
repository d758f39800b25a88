"""Tiles that are published as a zip of class folders: CRC, and NCT-CRC with its test set."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import IO

from PIL import Image

from sdp_plugin.catalogue.cards import DataCard
from sdp_plugin.catalogue.crc import CLASS_FOLDERS, CRC, GROUP_PATTERNS
from sdp_plugin.catalogue.downloads import Download
from sdp_plugin.catalogue.nct_crc import NCT_CRC, NCT_CRC_NONORM
from sdp_plugin.errors import UserError
from sdp_plugin.prepare.archives import Output, each_member
from sdp_plugin.prepare.data_set import DataSet, Part

_TILE_SUFFIXES = ('.tif', '.tiff', '.png')


def crc(card: DataCard = CRC) -> DataSet:
    """Kather's 5,000 tiles as a data set to prepare."""
    (archive,) = card.downloads
    folder = _folder_of(archive)

    def inspect(root: Path) -> list[str]:
        each = card.sizes['all'] // len(CLASS_FOLDERS)
        paths = _tiles_in(root / folder, CLASS_FOLDERS, card.image_size, dict.fromkeys(CLASS_FOLDERS, each))
        return [
            f'{len(paths):,} tiles of {_size_words(card)}, {each} in each of {len(CLASS_FOLDERS)} classes',
            _source_images(paths),
        ]

    return _of_zips('crc', card, {'tiles': archive}, CLASS_FOLDERS, inspect)


def nct_crc(card: DataCard = NCT_CRC, name: str = 'nct-crc') -> DataSet:
    """NCT-CRC-HE-100K to train on and CRC-VAL-HE-7K to test on, as a data set to prepare."""
    train, test = card.downloads

    def inspect(root: Path) -> list[str]:
        lines = []
        for split, archive in (('train', train), ('test', test)):
            paths = _tiles_in(root / _folder_of(archive), card.classes, card.image_size)
            if len(paths) != card.sizes[split]:
                raise UserError(f'{split} has {len(paths):,} tiles.', looked_for=f'{card.sizes[split]:,}')
            counts = Counter(path.parent.name for path in paths)
            lines.append(
                f'{split}: {len(paths):,} tiles of {_size_words(card)}: '
                + ', '.join(f'{class_name} {counts[class_name]:,}' for class_name in card.classes)
            )
        return lines

    return _of_zips(name, card, {'train': train, 'test': test}, card.classes, inspect)


nct_crc_nonorm = partial(nct_crc, NCT_CRC_NONORM, 'nct-crc-nonorm')


def _of_zips(
    name: str,
    card: DataCard,
    archives: dict[str, Download],
    class_folders: Sequence[str],
    inspect: Callable[[Path], list[str]],
) -> DataSet:
    return DataSet(
        name=name,
        title=card.name,
        terms=card.terms,
        citation=card.citation,
        folder=_folder_of(next(iter(archives.values()))),
        parts=tuple(
            Part(part, partial(_unpack, _folder_of(archive), tuple(class_folders)), ((archive,),))
            for part, archive in archives.items()
        ),
        inspect=inspect,
    )


def _folder_of(archive: Download) -> str:
    return archive.file_name.removesuffix('.zip')


def _unpack(folder: str, class_folders: Sequence[str], files: Sequence[Path], output: Output) -> None:
    classes = '|'.join(map(re.escape, class_folders))
    suffixes = '|'.join(map(re.escape, _TILE_SUFFIXES))
    member = re.compile(rf'(?:.*/)?({classes})/([\w-][\w .-]*(?:{suffixes}))')

    def visit(name: str, content: IO[bytes]) -> None:
        found = member.fullmatch(name)
        if found and not name.startswith('__MACOSX'):
            output.copy(f'{folder}/{found[1]}/{found[2]}', content)

    each_member(files[0], visit)
    if not output.manifest.files:
        raise UserError(f'{files[0]} holds no tiles.', looked_for=f'folders {", ".join(class_folders)}')


def _tiles_in(
    folder: Path,
    class_folders: Sequence[str],
    size: tuple[int, int],
    counts: dict[str, int] | None = None,
) -> list[Path]:
    """The tiles of all classes, after a look at their number and their sizes in pixels."""
    paths = []
    for name in class_folders:
        of_class = sorted(p for p in (folder / name).glob('[!.]*') if p.suffix.lower() in _TILE_SUFFIXES)
        if not of_class or (counts and len(of_class) != counts[name]):
            raise UserError(
                f'{folder / name} holds {len(of_class):,} tiles.', looked_for=counts[name] if counts else 'some'
            )
        paths += of_class
    for path in paths:
        _check_size(path, size)
    return paths


def _check_size(path: Path, size: tuple[int, int]) -> None:
    try:
        with Image.open(path) as image:
            found = image.size[::-1]
    except (OSError, Image.DecompressionBombError) as error:
        raise UserError(f'{path} is no image.', found=error) from error
    if found != tuple(size):
        raise UserError(f'{path} is of another size.', looked_for=f'{size[1]} x {size[0]}', found=found[::-1])


def _size_words(card: DataCard) -> str:
    return f'{card.image_size[1]} x {card.image_size[0]} pixels'


def _source_images(paths: Sequence[Path]) -> str:
    """The source images that the names tell, in words."""
    found = [(path, re.search(GROUP_PATTERNS['source_image'], path.name)) for path in paths]
    without = [path for path, match in found if match is None]
    if without:
        raise UserError('A tile does not name its source image.', looked_for='CRC-Prim-HE-NN', found=without[0])
    counts = Counter(match[0] for _, match in found)
    return f'{len(counts)} source images of {min(counts.values()):,} to {max(counts.values()):,} tiles'
