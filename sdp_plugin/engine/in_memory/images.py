"""A data set's images as one array in memory, read once a process.

The transforms at the head of a pipeline that know no chance (loading, resizing) run once an image; what follows works
on whole batches. Arrays are kept between trainings, so that the next one of a grid finds the test set where it is.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import threading
from collections import OrderedDict
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import cv2
import numpy as np
import torch
from mmengine.dataset import BaseDataset
from torch import Tensor

from sdp_plugin.datasets.hdf5_reading import open_images
from sdp_plugin.hardware import available_memory, cores, readable_size
from sdp_plugin.transfer import on_device

IMAGES_A_READ = 8192
"""From an HDF5 file, so that all images of PCam are never in memory twice."""

SHARE_TO_FILL = 0.5
"""Of the free memory, what images may take; the network, its gradients and its activations take the rest."""


@dataclass(frozen=True)
class ImagesInMemory:
    """The images of a data set, in its order.

    Args:
        images (Tensor): uint8, shape (N, H, W, 3), BGR, on the training device or in host memory (pinned for CUDA).
        labels (Tensor): int64 class indices, shape (N,), on the training device.
    """

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.images)

    def batch(self, positions: Tensor) -> Tensor:
        """The images at some positions, on the device of the labels.

        Args:
            positions (Tensor): int64, shape (n,), on the host.

        Returns:
            Tensor: uint8, shape (n, H, W, 3).
        """
        device = self.labels.device
        if self.images.device == device:
            return self.images.index_select(0, on_device(positions, device))
        # From pinned memory the copy runs beside the computation.
        chosen = torch.empty((len(positions), *self.images.shape[1:]), dtype=torch.uint8, pin_memory=True)
        torch.index_select(self.images, 0, positions, out=chosen)
        return chosen.to(device, non_blocking=True)


class DoesNotFitError(Exception):
    """The images of a data set are no array that memory holds: too many, or of different sizes."""


def images_in_memory(dataset: BaseDataset, head: int, device: torch.device) -> ImagesInMemory:
    """Read the images of a data set, or find them where an earlier call put them.

    Args:
        dataset (BaseDataset): The data set, with one class index an image (``gt_label``).
        head (int): How many transforms of its pipeline to apply, those that know no chance; at
            least the loading.
        device (torch.device): Where the images are wanted. They stay in host memory where they do not fit there.

    Returns:
        ImagesInMemory: The images.

    Raises:
        DoesNotFitError: The images fit nowhere, or are of different sizes.
        UserError: An image is missing or cannot be read.
    """
    records = records_of(dataset)
    transforms = dataset.pipeline.transforms[:head]
    key = f'{_fingerprint(records, transforms)} on {device}'
    images = _cache.get(key)
    if images is None:
        images = _read(records, transforms, device)
        _cache.put(key, images)
    labels = torch.tensor([int(record['gt_label']) for record in records])
    return ImagesInMemory(images, labels.to(device))


def records_of(dataset: BaseDataset) -> list[dict]:
    """The records of a data set; not copies of them, where it keeps them as they are."""
    if dataset.serialize_data:
        return [dataset.get_data_info(index) for index in range(len(dataset))]
    return dataset.data_list


def clear_cache() -> None:
    """Forget all images."""
    _cache.clear()


def free_bytes(device: torch.device) -> int:
    """Bytes that are free on a device, with those that PyTorch keeps in reserve; for the CPU, on the host."""
    if device.type != 'cuda':
        return available_memory()
    reserve = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return torch.cuda.mem_get_info(device)[0] + reserve


class _Cache:
    """Arrays by key; the least recently used ones leave when their device gets full."""

    def __init__(self) -> None:
        self._arrays: OrderedDict[str, Tensor] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: str) -> Tensor | None:
        with self._lock:
            if key in self._arrays:
                self._arrays.move_to_end(key)
            return self._arrays.get(key)

    def put(self, key: str, array: Tensor) -> None:
        with self._lock:
            self._arrays[key] = array

    def make_room(self, num_bytes: int, device: torch.device) -> bool:
        """Drop the oldest arrays on a device until ``num_bytes`` may be taken there, and say whether they may."""
        with self._lock:
            oldest_first = [key for key, array in self._arrays.items() if array.device.type == device.type]
            while num_bytes > SHARE_TO_FILL * free_bytes(device) and oldest_first:
                del self._arrays[oldest_first.pop(0)]
            return num_bytes <= SHARE_TO_FILL * free_bytes(device)

    def clear(self) -> None:
        with self._lock:
            self._arrays.clear()


_cache = _Cache()


def _fingerprint(records: Sequence[dict], transforms: Sequence[object]) -> str:
    """A digest of which images these are, of the state of their files, and of what is done to them."""
    digest = hashlib.sha256(repr(transforms).encode())
    for path in sorted({_path_of(record) for record in records}):
        status = os.stat(path) if os.path.exists(path) else None
        digest.update(repr((path, status and (status.st_size, status.st_mtime_ns))).encode())
    digest.update(repr([(_path_of(record), record.get('h5_index')) for record in records]).encode())
    return digest.hexdigest()


def _path_of(record: dict) -> str:
    return str(record.get('h5_path') or record['img_path'])


def _read(records: Sequence[dict], transforms: Sequence[object], device: torch.device) -> Tensor:
    height, width = _transformed(records[0], transforms).shape[:2]
    size = (len(records), height, width, 3)
    where = _place(int(np.prod(size, dtype=np.int64)), device)
    images = torch.empty(size, dtype=torch.uint8, pin_memory=where.type == 'cpu' and device.type == 'cuda')
    _fill(images.numpy(), records, transforms)
    return images.to(where)


def _place(num_bytes: int, device: torch.device) -> torch.device:
    host = torch.device('cpu')
    # What goes to the device passes through the host.
    for where in (device, host):
        if _cache.make_room(num_bytes, where) and _cache.make_room(num_bytes, host):
            return where
    raise DoesNotFitError(
        f'the images take {readable_size(num_bytes)}, and {readable_size(available_memory())} of memory are free'
    )


def _fill(images: np.ndarray, records: Sequence[dict], transforms: Sequence[object]) -> None:
    if 'h5_path' in records[0] and _only_loads(records[0], transforms):
        _fill_from_hdf5(images, records, transforms[0].array)
        return

    def fill_one(index: int) -> None:
        image = _transformed(records[index], transforms)
        _check_size(image.shape, images)
        images[index] = image

    # Where the first transform reads HDF5, whose library serves one thread at a time, one thread does as well.
    threads = 1 if 'h5_path' in records[0] else min(32, 2 * cores())
    with ThreadPoolExecutor(threads) as pool:
        for _ in pool.map(fill_one, range(len(records))):
            pass


def _check_size(shape: tuple[int, ...], images: np.ndarray) -> None:
    if shape != images.shape[1:]:
        raise DoesNotFitError(
            f'the images are of different sizes: {shape[:2]} after {images.shape[1:3]}, see the pipeline'
        )


def _only_loads(record: dict, transforms: Sequence[object]) -> bool:
    """Whether what follows the loading leaves the image as it is, as resizing to its own size does."""
    return np.array_equal(_transformed(record, transforms), _transformed(record, transforms[:1]))


def _fill_from_hdf5(images: np.ndarray, records: Sequence[dict], array: str) -> None:
    first = 0
    for path, of_file in itertools.groupby(records, lambda record: record['h5_path']):
        indices = np.array([record['h5_index'] for record in of_file])
        reader = open_images(path, array)
        for start in range(0, len(indices), IMAGES_A_READ):
            stored = reader.read_once(indices[start : start + IMAGES_A_READ])
            _check_size(stored.shape[1:], images)
            # OpenCV turns the channels round ten times as fast as NumPy, and without a copy.
            target = images[first : first + len(stored)]
            cv2.cvtColor(_as_one(stored), cv2.COLOR_RGB2BGR, dst=_as_one(target))
            first += len(stored)


def _as_one(images: np.ndarray) -> np.ndarray:
    """Images of shape (N, H, W, 3) as one of shape (N * H, W, 3), a view."""
    return images.reshape(-1, *images.shape[2:])


def _transformed(record: dict, transforms: Sequence[object]) -> np.ndarray:
    """The image of a record after some transforms: uint8, shape (H, W, 3), BGR."""
    results = dict(record)
    for transform in transforms:
        results = transform(results)
    return results['img']
