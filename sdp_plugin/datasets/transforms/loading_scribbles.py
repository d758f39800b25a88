"""Loading scribbles as a segmentation map that ignores every pixel without a stroke."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cv2
import numpy as np
from mmcv.transforms import BaseTransform

from sdp_plugin.datasets import arguments
from sdp_plugin.errors import UserError
from sdp_plugin.registry import TRANSFORMS
from sdp_plugin.scribbles.formats.index_png import IGNORE_INDEX, check_classes, read_index_png
from sdp_plugin.scribbles.formats.scribblesup import VOC_TAGS, read_scribblesup
from sdp_plugin.scribbles.rasterise import DRAWING_MODES, rasterise

_Size = tuple[int, int]


@TRANSFORMS.register_module()
class LoadScribbles(BaseTransform):
    """Load strokes, or an index PNG of them, as ``gt_seg_map``.

    It belongs after ``LoadImageFromFile`` and before every transform that flips or crops. After a ``Resize`` it draws
    the strokes on the resized image with the full line width, instead of thinning a drawn mask.

    Strokes are drawn in the file's order, later over earlier, and clipped at the image's border. A stroke of one
    point is a dot of the line width. A file without any stroke gives a map without any label.

    Required Keys:

    - scribble_path (str): A ScribbleSup ``.xml`` or an index ``.png``.
    - img_shape (tuple[int, int]): Height and width to draw at.
    - ori_shape (tuple[int, int], optional): Height and width of the image as stored; ``img_shape`` where it is
      missing. The annotation has to be of this size.

    Added Keys:

    - gt_seg_map (np.ndarray): uint8 of shape ``img_shape``.

    Modified Keys:

    - seg_fields (list[str]): ``gt_seg_map`` is appended.

    Args:
        line_width (float): In pixels of ``img_shape``. Index PNGs are drawn already and do not use it. Defaults to 3.
        mode (str): ``distance``, ``opencv`` or ``pillow``, see :func:`sdp_plugin.scribbles.rasterise.rasterise`.
        ignore_index (int): Value of unlabelled pixels in ``gt_seg_map``. Defaults to 255.
        unknown_tag (str): What to do with a stroke whose tag is not among the class names: ``error`` or ``skip``.
        size_mismatch (str): What to do with an annotation of another size than the image: ``error``, or ``rescale``
            to scale strokes onto the image (index PNGs: to the nearest pixel). For images that were downscaled after
            annotation.
        class_names (Sequence[str]): Tags in the order of class indices. Defaults to ScribbleSup's 21 VOC tags.
        file_ignore_index (int): Value of unlabelled pixels in index PNGs. Defaults to 255; napari saves 0.

    Raises:
        UserError: For an unknown option; and on loading, naming the file, for every fault in it.
    """

    def __init__(
        self,
        line_width: float = 3,
        mode: str = 'distance',
        ignore_index: int = 255,
        unknown_tag: str = 'error',
        size_mismatch: str = 'error',
        class_names: Sequence[str] = VOC_TAGS,
        file_ignore_index: int = 255,
    ) -> None:
        self.line_width = arguments.number('line_width', line_width, 0.01, 9_999)
        self.mode = arguments.choice('mode', mode, tuple(DRAWING_MODES))
        self.ignore_index = arguments.whole_number('ignore_index', ignore_index, 0, IGNORE_INDEX)
        self.unknown_tag = arguments.choice('unknown_tag', unknown_tag, ('error', 'skip'))
        self.size_mismatch = arguments.choice('size_mismatch', size_mismatch, ('error', 'rescale'))
        self.class_names = arguments.names('class_names', class_names)
        self.file_ignore_index = arguments.whole_number('file_ignore_index', file_ignore_index, 0)

    def transform(self, results: dict) -> dict:
        """Add the map to ``results``."""
        path = Path(results['scribble_path'])
        load = _LOADERS.get(path.suffix.lower())
        if load is None:
            raise UserError(
                f'{path} is of no format that is loaded in training',
                looked_for=' or '.join(_LOADERS),
                remedy='convert it with tools/scribbles.py convert',
            )
        shape = tuple(results['img_shape'][:2])
        annotated_shape = tuple(results.get('ori_shape', shape)[:2])
        results['gt_seg_map'] = load(self, path, shape, annotated_shape)
        results.setdefault('seg_fields', []).append('gt_seg_map')
        return results

    def _load_strokes(self, path: Path, shape: _Size, annotated_shape: _Size) -> np.ndarray:
        scribbles = read_scribblesup(path, self.class_names, self.unknown_tag)
        self._check_size(path, (scribbles.height, scribbles.width), annotated_shape)
        return rasterise(scribbles, self.line_width, self.mode, self.ignore_index, size=shape)

    def _load_index_png(self, path: Path, shape: _Size, annotated_shape: _Size) -> np.ndarray:
        mask = read_index_png(path, self.file_ignore_index, self.ignore_index)
        self._check_size(path, mask.shape, annotated_shape)
        check_classes(np.where(mask == self.ignore_index, np.uint8(IGNORE_INDEX), mask), len(self.class_names), path)
        if mask.shape == shape:
            return mask
        return cv2.resize(mask, shape[::-1], interpolation=cv2.INTER_NEAREST)

    def _check_size(self, path: Path, found: _Size, annotated_shape: _Size) -> None:
        if found == annotated_shape or self.size_mismatch == 'rescale':
            return
        raise UserError(
            f'{path} was drawn on an image of another size',
            looked_for=f'{annotated_shape[1]} x {annotated_shape[0]} (width x height), as the image is',
            found=f'{found[1]} x {found[0]}',
            remedy="if the image was resized after annotation, set size_mismatch='rescale' in LoadScribbles",
        )

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(line_width={self.line_width}, mode={self.mode!r}, '
            f'ignore_index={self.ignore_index}, unknown_tag={self.unknown_tag!r}, '
            f'size_mismatch={self.size_mismatch!r}, class_names={self.class_names}, '
            f'file_ignore_index={self.file_ignore_index})'
        )


_LOADERS: dict[str, Callable[[LoadScribbles, Path, _Size, _Size], np.ndarray]] = {
    '.xml': LoadScribbles._load_strokes,
    '.png': LoadScribbles._load_index_png,
}
