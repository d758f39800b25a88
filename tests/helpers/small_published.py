"""All data sets as they are published, small but in their true layouts, and what it takes to prepare them.

As a program it prepares them from a server in a child process, once for each line that it reads, for tests that kill
the child: ``small_published.py ADDRESS ROOT NAME...``.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import sys
import tarfile
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

import h5py
import numpy as np
import scipy.io
from PIL import Image

from sdp_plugin.bars import Board
from sdp_plugin.catalogue.cards import DataCard
from sdp_plugin.catalogue.crc import CLASS_FOLDERS, CRC
from sdp_plugin.catalogue.downloads import Download
from sdp_plugin.catalogue.nct_crc import NCT_CRC
from sdp_plugin.catalogue.palette import voc_palette
from sdp_plugin.catalogue.pcam import PCAM
from sdp_plugin.catalogue.voc import CLICKS, SCRIBBLESUP, VOC_2012
from sdp_plugin.prepare.clicks_recipe import clicks
from sdp_plugin.prepare.data_set import DataSet
from sdp_plugin.prepare.pcam_recipe import pcam
from sdp_plugin.prepare.preparation import Sources, prepare
from sdp_plugin.prepare.scribblesup_recipe import scribblesup
from sdp_plugin.prepare.tiles_recipe import crc, nct_crc
from sdp_plugin.prepare.transport import Patience
from sdp_plugin.prepare.voc_recipe import voc
from sdp_plugin.scribbles.formats.scribblesup import scribblesup_text
from sdp_plugin.scribbles.strokes import ScribbleSet, Stroke

VOC_TRAIN = ('2007_000032', '2007_000039', '2007_000063')
VOC_VAL = ('2007_000033', '2007_000042')
# SBD has images of both of VOC's splits; where both have a mask, VOC's counts.
SBD_TRAIN = ('2008_000002', '2007_000032', '2008_000007', '2007_000033')
SBD_VAL = ('2008_000009', '2008_000015')
TRAIN_AUG = tuple(sorted({*VOC_TRAIN, *SBD_TRAIN, *SBD_VAL} - set(VOC_VAL)))
WIDTH, HEIGHT = 40, 30
PCAM_SIZES = {'train': 64, 'val': 16, 'test': 16}
CRC_PER_CLASS = 3
NCT_SIZES = {'train': 18, 'test': 9}
PATIENT = Patience(connect=5, stall=2, tries=12, first_wait=0.01, longest_wait=0.05)


def mask_of(image_id: str, kind: str) -> np.ndarray:
    """A mask of one class with, in VOC's, a border of void."""
    mask = np.zeros((HEIGHT, WIDTH), np.uint8)
    mask[5:20, 8:30] = 1 + int(image_id[-2:]) % 20
    if kind == 'voc':
        mask[5:20, [8, 29]] = 255
    return mask


def png_of(array: np.ndarray, palette: bool = False) -> bytes:
    image = Image.fromarray(array)
    if palette:
        image.putpalette(voc_palette().astype(np.uint8).tobytes())
    return _saved(image, 'PNG')


def _saved(image: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, format=kind)
    return stream.getvalue()


def tar_of(contents: dict[str, bytes], mode: str = 'w') -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode=mode) as archive:
        for name, content in contents.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return stream.getvalue()


def zip_of(contents: dict[str, bytes]) -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, 'w', zipfile.ZIP_DEFLATED) as archive:
        for name, content in contents.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return stream.getvalue()


def hdf5_of(name: str, array: np.ndarray, **options: object) -> bytes:
    stream = io.BytesIO()
    with h5py.File(stream, 'w', track_order=True) as file:
        file.create_dataset(name, data=array, **options)
    return stream.getvalue()


def mat_of(mask: np.ndarray) -> bytes:
    stream = io.BytesIO()
    scipy.io.savemat(stream, {'GTcls': {'Boundaries': np.zeros(20), 'Segmentation': mask, 'CategoriesPresent': [1]}})
    # SciPy writes the date into the first 116 bytes.
    return b'MATLAB 5.0 MAT-file'.ljust(116) + stream.getvalue()[116:]


def list_text(ids: tuple[str, ...]) -> bytes:
    return ''.join(f'{image_id}\n' for image_id in ids).encode()


