"""People's clicks on VOC's images ("What's the Point") as strokes of one point, in ScribbleSup's XML.

Nothing downstream differs from scribbles: a click is drawn as a dot of the line width.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from sdp_plugin.catalogue.cards import DataCard
from sdp_plugin.catalogue.voc import CLICKS, VOC_CLASSES, read_id_list
from sdp_plugin.errors import UserError
from sdp_plugin.prepare.archives import Output
from sdp_plugin.prepare.data_set import DataSet, Part
from sdp_plugin.prepare.scribblesup_recipe import coverage
from sdp_plugin.prepare.voc_recipe import FOLDER as VOC_FOLDER
from sdp_plugin.scribbles.formats.clicks import read_clicks
from sdp_plugin.scribbles.formats.scribblesup import VOC_TAGS, read_scribblesup, scribblesup_text
from sdp_plugin.scribbles.strokes import ScribbleSet, Stroke

FOLDER = 'clicks/pascal_2012'
# Real clicks lie up to a few pixels outside; more than this share of an image's side is another image size.
_FAR_OUTSIDE = 1.1
_SHARE_OF_STRAYS = 0.02


def clicks(card: DataCard = CLICKS, longest_side: int | None = None) -> DataSet:
    """The clicks as a data set to prepare.

    Args:
        card (DataCard): Its files are JSON files of clicks; later ones lie over earlier ones.
        longest_side (int | None): See :func:`clicks_as_scribbles`.
    """

    def build(paths: Sequence[Path], output: Output) -> None:
        _check_images(output.root)
        train_aug = read_id_list(output.root / VOC_FOLDER / 'ImageSets' / 'Segmentation' / 'train_aug.txt')
        images = output.root / VOC_FOLDER / 'JPEGImages'
        for image_id, scribbles in clicks_as_scribbles(paths, train_aug, images, longest_side).items():
            output.write(f'{FOLDER}/{image_id}.xml', scribblesup_text(image_id, scribbles, VOC_TAGS).encode())

    files = tuple((download,) for download in card.downloads)
    return DataSet(
        name='clicks',
        title=card.name,
        terms=card.terms,
        citation=card.citation,
        folder=FOLDER,
        parts=(Part('points', build, files, settings={'longest_side': longest_side}),),
        inspect=_inspect,
    )


def clicks_as_scribbles(
    files: Sequence[str | os.PathLike],
    image_ids: Iterable[str],
    images: str | os.PathLike,
    longest_side: int | None = None,
) -> dict[str, ScribbleSet]:
    """A stroke of one point for each click.

    Args:
        files (Sequence[str | os.PathLike]): JSON files of clicks. Later files lie over earlier ones: name the
            background's first.
        image_ids (Iterable[str]): The images; clicks on others are passed over.
        images (str | os.PathLike): The folder of their JPEGs, of which only the sizes are read.
        longest_side (int | None): Clicks are in pixels of the original images, and VOC's have a longest side of 500
            pixels. If the JPEGs here were re-scaled, say 500: coordinates are multiplied by the longest side here over
            that. None leaves them as they are. Defaults to None.

    Returns:
        dict[str, ScribbleSet]: By image id, in pixels of the JPEGs here.

    Raises:
        UserError: A file of clicks is none, an image is missing or cannot be read, or the clicks were plainly made on
            images of another size.
    """
    read = [read_clicks(path, len(VOC_CLASSES)) for path in files]
    scribbles = {
        image_id: _on_image(
            [stroke for of_file in read for stroke in of_file.get(image_id, ())],
            _size_of(Path(images) / f'{image_id}.jpg'),
            longest_side,
        )
        for image_id in image_ids
    }
    _check_scale(scribbles, longest_side)
    return scribbles


def _on_image(strokes: list[Stroke], size: tuple[int, int], longest_side: int | None) -> ScribbleSet:
    scale = max(size) / longest_side if longest_side else 1
    return ScribbleSet(tuple(Stroke(stroke.points * scale, stroke.class_index) for stroke in strokes), *size)


def _size_of(path: Path) -> tuple[int, int]:
    try:
        with Image.open(path) as image:
            return image.size
    except (OSError, Image.DecompressionBombError) as error:
        raise UserError(
            f'{path} cannot be read: the size of a clicked image is read from it.',
            found=error,
            remedy='python tools/prepare_data.py voc',
        ) from None


def _check_images(root: Path) -> None:
    if not (root / VOC_FOLDER / 'JPEGImages').is_dir():
        raise UserError(
            'The images that were clicked on are not there.',
            looked_for=root / VOC_FOLDER / 'JPEGImages',
            remedy=f'prepare them first: python tools/prepare_data.py voc --root {root}',
        )


def _check_scale(scribbles: dict[str, ScribbleSet], longest_side: int | None) -> None:
    strays = [image_id for image_id, annotation in scribbles.items() if _strays(annotation)]
    if len(strays) <= _SHARE_OF_STRAYS * len(scribbles):
        return
    raise UserError(
        f'{len(strays)} of {len(scribbles)} images have clicks far outside: they were made on images of another size.',
        found=', '.join(strays[:5]),
        remedy='if the images were re-scaled, name the longest side of the originals: --clicks-side 500'
        if longest_side is None
        else f'the originals do not have a longest side of {longest_side} pixels',
    )


def _strays(annotation: ScribbleSet) -> bool:
    points = np.array([stroke.points[0] for stroke in annotation.strokes]).reshape(-1, 2)
    return bool((points > _FAR_OUTSIDE * np.array([annotation.width, annotation.height])).any())


def _inspect(root: Path) -> list[str]:
    paths = sorted((root / FOLDER).glob('*.xml'))
    if not paths:
        raise UserError('There are no clicks.', looked_for=root / FOLDER / '*.xml')
    classes = [stroke.class_index for path in paths for stroke in read_scribblesup(path).strokes]
    background = classes.count(0)
    return [
        f'{len(paths):,} images with {len(classes):,} clicks, {background:,} of them on the background',
        coverage(root, FOLDER),
    ]
