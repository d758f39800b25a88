"""PASCAL VOC 2012 with SBD's masks: the images, the 10,582 ids of train_aug, and a palette PNG for each.

train_aug is VOC's train and all of SBD, without VOC's val; where both have a mask, VOC's counts, which is finer and
marks object borders as void.
"""

from __future__ import annotations

import hashlib
import io
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import IO

import numpy as np
import scipy.io
from PIL import Image

from sdp_plugin.catalogue.cards import DataCard
from sdp_plugin.catalogue.downloads import TRAIN_AUG_SHA256
from sdp_plugin.catalogue.palette import voc_palette
from sdp_plugin.catalogue.voc import VOC_2012, read_id_list
from sdp_plugin.errors import UserError
from sdp_plugin.prepare.archives import Output, each_member
from sdp_plugin.prepare.data_set import DataSet, Part

FOLDER = 'VOCdevkit/VOC2012'
_LISTS = f'{FOLDER}/ImageSets/Segmentation'
_VOC_MEMBER = re.compile(
    rf'(?:\./)?({FOLDER}/(?:JPEGImages|Annotations|ImageSets/\w+|SegmentationClass|SegmentationObject)/'
    r'[\w-]+\.(?:jpg|xml|png|txt))'
)
_SBD_MEMBER = re.compile(r'(?:\./)?benchmark_RELEASE/dataset/(?:cls/(\w+)\.mat|(train|val)\.txt)')
# One public copy of the list, in the repository of rloss, lacks this image.
_OFTEN_LACKING = '2007_000032'


def voc(card: DataCard = VOC_2012, train_aug_sha256: str = TRAIN_AUG_SHA256) -> DataSet:
    """VOC 2012 and SBD as a data set to prepare."""
    images, masks = card.downloads

    def make_masks(files: Sequence[Path], output: Output) -> None:
        _merge(files[0], output, train_aug_sha256)

    return DataSet(
        name='voc',
        title=card.name,
        terms=card.terms,
        citation=card.citation,
        folder=FOLDER,
        parts=(
            Part('images', _unpack_voc, ((images,),)),
            Part('masks', make_masks, ((masks,),), after=('images',)),
        ),
        inspect=lambda root: _inspect(root, card, train_aug_sha256),
    )


def _unpack_voc(files: Sequence[Path], output: Output) -> None:
    def visit(name: str, content: IO[bytes]) -> None:
        found = _VOC_MEMBER.fullmatch(name)
        if found:
            output.copy(found[1], content)

    each_member(files[0], visit)
    if f'{_LISTS}/train.txt' not in output.manifest.files:
        raise UserError(f'{files[0]} does not hold VOC 2012.', looked_for=f'{_LISTS}/train.txt')


def _merge(archive: Path, output: Output, train_aug_sha256: str) -> None:
    """Write the list of train_aug and the masks of its images and of VOC's val."""
    voc_train, voc_val = (read_id_list(output.root / _LISTS / f'{split}.txt') for split in ('train', 'val'))
    of_voc = {*voc_train, *voc_val}
    of_sbd: set[str] = set()

    def visit(name: str, content: IO[bytes]) -> None:
        found = _SBD_MEMBER.fullmatch(name)
        if found is None:
            return
        image_id = found[1]
        if image_id is None:
            of_sbd.update(content.read().decode('ascii').split())
        elif image_id not in of_voc:
            output.write(_mask_name(image_id), _png_of(mask_of_mat(content.read(), f'{name} in {archive}')))

    each_member(archive, visit)
    for image_id in sorted(of_voc):
        output.write(_mask_name(image_id), _voc_mask(output.root, image_id))
    train_aug = train_aug_of(voc_train, voc_val, of_sbd)
    check_train_aug(train_aug, train_aug_sha256, 'VOC and SBD')
    without = [image_id for image_id in train_aug if _mask_name(image_id) not in output.manifest.files]
    if without:
        raise UserError(f'{len(without)} images of SBD have no mask in {archive}.', found=', '.join(without[:5]))
    output.write(f'{_LISTS}/train_aug.txt', _list_text(train_aug))


def train_aug_of(voc_train: Iterable[str], voc_val: Iterable[str], sbd: Iterable[str]) -> list[str]:
    """The sorted ids of train_aug: VOC's train and all of SBD, without VOC's val."""
    return sorted({*voc_train, *sbd} - {*voc_val})


def _mask_name(image_id: str) -> str:
    return f'{FOLDER}/SegmentationClassAug/{image_id}.png'