def voc_archive() -> bytes:
    random = np.random.RandomState(0)
    folder = 'VOCdevkit/VOC2012'
    lists = {'train': VOC_TRAIN, 'val': VOC_VAL, 'trainval': VOC_TRAIN + VOC_VAL}
    contents = {f'{folder}/ImageSets/Segmentation/{name}.txt': list_text(ids) for name, ids in lists.items()}
    for image_id in sorted({*TRAIN_AUG, *VOC_VAL}):
        picture = random.randint(0, 255, (HEIGHT, WIDTH, 3)).astype(np.uint8)
        contents[f'{folder}/JPEGImages/{image_id}.jpg'] = _saved(Image.fromarray(picture), 'JPEG')
        contents[f'{folder}/Annotations/{image_id}.xml'] = f'<annotation>{image_id}</annotation>'.encode()
    for image_id in VOC_TRAIN + VOC_VAL:
        contents[f'{folder}/SegmentationClass/{image_id}.png'] = png_of(mask_of(image_id, 'voc'), palette=True)
    contents['VOCdevkit/VOC2012/../../../evil.txt'] = b'nobody wants this'
    return tar_of(contents)


def sbd_archive() -> bytes:
    folder = 'benchmark_RELEASE/dataset'
    contents = {f'{folder}/cls/{image_id}.mat': mat_of(mask_of(image_id, 'sbd')) for image_id in SBD_TRAIN + SBD_VAL}
    contents |= {f'{folder}/img/{image_id}.jpg': b'not looked at' for image_id in SBD_TRAIN}
    contents |= {f'{folder}/train.txt': list_text(SBD_TRAIN), f'{folder}/val.txt': list_text(SBD_VAL)}
    # tarfile's own compression writes the time into its header, and processes would differ.
    return gzip.compress(tar_of(contents, 'w'), mtime=0)


def scribbles_archive() -> bytes:
    def text(image_id: str) -> bytes:
        strokes = (Stroke([[1, 1], [5, 9]], 0), Stroke([[10, 10], [20, 12], [50, 40]], 1 + int(image_id[-2:]) % 20))
        return scribblesup_text(image_id, ScribbleSet(strokes, WIDTH, HEIGHT)).encode()

    contents = {f'scribble_annotation/pascal_2012/{image_id}.xml': text(image_id) for image_id in TRAIN_AUG}
    contents['scribble_annotation/pascal_context/2008_000002.xml'] = b'<annotation>of other classes</annotation>'
    contents['__MACOSX/scribble_annotation/pascal_2012/._2008_000002.xml'] = b'not this'
    return zip_of(contents)


def clicks_files() -> tuple[bytes, bytes]:
    objects = {image_id: [{'x': 20.25, 'y': 10.5, 'rank': 1, 'cls': 1}] for image_id in (*TRAIN_AUG, '2011_003276')}
    background = {image_id: [{'x': 2, 'y': 3.5, 'cls': 0}] for image_id in TRAIN_AUG[1:]}
    return json.dumps(background).encode(), json.dumps(objects).encode()


def pcam_files() -> dict[str, bytes]:
    """Patches, of which some are there twice: within training, and across splits with another label."""
    random = np.random.RandomState(1)
    patches = {
        split: random.randint(0, 255, (count, 96, 96, 3)).astype(np.uint8) for split, count in PCAM_SIZES.items()
    }
    patches['train'][10] = patches['train'][4]
    patches['train'][12] = patches['train'][4]
    patches['train'][21] = patches['test'][8]
    patches['val'][5] = patches['test'][1]
    files = {}
    for split, array in patches.items():
        name = {'val': 'valid'}.get(split, split)
        # At even places tumour; PCam's files are chunked in one way or another.
        labels = (np.arange(len(array)) % 2 == 0).astype(np.uint8).reshape(-1, 1, 1, 1)
        files[f'{name}_x'] = hdf5_of('x', array, chunks=(10, 96, 96, 3))
        files[f'{name}_y'] = hdf5_of('y', labels)
    return {
        f'camelyonpatch_level_2_split_{part}.h5.gz': gzip.compress(content, 1, mtime=0)
        for part, content in files.items()
    }


def crc_archive() -> bytes:
    random = np.random.RandomState(2)
    contents = {}
    for folder in CLASS_FOLDERS:
        for number in range(CRC_PER_CLASS):
            tile = np.kron(random.randint(0, 255, (15, 15, 3)), np.ones((10, 10, 1))).astype(np.uint8)
            name = f'{number:X}A{number}_CRC-Prim-HE-0{number + 1}_022.tif_Row_1_Col_{number}.tif'
            contents[f'Kather_texture_2016_image_tiles_5000/{folder}/{name}'] = _saved(Image.fromarray(tile), 'TIFF')
    contents['Kather_texture_2016_image_tiles_5000/01_TUMOR/.DS_Store'] = b'of a Mac'
    return zip_of(contents)


