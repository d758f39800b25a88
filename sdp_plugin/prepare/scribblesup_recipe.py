"""ScribbleSup's strokes on VOC 2012, one XML an image."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import IO

from sdp_plugin.catalogue.cards import DataCard
from sdp_plugin.catalogue.voc import SCRIBBLESUP, read_id_list
from sdp_plugin.errors import UserError
from sdp_plugin.prepare.archives import Output, each_member
from sdp_plugin.prepare.data_set import DataSet, Part
from sdp_plugin.prepare.voc_recipe import FOLDER as VOC_FOLDER
from sdp_plugin.scribbles.formats.scribblesup import read_scribblesup

FOLDER = 'scribblesup/pascal_2012'
# The authors' archive also holds the strokes on PASCAL-Context, of other classes.
_MEMBER = re.compile(r'(?!.*pascal_context)(?:.*/)?(\d{4}_\d{6}\.xml)', re.IGNORECASE)


def scribblesup(card: DataCard = SCRIBBLESUP) -> DataSet:
    """ScribbleSup as a data set to prepare; any of the card's archives will do."""
    return DataSet(
        name='scribblesup',
        title=card.name,
        terms=card.terms,
        citation=card.citation,
        folder=FOLDER,
        parts=(Part('strokes', _unpack, (card.downloads,)),),
        inspect=_inspect,
    )


def _unpack(files: Sequence[Path], output: Output) -> None:
    def visit(name: str, content: IO[bytes]) -> None:
        found = _MEMBER.fullmatch(name)
        if found:
            output.copy(f'{FOLDER}/{found[1]}', content)

    each_member(files[0], visit)
    if not output.manifest.files:
        raise UserError(f'{files[0]} holds no scribbles of VOC 2012.', looked_for='files such as 2007_000032.xml')


def _inspect(root: Path) -> list[str]:
    paths = sorted((root / FOLDER).glob('*.xml'))
    if not paths:
        raise UserError('There are no scribbles.', looked_for=root / FOLDER / '*.xml')
    strokes = sum(len(read_scribblesup(path).strokes) for path in paths)
    return [f'{len(paths):,} images with {strokes:,} strokes, all of known classes', coverage(root, FOLDER)]


def coverage(root: Path, folder: str) -> str:
    """How much of train_aug the files of a folder cover, in words."""
    train_aug = root / VOC_FOLDER / 'ImageSets' / 'Segmentation' / 'train_aug.txt'
    if not train_aug.is_file():
        return 'prepare voc to learn how much of train_aug they cover'
    ids = read_id_list(train_aug)
    there = {path.stem for path in (root / folder).glob('*.xml')}
    missing = [image_id for image_id in ids if image_id not in there]
    if not missing:
        return f'all {len(ids):,} images of train_aug are covered'
    return (
        f'{len(ids) - len(missing):,} of the {len(ids):,} images of train_aug are covered; take the others out of '
        f'{train_aug} to train on these: {", ".join(missing[:5])}{", ..." if len(missing) > 5 else ""}'
    )
