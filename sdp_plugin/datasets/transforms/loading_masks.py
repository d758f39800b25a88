"""Loading full masks, and image-level classes from masks or detection files."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from defusedxml import ElementTree
from mmcv.transforms import BaseTransform

from sdp_plugin.catalogue.voc import FOREGROUND_CLASSES, VOC_CLASSES
from sdp_plugin.datasets import arguments
from sdp_plugin.errors import UserError
from sdp_plugin.registry import TRANSFORMS
from sdp_plugin.scribbles.formats.index_png import IGNORE_INDEX, check_classes, read_index_png, values_of


@TRANSFORMS.register_module()
class LoadMask(BaseTransform):
    """Load a full mask from an index PNG, such as VOC's palette PNGs.

    Required Keys:

    - seg_map_path
    - img_shape
    - decoded (dict[str, np.ndarray], optional): by ``seg_map_path``, the mask, which is then not read again

    Modified Keys:

    - seg_fields

    Added Keys:

    - gt_seg_map (np.uint8, shape (H, W); 255 is void)

    Args:
        num_classes (int): Values from 0 to ``num_classes - 1``, and 255, are allowed. Defaults to VOC's 21 classes.

    Raises:
        UserError: If the file is missing or unreadable, is no index PNG, holds a value that is no class, or is of
            another size than the image.
    """

    PATH_KEY = 'seg_map_path'
    CHANNELS = 1

    def __init__(self, num_classes: int = len(VOC_CLASSES)) -> None:
        self.num_classes = arguments.whole_number('num_classes', num_classes, 1, IGNORE_INDEX)
        self._checked: set[str] = set()

    def decode(self, path: str) -> np.ndarray:
        """The mask of a file, uint8, shape (H, W)."""
        return read_index_png(path)

    def transform(self, results: dict) -> dict:
        """Add the mask to the record."""
        path = results['seg_map_path']
        mask = results.get('decoded', {}).get(self.PATH_KEY)
        mask = self.decode(path) if mask is None else mask
        if mask.shape != tuple(results['img_shape'][:2]):
            raise UserError(
                'The mask is of another size than its image.',
                looked_for='(height, width) = {} x {} as in {}'.format(*results['img_shape'][:2], results['img_path']),
                found='{} x {} in {}'.format(*mask.shape, path),
                remedy='use images and masks of the same release, scaled alike',
            )
        if path not in self._checked:
            check_classes(mask, self.num_classes, path)
            self._checked.add(path)
        results['gt_seg_map'] = mask
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(num_classes={self.num_classes})'


@TRANSFORMS.register_module()
class ClassLabelsFromMask(BaseTransform):
    """Derive the image-level classes from the mask as it is at this point of the pipeline.

    Placed before the crop it labels the whole image, placed after it what the crop shows.

    Required Keys:

    - gt_seg_map
    - seg_fields, with ``keep_mask=False``

    Modified Keys:

    - gt_seg_map and its name in seg_fields go, with ``keep_mask=False``

    Added Keys:

    - gt_label (np.int64, shape (K,); the foreground classes present, 0 is the first one after the background)

    Args:
        background_index (int): Index of the background, below all foreground classes. Defaults to 0.
        ignore_index (int): Index of pixels without a class. Defaults to 255.
        keep_mask (bool): Keep the mask for the transforms that follow. Where none needs it, they are faster without.
            Defaults to True.
    """

    def __init__(self, background_index: int = 0, ignore_index: int = IGNORE_INDEX, keep_mask: bool = True) -> None:
        self.background_index = arguments.whole_number('background_index', background_index, 0, IGNORE_INDEX)
        self.ignore_index = arguments.whole_number('ignore_index', ignore_index, 0, IGNORE_INDEX)
        self.keep_mask = arguments.flag('keep_mask', keep_mask)

    def transform(self, results: dict) -> dict:
        """Add the labels to the record."""
        present = values_of(results['gt_seg_map'])
        foreground = present[(present > self.background_index) & (present != self.ignore_index)]
        results['gt_label'] = foreground - (self.background_index + 1)
        if not self.keep_mask:
            del results['gt_seg_map']
            results['seg_fields'] = [key for key in results['seg_fields'] if key != 'gt_seg_map']
        return results

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(background_index={self.background_index}, ignore_index={self.ignore_index}, '
            f'keep_mask={self.keep_mask})'
        )


@TRANSFORMS.register_module()
class LoadClassLabels(BaseTransform):
    """Load the image-level classes from a VOC detection file.

    Objects marked ``difficult`` count: they are in the image.

    Required Keys:

    - annotation_path

    Added Keys:

    - gt_label (np.int64, shape (K,); indices into ``classes``, ascending)

    Args:
        classes (tuple[str, ...]): Class names. Defaults to VOC's 20 foreground classes.

    Raises:
        UserError: If the file is missing, is no XML, names no object, or names an unknown class.
    """

    def __init__(self, classes: tuple[str, ...] = FOREGROUND_CLASSES) -> None:
        self.classes = arguments.names('classes', classes)
        self._index = {name: index for index, name in enumerate(self.classes)}

    def transform(self, results: dict) -> dict:
        """Add the labels to the record."""
        path = Path(results['annotation_path'])
        names = _object_names(path)
        unknown = sorted(names - set(self._index))
        if unknown:
            raise UserError(f'Unknown class in {path}.', looked_for=', '.join(self.classes), found=', '.join(unknown))
        results['gt_label'] = np.array(sorted(self._index[name] for name in names), dtype=np.int64)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(classes={self.classes})'


def _object_names(path: Path) -> set[str]:
    if not path.is_file():
        raise UserError('The detection file is missing.', looked_for=path)
    try:
        names = {name.text.strip() for name in ElementTree.parse(path).iterfind('object/name') if name.text}
    except (ElementTree.ParseError, ValueError) as error:
        raise UserError('The detection file is no readable XML.', found=f'{path}: {error}') from error
    if not names:
        raise UserError(
            'The detection file names no object.',
            looked_for='annotation/object/name',
            found=path,
            remedy='use the files of VOC2012/Annotations, or ClassLabelsFromMask',
        )
    return names
