"""Loading an image file, with one clear error for every file that is none."""

from __future__ import annotations

import cv2
import numpy as np
from mmcv.transforms import LoadImageFromFile

from sdp_plugin.errors import UserError
from sdp_plugin.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """Load an image: JPEG, PNG, TIFF or what else OpenCV reads.

    A file is decoded from memory as a whole. OpenCV then refuses a truncated one; given a path, it would return an
    image that is partly grey. The TIFFs of the CRC data set (PackBits) decode as they do with Pillow.

    Required Keys:

    - img_path (str)
    - decoded (dict[str, np.ndarray], optional): by ``img_path``, the image, which is then not read again

    Added Keys:

    - img (np.ndarray): uint8, shape (H, W, 3), BGR
    - img_shape (tuple[int, int]): (H, W)
    - ori_shape (tuple[int, int]): (H, W)

    Args:
        **kwargs: Of :class:`mmcv.transforms.LoadImageFromFile`.

    Raises:
        UserError: While loading: the file is missing, truncated or no image.
    """

    PATH_KEY = 'img_path'
    CHANNELS = 3

    def transform(self, results: dict) -> dict | None:
        """Load the image that ``results['img_path']`` names, or take it as it was decoded before."""
        image = results.get('decoded', {}).get(self.PATH_KEY)
        if image is None:
            return self._load(results)
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def decode(self, path: str) -> np.ndarray:
        """The image of a file, uint8, shape (H, W, 3), BGR."""
        return self._load({self.PATH_KEY: path})['img']

    def _load(self, results: dict) -> dict | None:
        path = results['img_path']
        try:
            return super().transform(results)
        except FileNotFoundError as error:
            raise UserError(
                'An image is missing.', looked_for=path, remedy='check data_root and that the data set is complete'
            ) from error
        # OpenCV's refusal reaches mmcv as None and us as an AssertionError; Pillow reports broken PNGs as SyntaxError.
        except (AssertionError, OSError, SyntaxError, ValueError, cv2.error) as error:
            raise UserError(
                'An image cannot be decoded.',
                looked_for='a complete image file',
                found=path,
                remedy='the file is truncated or no image: fetch it again',
            ) from error
