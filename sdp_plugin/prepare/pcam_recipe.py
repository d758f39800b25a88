"""PatchCamelyon: six HDF5 files, unpacked; a list of duplicate patches; a layout that reads fast."""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import h5py
import numpy as np

from sdp_plugin.bars import Board
from sdp_plugin.catalogue.cards import DataCard
from sdp_plugin.catalogue.downloads import Download
from sdp_plugin.catalogue.manifests import Manifest
from sdp_plugin.catalogue.pcam import PCAM, PCam
from sdp_plugin.errors import UserError
from sdp_plugin.hdf5 import images_of, open_file, reading
from sdp_plugin.prepare.archives import Output, gunzipped
from sdp_plugin.prepare.data_set import DataSet, Part, next_manifest

FOLDER = 'pcam'
DUPLICATES = f'{FOLDER}/duplicates.txt'
# Half of the patches are tumour, to within this share.
_IMBALANCE = 0.01
_BATCH = 1024
_LAYOUTS = {'contiguous': {}, 'chunked': {'chunks': (1, 96, 96, 3)}}
LAYOUTS = tuple(_LAYOUTS)


def pcam(card: DataCard = PCAM) -> DataSet:
    """PCam as a data set to prepare."""
    parts = tuple(Part(_part_name(download), _unpack, ((download,),)) for download in card.downloads)
    duplicates = Part('duplicates', _list_duplicates, after=tuple(part.name for part in parts))
    return DataSet(
        name='pcam',
        title=card.name,
        terms=card.terms,
        citation=card.citation,
        folder=FOLDER,
        parts=(*parts, duplicates),
        inspect=lambda root: _inspect(root, card),
    )


def _part_name(download: Download) -> str:
    return download.file_name.removeprefix('camelyonpatch_level_2_split_').removesuffix('.h5.gz')


def _unpack(files: Sequence[Path], output: Output) -> None:
    with gunzipped(files[0]) as content:
        output.copy(f'{FOLDER}/{files[0].name.removesuffix(".gz")}', content)


def _inspect(root: Path, card: DataCard) -> list[str]:
    lines = []
    for split, wanted in card.sizes.items():
        path, labels = _split(root, split)
        if len(labels) != wanted:
            raise UserError(f'{path} has {len(labels):,} patches.', looked_for=f'{wanted:,}')
        tumour = int(labels.sum())
        if abs(tumour / len(labels) - 0.5) > _IMBALANCE:
            raise UserError(f'{path}: the labels are out of balance.', looked_for='half tumour', found=f'{tumour:,}')
        lines.append(f'{split}: {len(labels):,} patches, {tumour:,} of them tumour, {_stored(path)}')
    duplicates = root / DUPLICATES
    if duplicates.is_file():
        lines.append(duplicates.read_text(encoding='utf-8').splitlines()[1].removeprefix('# '))
    return lines


def _split(root: Path, split: str) -> tuple[Path, np.ndarray]:
    """The file of a split's patches, and their labels."""
    tiles = PCam(data_root=str(root / FOLDER), split=split).look()
    return Path(tiles.sources[0]['h5_path']), tiles.labels


def _stored(path: Path) -> str:
    """How the patches of a file are stored, in words."""
    with open_file(path) as file:
        patches = images_of(file, 'x')
        if patches.chunks is None:
            return 'contiguous'
        compression = f', {patches.compression}' if patches.compression else ''
        return f'in chunks of {patches.chunks[0]}{compression}'


def _list_duplicates(files: Sequence[Path], output: Output) -> None:
    """List the patches that are there twice, in one split or in two, as keys of the data set."""
    first: dict[bytes, tuple[str, int]] = {}
    lines: list[str] = []
    pairs: Counter[tuple[str, str]] = Counter()
    contradicting = 0
    # Training last: of a patch that is in another split too, it is the training one that has to go.
    for split in ('test', 'val', 'train'):
        path, labels = _split(output.root, split)
        for index, digest in enumerate(_digests(path)):
            key, label = f'{split}/{index}', int(labels[index])
            same, label_of_same = first.setdefault(digest, (key, label))
            if same != key:
                lines.append(f'{key} {same}')
                pairs[split, same.partition('/')[0]] += 1
                contradicting += label != label_of_same
    counts = ', '.join(f'{count:,} of {split} in {other}' for (split, other), count in sorted(pairs.items()))
    header = (
        '# A patch, and an earlier one that is the same pixel for pixel. exclude= of PCamDataset leaves the first out.',
        f'# duplicates: {counts or "none"}; {contradicting:,} with another label',
    )
    output.write(DUPLICATES, '\n'.join((*header, *lines, '')).encode())


def _digests(path: Path) -> Iterator[bytes]:
    for batch in _batches(path):
        for patch in batch:
            yield hashlib.blake2b(patch, digest_size=16).digest()


def _batches(path: Path) -> Iterator[np.ndarray]:
    with open_file(path) as file:
        patches = images_of(file, 'x')
        for start in range(0, len(patches), _BATCH):
            with reading(path, f', from image {start} on'):
                batch = np.ascontiguousarray(patches[start : start + _BATCH])
            yield batch


def rewrite(data_set: DataSet, root: Path, layout: str, board: Board) -> None:
    """Store the patches in another layout; what is stored stays the same, and is compared before it takes its place.

    Contiguous reads fastest (docs/speed.md). The digests of the new files are recorded in the manifests.

    Args:
        data_set (DataSet): PCam, complete.
        root (Path): The folder of all data sets.
        layout (str): One of :data:`LAYOUTS`.
        board (Board): Told what is done.

    Raises:
        UserError: The files were brought into place by hand, or cannot be rewritten.
    """
    if data_set.is_by_hand(root):
        raise UserError(
            f'{root / FOLDER} was brought into place by hand, and is left alone.',
            remedy='pass --replace to have PCam made anew, and in this layout',
        )
    for part in data_set.parts:
        name = f'{FOLDER}/camelyonpatch_level_2_split_{part.name}.h5'
        if not part.name.endswith('_x') or _stored(root / name) == _WORDS[layout]:
            continue
        path = data_set.manifest_path(root, part)
        manifest = Manifest.read(path)
        with board.bar(f'pcam: {part.name}: {layout}', (root / name).stat().st_size) as bar:
            output = Output(root)
            with output.replacing(name) as temporary:
                _copy(root / name, temporary, layout, bar.advance)
                _compare(root / name, temporary)
                output.add(name, temporary)
                output.manifest.about = {**manifest.about, 'layout': layout}
                output.manifest.write(next_manifest(path))
        os.replace(next_manifest(path), path)
        board.say(f'pcam: {part.name}: stored {_stored(root / name)}')


_WORDS = {'contiguous': 'contiguous', 'chunked': 'in chunks of 1'}


def _copy(source: Path, target: Path, layout: str, advance: Callable[[int], None]) -> None:
    with open_file(source) as old, h5py.File(target, 'w') as new:
        patches = images_of(old, 'x')
        written = new.create_dataset('x', patches.shape, patches.dtype, **_LAYOUTS[layout])
        start = 0
        for batch in _batches(source):
            written[start : start + len(batch)] = batch
            start += len(batch)
            advance(batch.nbytes)


def _compare(one: Path, other: Path) -> None:
    pairs = zip(_batches(one), _batches(other), strict=True)
    if not all(np.array_equal(first, second) for first, second in pairs):
        raise UserError(f'{one} could not be rewritten: what was written is not what was read.')