def _voc_mask(root: Path, image_id: str) -> bytes:
    path = root / FOLDER / 'SegmentationClass' / f'{image_id}.png'
    try:
        return path.read_bytes()
    except OSError as error:
        raise UserError(f'{path} cannot be read.', found=error.strerror) from error


def mask_of_mat(data: bytes, name: str) -> np.ndarray:
    """The class mask in one of SBD's MATLAB files.

    Args:
        data (bytes): The file, with a struct ``GTcls`` whose field ``Segmentation`` holds class indices.
        name (str): For messages.

    Returns:
        np.ndarray: uint8 of shape (H, W), 0 to 20.

    Raises:
        UserError: It is no such file.
    """
    try:
        mask = scipy.io.loadmat(io.BytesIO(data))['GTcls']['Segmentation'][0, 0]
    # SciPy raises whatever comes up in a damaged file.
    except Exception as error:
        raise UserError(
            f'{name} holds no mask.', looked_for='GTcls.Segmentation', found=f'{type(error).__name__}: {error}'
        ) from error
    if mask.ndim != 2 or not mask.size or mask.dtype.kind not in 'ui' or mask.max() >= len(VOC_2012.classes):
        raise UserError(
            f'{name} holds no mask of VOC classes.',
            looked_for='class indices 0 to 20',
            found=f'{mask.dtype} of shape {mask.shape}',
        )
    return mask.astype(np.uint8)


def _png_of(mask: np.ndarray) -> bytes:
    image = Image.fromarray(mask)
    image.putpalette(voc_palette().astype(np.uint8).tobytes())
    stream = io.BytesIO()
    image.save(stream, format='PNG')
    return stream.getvalue()


def _list_text(ids: Sequence[str]) -> bytes:
    return ''.join(f'{image_id}\n' for image_id in ids).encode()


def check_train_aug(ids: Sequence[str], wanted: str, origin: object) -> None:
    """Hold a list against the reference, 10,582 ids.

    Args:
        ids (Sequence[str]): The list, in any order.
        wanted (str): SHA-256 of the sorted ids, one a line, with a final newline.
        origin (object): Where it comes from, for the message.

    Raises:
        UserError: It is another list. Where it only lacks 2007_000032, as a public copy does, it says so.
    """
    if hashlib.sha256(_list_text(sorted(ids))).hexdigest() == wanted:
        return
    lacking = hashlib.sha256(_list_text(sorted({*ids, _OFTEN_LACKING}))).hexdigest() == wanted
    raise UserError(
        f'The list of train_aug from {origin} is not the reference.',
        looked_for=f'SHA-256 {wanted} of the sorted ids',
        found=f'{len(ids):,} ids; it lacks {_OFTEN_LACKING}, as a public copy does' if lacking else f'{len(ids):,} ids',
        remedy='python tools/prepare_data.py voc makes it from the parts',
    )


def _inspect(root: Path, card: DataCard, train_aug_sha256: str) -> list[str]:
    folder = root / FOLDER
    lists = {split: read_id_list(root / _LISTS / f'{split}.txt') for split in card.sizes}
    check_train_aug(lists['train_aug'], train_aug_sha256, root / _LISTS / 'train_aug.txt')
    classes = np.zeros(len(card.classes), dtype=np.int64)
    for split, ids in lists.items():
        if len(ids) != card.sizes[split]:
            raise UserError(f'{split} has {len(ids):,} images.', looked_for=f'{card.sizes[split]:,}')
        for image_id in ids:
            classes += _classes_of(folder, image_id)
    counts = ', '.join(f'{name} {count:,}' for name, count in zip(card.classes[1:], classes[1:], strict=True))
    sizes = ' and '.join(f'{len(ids):,} images in {split}' for split, ids in lists.items())
    return [f'{sizes}, each with a mask of its size', f'images with each class: {counts}']


def _classes_of(folder: Path, image_id: str) -> np.ndarray:
    """Which classes the mask of an image holds, as ones and zeros; the mask has to be of the image's size."""
    paths = folder / 'JPEGImages' / f'{image_id}.jpg', folder / 'SegmentationClassAug' / f'{image_id}.png'
    try:
        with Image.open(paths[0]) as image, Image.open(paths[1]) as mask:
            sizes = image.size, mask.size
            histogram = np.bincount(np.asarray(mask).ravel(), minlength=256)
    except (OSError, SyntaxError, ValueError) as error:
        raise UserError(f'The image or the mask of {image_id} cannot be read.', found=error) from error
    if sizes[0] != sizes[1]:
        raise UserError(f'{paths[1]} is of another size than its image.', looked_for=sizes[0], found=sizes[1])
    return (histogram[: len(VOC_2012.classes)] > 0).astype(np.int64)