def nct_archive(folder: str, count: int) -> bytes:
    random = np.random.RandomState(count)
    contents = {}
    for number in range(count):
        name = NCT_CRC.classes[number % len(NCT_CRC.classes)]
        tile = np.kron(random.randint(0, 255, (14, 14, 3)), np.ones((16, 16, 1))).astype(np.uint8)
        contents[f'{folder}/{name}/{name}-{number:04}.tif'] = _saved(Image.fromarray(tile), 'TIFF')
    return zip_of(contents)


@cache
def published() -> dict[str, bytes]:
    """Every published file by name."""
    background, objects = clicks_files()
    return {
        'VOCtrainval_11-May-2012.tar': voc_archive(),
        'benchmark.tgz': sbd_archive(),
        'scribble_annotation.zip': scribbles_archive(),
        'voc_whats_the_point_bg_from_scribbles.json': background,
        'voc_whats_the_point.json': objects,
        **pcam_files(),
        'Kather_texture_2016_image_tiles_5000.zip': crc_archive(),
        'NCT-CRC-HE-100K.zip': nct_archive('NCT-CRC-HE-100K', NCT_SIZES['train']),
        'CRC-VAL-HE-7K.zip': nct_archive('CRC-VAL-HE-7K', NCT_SIZES['test']),
    }


@dataclass(frozen=True)
class Published:
    """What it takes to prepare the small data from a server.

    Args:
        address (str): Of the server.
    """

    address: str

    def download(self, name: str) -> Download:
        """The facts of a file, as many as of the real one."""
        content = published()[name]
        digests = {
            'benchmark.tgz': {'md5': hashlib.md5(content).hexdigest()},
            'scribble_annotation.zip': {},
            'voc_whats_the_point.json': {'git_blob': hashlib.sha1(b'blob %d\0' % len(content) + content).hexdigest()},
        }
        facts = digests.get(name, {'size': len(content), 'sha256': hashlib.sha256(content).hexdigest()})
        return Download(name, f'{self.address}/{name}', mirrors=(f'{self.address}/mirror/{name}',), **facts)

    def data_sets(self) -> dict[str, DataSet]:
        """All data sets by name."""
        absent = Download('voc_scribbles.zip', f'{self.address}/voc_scribbles.zip', git_blob='0' * 40)
        small_voc = self.card(VOC_2012, {'train_aug': len(TRAIN_AUG), 'val': len(VOC_VAL)})
        scribbles = self.card(replace(SCRIBBLESUP, downloads=SCRIBBLESUP.downloads[1:]))
        found = (
            voc(small_voc, hashlib.sha256(list_text(TRAIN_AUG)).hexdigest()),
            scribblesup(replace(scribbles, downloads=(absent, *scribbles.downloads))),
            clicks(self.card(CLICKS)),
            pcam(self.card(PCAM, PCAM_SIZES)),
            crc(self.card(CRC, {'all': CRC_PER_CLASS * len(CLASS_FOLDERS)})),
            nct_crc(self.card(NCT_CRC, NCT_SIZES)),
        )
        return {data_set.name: data_set for data_set in found}

    def card(self, card: DataCard, sizes: Mapping[str, int] | None = None) -> DataCard:
        """The card of the small data."""
        downloads = tuple(self.download(download.file_name) for download in card.downloads)
        return replace(card, sizes=sizes or card.sizes, downloads=downloads)


def served() -> dict[str, bytes]:
    """What a server of the small data serves: every file, also as a mirror."""
    return {**published(), **{f'mirror/{name}': content for name, content in published().items()}}


def prepare_in_a_child(address: str, root: Path, names: list[str]) -> None:
    """Fork a child that prepares, print its process id, wait for it and print the signal that ended it, or 0."""
    child = os.fork()
    if child == 0:
        data_sets = Published(address).data_sets()
        with Board(in_bytes=True) as board:
            for name in names:
                prepare(data_sets[name], root, Sources(yes=True, patience=PATIENT), board)
        os._exit(0)
    print(child, flush=True)
    _, status = os.waitpid(child, 0)
    print(os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0, flush=True)


if __name__ == '__main__':
    published()
    for _ in sys.stdin:
        prepare_in_a_child(sys.argv[1], Path(sys.argv[2]), sys.argv[3:])
