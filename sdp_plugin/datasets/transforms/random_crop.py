"""A random crop that pads as it is told."""

from __future__ import annotations

import mmcv
import numpy as np
from mmcv.transforms import BaseTransform
from mmcv.transforms.utils import cache_randomness

from sdp_plugin.datasets import arguments
from sdp_plugin.registry import TRANSFORMS

PADDING_MODES = ('constant', 'edge', 'reflect', 'symmetric')


@TRANSFORMS.register_module()
class RandomCrop(BaseTransform):
    """Pad an image on all sides and cut a random window out of it.

    MMPretrain's transform of this name (1.2.0, and 1.3.6 of the onedl fork) hands its ``padding_mode`` on for
    ``pad_if_needed`` alone: ``padding=12, padding_mode='reflect'`` pads with black there. The window is drawn alike.

    Required Keys:

    - img

    Modified Keys:

    - img
    - img_shape

    Args:
        crop_size (int | tuple[int, int]): Height and width of the window, in pixels. A padded image that is smaller
            is kept whole on that side.
        padding (int | tuple): Pixels on each side: of all sides, of left/right and top/bottom, or of left, top, right
            and bottom.
        padding_mode (str): ``'constant'`` (black), ``'edge'``, ``'reflect'`` or ``'symmetric'``, as in
            :func:`mmcv.impad`. Defaults to ``'reflect'``.
    """

    def __init__(self, crop_size: int | tuple[int, int], padding: int | tuple, padding_mode: str = 'reflect') -> None:
        self.crop_size = arguments.size('crop_size', crop_size)
        self.padding = _padding(padding)
        self.padding_mode = arguments.choice('padding_mode', padding_mode, PADDING_MODES)

    def transform(self, results: dict) -> dict:
        """Pad and crop the record's image."""
        image = mmcv.impad(results['img'], padding=self.padding, padding_mode=self.padding_mode)
        top, left, height, width = self.rand_crop_params(image)
        results['img'] = image[top : top + height, left : left + width]
        results['img_shape'] = results['img'].shape
        return results

    @cache_randomness
    def rand_crop_params(self, image: np.ndarray) -> tuple[int, int, int, int]:
        """Draw a window: its first row and column, its height and width."""
        height, width = (min(crop, size) for crop, size in zip(self.crop_size, image.shape[:2], strict=True))
        if (height, width) == image.shape[:2]:
            return 0, 0, height, width
        top = np.random.randint(0, image.shape[0] - height + 1)
        left = np.random.randint(0, image.shape[1] - width + 1)
        return top, left, height, width

    def __repr__(self) -> str:
        return (
            f'{type(self).__name__}(crop_size={self.crop_size}, padding={self.padding}, '
            f"padding_mode='{self.padding_mode}')"
        )


def _padding(value: object) -> int | tuple[int, ...]:
    if isinstance(value, int):
        return arguments.whole_number('padding', value, 0)
    return tuple(arguments.whole_number('padding', side, 0) for side in arguments.numbers('padding', value, (2, 4), 0))
