"""Loading an image file."""

from __future__ import annotations

import numpy as np
from mmcv.transforms import BaseTransform

from sdp_plugin.datasets import arguments
from sdp_plugin.image_files import MAX_PIXELS, read_image
from sdp_plugin.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadImage(BaseTransform):
    """Load an image: JPEG, PNG, TIFF or what else OpenCV reads, with one clear error for every file that is none.

    Required Keys:

    - img_path (str)
    - decoded (dict[str, np.ndarray], optional): by ``img_path``, the image, which is then not read again

    Added Keys:

    - img (np.ndarray): uint8, shape (H, W, 3), BGR
    - img_shape (tuple[int, int]): (H, W)
    - ori_shape (tuple[int, int]): (H, W)

    Args:
        max_pixels (int): Larger images are refused before they are decoded. Defaults to 67,108,864.

    Raises:
        UserError: While loading, what :func:`sdp_plugin.image_files.read_image` raises.
    """

    PATH_KEY = 'img_path'
    CHANNELS = 3

    def __init__(self, max_pixels: int = MAX_PIXELS) -> None:
        self.max_pixels = arguments.whole_number('max_pixels', max_pixels, 1)

    def transform(self, results: dict) -> dict:
        """Load the image that ``results['img_path']`` names, or take it as it was decoded before."""
        image = results.get('decoded', {}).get(self.PATH_KEY)
        results['img'] = self.decode(results[self.PATH_KEY]) if image is None else image
        results['img_shape'] = results['ori_shape'] = results['img'].shape[:2]
        return results

    def decode(self, path: str) -> np.ndarray:
        """The image of a file, uint8, shape (H, W, 3), BGR."""
        return read_image(path, self.max_pixels)

    def __repr__(self) -> str:
        return f'{type(self).__name__}(max_pixels={self.max_pixels})'
