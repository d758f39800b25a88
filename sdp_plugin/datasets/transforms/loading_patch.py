"""Loading one patch of an HDF5 file, safely under every way to start data-loader workers."""

from __future__ import annotations

import os

import cv2
from mmcv.transforms import BaseTransform
from mmengine.logging import print_log
from torch.utils.data import get_worker_info

from sdp_plugin.datasets import arguments
from sdp_plugin.datasets.hdf5_reading import ImageReader, open_images
from sdp_plugin.registry import TRANSFORMS


@TRANSFORMS.register_module()
class LoadPatch(BaseTransform):
    """Load a patch from an array of RGB images in an HDF5 file.

    A file is opened once a process, when its first patch is asked for, and stays open. How it is read depends on how
    it is stored, see :mod:`sdp_plugin.datasets.hdf5_reading`; the log says so. Layouts that are slow to read at random
    are decoded once, into a cache file that all workers share if the patches are large in number.

    Required Keys:

    - h5_path (str): the file
    - h5_index (int): the position in the array

    Added Keys:

    - img (np.ndarray): uint8, shape (H, W, 3), BGR, contiguous
    - img_shape (tuple[int, int]): (H, W)
    - ori_shape (tuple[int, int]): (H, W)

    Args:
        array (str): The name of the array in the file, of shape (N, H, W, 3) and uint8. Defaults to ``'x'``.
        cache_dir (str | None): The folder for a cache file, should one be needed. Defaults to the file's own folder
            or, if that is read-only, the user's cache folder.

    Raises:
        UserError: While loading: the file or the array is missing, of another type or shape, or cannot be read.
    """

    def __init__(self, array: str = 'x', cache_dir: str | os.PathLike | None = None) -> None:
        self.array = arguments.names('array', [array])[0]
        self.cache_dir = arguments.folder('cache_dir', cache_dir)
        self._readers: dict[str, ImageReader] = {}

    def transform(self, results: dict) -> dict:
        """Load the patch that ``results`` names."""
        patch = self._reader_of(results['h5_path']).read([results['h5_index']])[0]
        results['img'] = cv2.cvtColor(patch, cv2.COLOR_RGB2BGR)
        results['img_shape'] = results['ori_shape'] = patch.shape[:2]
        return results

    def _reader_of(self, path: str) -> ImageReader:
        if path not in self._readers:
            reader = open_images(path, self.array, self.cache_dir, store='file', report=_log)
            _log(reader.describe())
            self._readers[path] = reader
        return self._readers[path]

    def __repr__(self) -> str:
        return f'{type(self).__name__}(array={self.array!r}, cache_dir={self.cache_dir!r})'


def _log(line: str) -> None:
    worker = get_worker_info()
    if worker is None or worker.id == 0:
        print_log(line, logger='current')
