"""Pascal VOC 2012: its card and that of its scribbles, an image list, and folders of images and labels."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import ClassVar

from sdp_plugin.catalogue.cards import DataCard
from sdp_plugin.catalogue.collection import Collection, check_text, evenly
from sdp_plugin.catalogue.downloads import (
    CLICKS_ON_BACKGROUND,
    CLICKS_ON_OBJECTS,
    SBD_BENCHMARK,
    SCRIBBLES_OF_AUTHORS,
    SCRIBBLES_OF_GATED_CRF,
    VOC_TRAINVAL,
)
from sdp_plugin.catalogue.palette import voc_palette
from sdp_plugin.errors import UserError
from sdp_plugin.image_files import read_image
from sdp_plugin.records import read_text
from sdp_plugin.scribbles.formats.index_png import check_classes, read_index_png

VOC_CLASSES = (
    *('background', 'aeroplane', 'bicycle', 'bird', 'boat', 'bottle', 'bus'),
    *('car', 'cat', 'chair', 'cow', 'diningtable', 'dog', 'horse'),
    *('motorbike', 'person', 'pottedplant', 'sheep', 'sofa', 'train', 'tvmonitor'),
)

FOREGROUND_CLASSES = VOC_CLASSES[1:]

VOC_PALETTE = tuple(tuple(colour) for colour in voc_palette()[: len(VOC_CLASSES)].tolist())

VOC_2012 = DataCard(
    name='PASCAL VOC 2012 with the SBD masks (train_aug)',
    classes=VOC_CLASSES,
    palette=VOC_PALETTE,
    sizes={'train_aug': 10_582, 'val': 1_449},
    image_size=None,
    terms='The images come from Flickr and are under its terms of use: for research, redistribution not granted.',
    citation=(
        'M. Everingham, L. Van Gool, C. K. I. Williams, J. Winn, A. Zisserman: The PASCAL Visual Object Classes '
        '(VOC) Challenge. International Journal of Computer Vision 88(2), 2010. Masks of train_aug: B. Hariharan, '
        'P. Arbelaez, L. Bourdev, S. Maji, J. Malik: Semantic Contours from Inverse Detectors. ICCV 2011.'
    ),
    homepage='http://host.robots.ox.ac.uk/pascal/VOC/voc2012/',
    downloads=(VOC_TRAINVAL, SBD_BENCHMARK),
    notes=('Mask value 255 is the ignore index (void, object borders).',),
)

SCRIBBLESUP = DataCard(
    name='ScribbleSup (PASCAL VOC 2012 part)',
    classes=VOC_CLASSES,
    palette=VOC_PALETTE,
    sizes={'train_aug': 10_582},
    image_size=None,
    terms='For research use.',
    citation=(
        'D. Lin, J. Dai, J. Jia, K. He, J. Sun: ScribbleSup: Scribble-Supervised Convolutional Networks for Semantic '
        'Segmentation. CVPR 2016.'
    ),
    homepage='https://jifengdai.org/downloads/scribble_sup/',
    downloads=(SCRIBBLES_OF_GATED_CRF, SCRIBBLES_OF_AUTHORS),
    notes=(
        'One XML of strokes an image; the images and full masks are those of PASCAL VOC 2012.',
        'Its tags are not the class names of VOC (plane, bike, table, monitor, ...), but come in the same order.',
        'The PASCAL-Context part adds 38 more tags, which are not classes of VOC.',
    ),
)

CLICKS = DataCard(
    name="What's the Point: clicks on PASCAL VOC 2012, with background points from ScribbleSup",
    classes=VOC_CLASSES,
    palette=VOC_PALETTE,
    sizes={'train_aug': 10_582},
    image_size=None,
    terms='For research use.',
    citation=(
        "A. Bearman, O. Russakovsky, V. Ferrari, L. Fei-Fei: What's the Point: Semantic Segmentation with Point "
        'Supervision. ECCV 2016. Background points: A. Obukhov, S. Georgoulis, D. Dai, L. Van Gool: Gated CRF Loss for '
        'Weakly Supervised Semantic Image Segmentation. arXiv 1906.04651.'
    ),
    homepage='https://vision.stanford.edu/whats_the_point/',
    downloads=(CLICKS_ON_BACKGROUND, CLICKS_ON_OBJECTS),
    notes=(
        'Coordinates are pixels of the original images, whose longest side is 500.',
        'On 3,131 images of train_aug 87.3 % of the clicks on objects and 97.7 % of the background points hit the '
        'class of the full mask.',
    ),
)


# What a folder of data_prefix adds to an image's record, and the suffix of its files.
FILES_OF_AN_IMAGE: Mapping[str, str] = MappingProxyType(
    {'img_path': '.jpg', 'seg_map_path': '.png', 'scribble_path': '.xml', 'annotation_path': '.xml'}
)


@dataclass(frozen=True)
class VOCFiles(Collection):
    """A list of images of Pascal VOC 2012, and the folders in which the files of each image lie.

    Args:
        data_root (str): What the other paths are relative to.
        ann_file (str): List of image ids, one a line.
        data_prefix (Mapping[str, str]): Folders by the key that they add to an image's record, one or more of
            ``FILES_OF_AN_IMAGE``. A folder of None is left out.
        scribble_suffix (str): Suffix of the scribble files. Defaults to ``'.xml'``.

    Raises:
        UserError: An unknown key of ``data_prefix``, or values that are no paths.
    """

    LABELS: ClassVar[str] = 'a mask'
    READ_BY: ClassVar[tuple[str, ...]] = ('data_root', 'ann_file', 'data_prefix', 'scribble_suffix')

    ann_file: str = ''
    data_prefix: Mapping[str, str] = ()
    scribble_suffix: str = '.xml'

    def __post_init__(self) -> None:
        super().__post_init__()
        pairs = self.data_prefix
        if not isinstance(pairs, tuple) or not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
            raise UserError('data_prefix is no dict of folders.', found=repr(self.data_prefix))
        folders = dict(self.data_prefix)
        unknown = sorted(map(str, set(folders) - set(FILES_OF_AN_IMAGE)))
        if unknown:
            raise UserError('Unknown key in data_prefix.', looked_for=', '.join(FILES_OF_AN_IMAGE), found=unknown)
        texts = {'ann_file': self.ann_file, 'scribble_suffix': self.scribble_suffix}
        for name, value in (texts | {key: folder for key, folder in folders.items() if folder is not None}).items():
            check_text(name, value)

    @property
    def class_names(self) -> tuple[str, ...]:
        """Background and the 20 foreground classes."""
        return VOC_CLASSES

    @property
    def folders(self) -> tuple[Path, ...]:
        """None: the list of images says which files have to be there."""
        return ()

    def look(self) -> dict[str, dict[str, str]]:
        """The files of each listed image, all of which are there.

        Returns:
            dict[str, dict[str, str]]: By image id, in the list's order, the path of each kind of file.

        Raises:
            UserError: A folder is missing, the list is missing, empty or names an id twice, or a named file is missing.
        """
        root = Path(self.data_root).expanduser()
        folders = {key: root / Path(folder).expanduser() for key, folder in self.data_prefix if folder is not None}
        for key, folder in folders.items():
            if not folder.is_dir():
                raise UserError(
                    f'The folder for {key} is missing.',
                    looked_for=folder,
                    remedy='python tools/prepare_data.py voc scribblesup clicks, or set data_root to where they lie',
                )
        ann_file = root / self.ann_file
        suffixes = {**FILES_OF_AN_IMAGE, 'scribble_path': self.scribble_suffix}
        ids = read_id_list(ann_file)
        for key, folder in folders.items():
            _check_files(key, folder, ids, suffixes, ann_file)
        return {i: {key: str(folder / f'{i}{suffixes[key]}') for key, folder in folders.items()} for i in ids}

    def content(self, found: dict[str, dict[str, str]]) -> Iterable[object]:
        """The list, and the names and sizes of the files that it names."""
        folders = {key: os.path.dirname(path) for key, path in next(iter(found.values())).items()}
        sizes = {
            key: {entry.name: entry.stat().st_size for entry in os.scandir(folder)} for key, folder in folders.items()
        }
        return (
            f'{image_id} {key} {sizes[key][os.path.basename(path)]}'
            for image_id, files in found.items()
            for key, path in files.items()
        )

    def read_some(self, found: dict[str, dict[str, str]], count: int) -> None:
        """Decode some of the images and masks."""
        records = list(found.values())
        for position in evenly(len(records), count):
            for key, path in records[position].items():
                if key == 'img_path':
                    read_image(path)
                elif key == 'seg_map_path':
                    check_classes(read_index_png(path), len(VOC_CLASSES), path)


@dataclass(frozen=True)
class VOCClassLabelFiles(VOCFiles):
    """The files of :class:`VOCFiles`, of which the foreground classes of each image are the labels."""

    LABELS: ClassVar[str] = 'classes'

    @property
    def class_names(self) -> tuple[str, ...]:
        """The 20 foreground classes."""
        return FOREGROUND_CLASSES


def read_id_list(path: str | Path) -> list[str]:
    """Read a list of image ids, one a line; blank lines are passed over.

    Args:
        path (str | Path): The list file.

    Returns:
        list[str]: The ids in the file's order.

    Raises:
        UserError: If the file is missing, empty, no text, or names an id twice.
    """
    try:
        lines = read_text(path).splitlines()
    except FileNotFoundError as error:
        raise UserError(
            'The list of image ids is missing.', looked_for=path, remedy='python tools/prepare_data.py voc makes it'
        ) from error
    except (OSError, UserError) as error:
        raise UserError('The list of image ids cannot be read.', found=f'{path}: {error}') from error
    ids = [line.strip() for line in lines if line.strip()]
    if not ids:
        raise UserError('The list of image ids is empty.', looked_for='one id a line', found=path)
    columns = next((i for i in ids if '/' in i or ' ' in i), None)
    if columns is not None:
        raise UserError(
            'The list of image ids has more than ids in it.',
            looked_for='lines such as 2007_000032',
            found=f'{columns!r} in {path}',
            remedy='use a list of bare ids, as in ImageSets/Segmentation',
        )
    if len(set(ids)) < len(ids):
        twice = next(i for i, count in Counter(ids).items() if count > 1)
        raise UserError('The list of image ids names an id twice.', found=f'{twice} in {path}')
    return ids


def _check_files(key: str, folder: Path, ids: Sequence[str], suffixes: Mapping[str, str], ann_file: str | Path) -> None:
    there = {path.name for path in folder.iterdir()}
    missing = [i for i in ids if f'{i}{suffixes[key]}' not in there]
    if missing:
        raise UserError(
            f'{len(missing)} of {len(ids)} images in {ann_file} have no {key.removesuffix("_path")} file.',
            looked_for=folder / f'{missing[0]}{suffixes[key]}',
            found=f'{len(there)} files in {folder}; missing are {", ".join(missing[:5])}'
            + (', ...' if len(missing) > 5 else ''),
            remedy='python tools/prepare_data.py mends voc, scribblesup and clicks; or take those ids out of the list',
        )
