"""Loading one patch of an HDF5 file, safely under every way to start data-loader workers."""

from __future__ import annotations

import os

import cv2
import h5py
import numpy as np
from mmcv.transforms import BaseTransform

from sdp_plugin.errors import UserError
from sdp_plugin.registry import TRANSFORMS

CHUNK_CACHE_BYTES = 64 * 2**20


@TRANSFORMS.register_module()
class LoadPatch(BaseTransform):
    """Load a patch from an array of RGB images in an HDF5 file.

    A file is opened once a process, when its first patch is asked for, and stays open. Handles are neither pickled
    (spawned workers open their own) nor used after a fork (a handle shared with the parent would share its position).

    Required Keys:

    - h5_path (str): the file
    - h5_index (int): the position in the array

    Added Keys:

    - img (np.ndarray): uint8, shape (H, W, 3), BGR, contiguous
    - img_shape (tuple[int, int]): (H, W)
    - ori_shape (tuple[int, int]): (H, W)

    Args:
        array (str): The name of the array in the file, of shape (N, H, W, 3) and uint8. Defaults to ``'x'``.

    Raises:
        UserError: While loading: the file or the array is missing, of another type or shape, or cannot be read.
    """

    def __init__(self, array: str = 'x') -> None:
        self.array = array
        self._files: dict[str, h5py.File] = {}
        self._arrays: dict[str, h5py.Dataset] = {}
        self._process = os.getpid()

    def transform(self, results: dict) -> dict:
        """Load the patch that ``results`` names."""
        path, index = results['h5_path'], results['h5_index']
        try:
            patch = self._array_of(path)[index]
        except (OSError, KeyError, IndexError, ValueError, RuntimeError) as error:
            raise UserError(
                'A patch cannot be read.',
                looked_for=f'patch {index} of "{self.array}" in {path}',
                found=error,
                remedy='check that the file is there and complete',
            ) from error
        results['img'] = cv2.cvtColor(patch, cv2.COLOR_RGB2BGR)
        results['img_shape'] = results['ori_shape'] = patch.shape[:2]
        return results

    def _array_of(self, path: str) -> h5py.Dataset:
        if self._process != os.getpid():
            self._close()
            self._process = os.getpid()
        if path not in self._arrays:
            # HDF5's own cache of 1 MiB holds no chunk of a few dozen patches, which it would then read anew for each.
            self._files[path] = h5py.File(path, 'r', rdcc_nbytes=CHUNK_CACHE_BYTES)
            array = self._files[path][self.array]
            if array.dtype != np.uint8 or array.ndim != 4 or array.shape[3] != 3:
                raise ValueError(f'{array.dtype} of shape {array.shape}, not uint8 of shape (N, H, W, 3)')
            self._arrays[path] = array
        return self._arrays[path]

    def _close(self) -> None:
        # After a fork this closes the child's copies only. It must come before the file is opened again: HDF5 would
        # otherwise find the inherited handle and share it.
        self._arrays.clear()
        while self._files:
            self._files.popitem()[1].close()

    def __getstate__(self) -> dict:
        return {**self.__dict__, '_files': {}, '_arrays': {}}

    def __repr__(self) -> str:
        return f"{type(self).__name__}(array='{self.array}')"
