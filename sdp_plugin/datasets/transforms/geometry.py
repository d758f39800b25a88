"""Random re-scaling and cropping for sparsely labelled masks."""

from __future__ import annotations

from collections.abc import Callable

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from sdp_plugin.datasets import arguments
from sdp_plugin.errors import UserError
from sdp_plugin.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomRescale(BaseTransform):
    """Scale the image and its masks by a random factor, relative to the image's own size.

    The image is interpolated bilinearly, masks take the nearest pixel.

    Required Keys:

    - img
    - seg_fields (optional), and the masks it names

    Modified Keys:

    - img
    - img_shape
    - the masks named in seg_fields

    Added Keys:

    - scale_factor (tuple[float, float])

    Args:
        ratio_range (tuple[float, float]): Smallest and largest factor, drawn uniformly. Defaults to (0.5, 1.5).
    """

    def __init__(self, ratio_range: tuple[float, float] = (0.5, 1.5)) -> None:
        self.ratio_range = _ratio_range(ratio_range)

    @cache_randomness
    def _draw_ratio(self) -> float:
        return float(np.random.uniform(*self.ratio_range))

    def draw_size(self, height: int, width: int) -> tuple[int, int]:
        """Draw the size of the scaled image: (width, height)."""
        ratio = self._draw_ratio()
        return max(1, round(width * ratio)), max(1, round(height * ratio))

    def transform(self, results: dict) -> dict:
        """Scale the record's image and masks."""
        height, width = results['img'].shape[:2]
        size = self.draw_size(height, width)
        results['img'] = mmcv.imresize(results['img'], size)
        for key in results.get('seg_fields', []):
            results[key] = mmcv.imresize(results[key], size, interpolation='nearest')
        results['img_shape'] = results['img'].shape[:2]
        results['scale_factor'] = (size[0] / width, size[1] / height)
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(ratio_range={self.ratio_range})'


@TRANSFORMS.register_module()
class RandomLabelledCrop(BaseTransform):
    """Cut a random window of fixed size that shows enough labelled pixels to learn from.

    Windows are drawn uniformly until one holds ``min_labelled`` labelled pixels. After ``max_tries`` a window is
    drawn uniformly from those that hold a labelled pixel drawn at random. An image without a label is cropped
    anywhere. Images smaller than the window are padded at the bottom and on the right, as unlabelled pixels.
    MMSegmentation's ``RandomCrop(cat_max_ratio=...)`` looks at labelled pixels alone and with scribbles often returns
    a window without any.

    Required Keys:

    - img
    - seg_fields (optional), and the masks it names

    Modified Keys:

    - img
    - img_shape
    - the masks named in seg_fields

    Args:
        crop_size (int | tuple[int, int]): Height and width of the window, in pixels.
        min_labelled (int): Labelled pixels that the window must show; 0 takes the first window. It needs
            ``gt_seg_map``. Defaults to 1.
        max_tries (int): Windows to draw before falling back. Defaults to 10.
        pad_val (tuple[float, float, float]): Colour of the padding in the image's channel order. Defaults to the mean
            colour of ImageNet in BGR, which normalisation maps to zero.
        ignore_index (int): Label of unlabelled pixels. Defaults to 255.
    """

    def __init__(
        self,
        crop_size: int | tuple[int, int],
        min_labelled: int = 1,
        max_tries: int = 10,
        pad_val: tuple[float, float, float] = (104, 116, 124),
        ignore_index: int = 255,
    ) -> None:
        self.crop_size = arguments.size('crop_size', crop_size)
        self.min_labelled = arguments.whole_number('min_labelled', min_labelled, 0)
        self.max_tries = arguments.whole_number('max_tries', max_tries, 0)
        self.pad_val = arguments.numbers('pad_val', pad_val, (3,), 0, 255)
        self.ignore_index = arguments.whole_number('ignore_index', ignore_index, 0, 255)

    def transform(self, results: dict) -> dict:
        """Pad and crop the record's image and masks."""
        self._pad(results)
        top, left = self._draw_window(results)
        window = np.s_[top : top + self.crop_size[0], left : left + self.crop_size[1]]
        for key in ['img', *results.get('seg_fields', [])]:
            results[key] = np.ascontiguousarray(results[key][window])
        results['img_shape'] = results['img'].shape[:2]
        return results

    def _pad(self, results: dict) -> None:
        height, width = results['img'].shape[:2]
        shape = (max(height, self.crop_size[0]), max(width, self.crop_size[1]))
        if shape == (height, width):
            return
        results['img'] = mmcv.impad(results['img'], shape=shape, pad_val=self.pad_val)
        for key in results.get('seg_fields', []):
            results[key] = mmcv.impad(results[key], shape=shape, pad_val=self.ignore_index)

    @cache_randomness
    def _draw_window(self, results: dict) -> tuple[int, int]:
        height, width = self.crop_size
        labels = results['gt_seg_map'] if self.min_labelled else None
        return self.draw_window(
            results['img'].shape[:2],
            labels_of_window=lambda top, left: labels[top : top + height, left : left + width],
            labels_of_image=lambda: labels,
        )

    def draw_window(
        self,
        shape: tuple[int, int],
        labels_of_window: Callable[[int, int], np.ndarray],
        labels_of_image: Callable[[], np.ndarray],
    ) -> tuple[int, int]:
        """Draw where to crop, asking for labels only where the rule looks at them.

        Args:
            shape (tuple[int, int]): Height and width of the padded image.
            labels_of_window (Callable[[int, int], np.ndarray]): Labels of the window with this top and left.
            labels_of_image (Callable[[], np.ndarray]): Labels of the padded image.

        Returns:
            tuple[int, int]: Top and left of the window.
        """
        free = tuple(size - crop + 1 for size, crop in zip(shape, self.crop_size, strict=True))
        if not self.min_labelled:
            return _draw_corner(free)
        for _ in range(self.max_tries):
            corner = _draw_corner(free)
            if np.count_nonzero(labels_of_window(*corner) != self.ignore_index) >= self.min_labelled:
                return corner
        return self._draw_window_around_a_label(labels_of_image() != self.ignore_index, free)

    def _draw_window_around_a_label(self, labelled: np.ndarray, free: tuple[int, int]) -> tuple[int, int]:
        pixels = np.flatnonzero(labelled)
        if not pixels.size:
            return _draw_corner(free)
        pixel = np.unravel_index(pixels[np.random.randint(pixels.size)], labelled.shape)
        first = [max(0, at - crop + 1) for at, crop in zip(pixel, self.crop_size, strict=True)]
        last = [min(at, count - 1) for at, count in zip(pixel, free, strict=True)]
        top, left = (int(np.random.randint(low, high + 1)) for low, high in zip(first, last, strict=True))
        return top, left

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(crop_size={self.crop_size}, min_labelled={self.min_labelled}, '
            f'max_tries={self.max_tries}, pad_val={self.pad_val}, ignore_index={self.ignore_index})'
        )


def _ratio_range(value: object) -> tuple[float, float]:
    low, high = arguments.numbers('ratio_range', value, (2,), 0.01, 100)
    if low > high:
        raise UserError('ratio_range begins above its end.', looked_for='the smallest factor first', found=repr(value))
    return low, high


def _draw_corner(free: tuple[int, int]) -> tuple[int, int]:
    return int(np.random.randint(free[0])), int(np.random.randint(free[1]))
