"""A small VOC 2012 in its public layout: pictures, palette masks, detection XMLs, id lists; and ScribbleSup's XMLs."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import numpy as np
from PIL import Image

from sdp_plugin.catalogue.palette import voc_palette
from sdp_plugin.catalogue.voc import VOC_CLASSES
from sdp_plugin.demo_data.scenes import CLASS_INDICES, Scene, SceneObject, draw_scene, random_state
from sdp_plugin.image_files import write_image
from sdp_plugin.scribbles.formats.scribblesup import write_scribblesup
from sdp_plugin.scribbles.synthesis import synthesise_scribbles

SPLITS = {'train_aug': 0, 'val': 500_000}
"""Each split's list, and the number after which its ids begin."""

# VOC's own ids begin with 2007 to 2012, so that a generated picture is never taken for one of VOC's.
YEAR = 2000
JPEG_QUALITY = 92


def write_voc(folder: Path, seed: int, counts: dict[str, int], image_size: tuple[int, int]) -> None:
    """Write ``VOC2012/{JPEGImages,SegmentationClassAug,Annotations,ImageSets/Segmentation}``.

    Each block of seven pictures has each class once as its main object.

    Args:
        folder (Path): An existing folder, the future ``VOCdevkit``.
        seed (int): Decides every picture; a picture does not depend on how many there are.
        counts (dict[str, int]): Number of pictures of each split in ``SPLITS``.
        image_size (tuple[int, int]): Width and height in pixels.
    """
    root = folder / 'VOC2012'
    for name in ('JPEGImages', 'SegmentationClassAug', 'Annotations', 'ImageSets/Segmentation'):
        (root / name).mkdir(parents=True)
    for split, first in SPLITS.items():
        ids = [f'{YEAR}_{first + index + 1:06d}' for index in range(counts[split])]
        for index, image_id in enumerate(ids):
            block, place = divmod(index, len(CLASS_INDICES))
            classes = random_state(seed, 'voc', split, 'classes', block).permutation(CLASS_INDICES)
            scene = draw_scene(random_state(seed, 'voc', split, index), int(classes[place]), image_size)
            _write_scene(root, image_id, scene)
        (root / 'ImageSets' / 'Segmentation' / f'{split}.txt').write_text(''.join(f'{i}\n' for i in ids))


def write_scribbles(folder: Path, seed: int, masks: Path) -> None:
    """Write ``pascal_2012/<id>.xml`` for each mask.

    Args:
        folder (Path): An existing folder, the future ``scribbles``.
        seed (int): Decides the strokes.
        masks (Path): A ``SegmentationClassAug`` folder.
    """
    for path in sorted(masks.glob('*.png')):
        mask = np.asarray(Image.open(path))
        scribbles = synthesise_scribbles(mask, seed=seed, image_id=path.stem)
        write_scribblesup(folder / 'pascal_2012' / f'{path.stem}.xml', scribbles)


def _write_scene(root: Path, image_id: str, scene: Scene) -> None:
    image = Image.fromarray(scene.image)
    write_image(image, root / 'JPEGImages' / f'{image_id}.jpg', 'JPEG', quality=JPEG_QUALITY)
    mask = Image.fromarray(scene.mask)
    mask.putpalette(voc_palette().tobytes())
    write_image(mask, root / 'SegmentationClassAug' / f'{image_id}.png', 'PNG')
    height, width = scene.mask.shape
    annotation = ElementTree.Element('annotation')
    for tag, text in (('folder', 'VOC2012'), ('filename', f'{image_id}.jpg')):
        ElementTree.SubElement(annotation, tag).text = text
    size = ElementTree.SubElement(annotation, 'size')
    for tag, value in (('width', width), ('height', height), ('depth', 3)):
        ElementTree.SubElement(size, tag).text = str(value)
    ElementTree.SubElement(annotation, 'segmented').text = '1'
    for item in scene.objects:
        annotation.append(_object_element(item))
    ElementTree.indent(annotation, '\t')
    ElementTree.ElementTree(annotation).write(root / 'Annotations' / f'{image_id}.xml', encoding='utf-8')


def _object_element(item: SceneObject) -> ElementTree.Element:
    element = ElementTree.Element('object')
    texts = {
        'name': VOC_CLASSES[item.class_index],
        'pose': 'Unspecified',
        'truncated': str(int(item.truncated)),
        'difficult': '0',
    }
    for tag, text in texts.items():
        ElementTree.SubElement(element, tag).text = text
    box = ElementTree.SubElement(element, 'bndbox')
    for tag, value in zip(('xmin', 'ymin', 'xmax', 'ymax'), item.box, strict=True):
        # VOC counts pixels from 1.
        ElementTree.SubElement(box, tag).text = str(value + 1)
    return element
