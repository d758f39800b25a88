"""A random crop that pads as it is told."""

from __future__ import annotations

import mmcv
from mmpretrain.datasets.transforms import RandomCrop as MMPretrainRandomCrop

from sdp_plugin.registry import TRANSFORMS


@TRANSFORMS.register_module()
class RandomCrop(MMPretrainRandomCrop):
    """Pad an image on all sides and cut a random window out of it.

    MMPretrain's transform (1.2.0, and 1.3.6 of the onedl fork) hands ``padding_mode`` on for ``pad_if_needed`` alone:
    its ``padding=12, padding_mode='reflect'`` pads with black. The window is drawn as there.

    Required Keys:

    - img

    Modified Keys:

    - img
    - img_shape

    Args:
        crop_size (int | Sequence[int]): Height and width of the window, in pixels.
        padding (int | tuple): Pixels on each side: of all sides, of left/right and top/bottom, or of left, top, right
            and bottom.
        padding_mode (str): ``'constant'`` (black), ``'edge'``, ``'reflect'`` or ``'symmetric'``, as in
            :func:`mmcv.impad`. Defaults to ``'reflect'``.
    """

    def __init__(self, crop_size: int | tuple[int, int], padding: int | tuple, padding_mode: str = 'reflect') -> None:
        super().__init__(crop_size=crop_size, padding=padding, padding_mode=padding_mode)

    def transform(self, results: dict) -> dict:
        """Pad and crop the record's image."""
        image = mmcv.impad(results['img'], padding=self.padding, padding_mode=self.padding_mode)
        top, left, height, width = self.rand_crop_params(image)
        results['img'] = image[top : top + height, left : left + width]
        results['img_shape'] = results['img'].shape
        return results
