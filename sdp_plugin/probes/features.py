"""The features of all images of a data set, computed once by a frozen network and kept in a memory-mapped file.

What is done is noted after each chunk of images, so that a pass that was killed goes on where it was.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.config import Config
from pydantic import NonNegativeInt

from sdp_plugin.datasets.cache_files import new_array
from sdp_plugin.errors import UserError
from sdp_plugin.files import sha256_of, write_text_atomically
from sdp_plugin.probes.all_images import DIGITS, Images, all_images
from sdp_plugin.probes.frozen_network import FrozenNetwork
from sdp_plugin.records import Record, as_record, read_json_file

FEATURES, IMAGES_FILE = 'features.npy', 'images'
IMAGES, DONE = 'images.json', 'done.json'
CHUNK = 1024
"""Images between two notes of what is done."""
MAX_BYTES_OF_KEYS = 2**30


@dataclass(frozen=True)
class Features:
    """A finished pass.

    Args:
        path (Path): ``.npy``, float32, shape (N, D).
        images_path (Path): JSON: ``keys`` of the images, ``digest`` (SHA-256 of the features' file, twelve digits) and
            ``shape``.
        description (dict[str, Any]): ``images``, ``dimensions``, ``digest``, and ``images_digest`` of the keys.
        seconds (float): Of this pass; less than all of it where an earlier one was gone on with.
    """

    path: Path
    images_path: Path
    description: dict[str, Any]
    seconds: float


def compute_features(
    cfg: Config,
    initialisation: str | Path | None,
    folder: str | Path,
    report: Callable[[str], None] = print,
    told: Callable[[int, int], None] = lambda done, total: None,
) -> Features:
    """Compute the features of all images that a config trains and tests on, whatever it draws of them.

    A feature is what enters the classifier's last layer: the pooled output of the backbone in evaluation mode.

    Args:
        cfg (Config): A config of a classifier.
        initialisation (str | Path | None): A converted checkpoint; None is a random network of the config's seed.
        folder (str | Path): Where the files are written, and looked for to go on with.
        report (Callable[[str], None]): Takes a line on how far it is. Defaults to ``print``.
        told (Callable[[int, int], None]): Takes how many of how many images are done. Defaults to nothing.

    Returns:
        Features: The files.

    Raises:
        UserError: The data, the initialisation or the network are not as they must be, or features are not finite.
    """
    started, folder = time.monotonic(), Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    images = all_images(cfg)
    network = FrozenNetwork(cfg, initialisation)
    file = _Growing(folder, images, network)
    first = file.done
    for start in range(first, len(images), CHUNK):
        stop = min(start + CHUNK, len(images))
        file.write(start, network.features_of(images.read(start, stop)))
        rate = (stop - first) / (time.monotonic() - started)
        left = (len(images) - stop) / rate
        told(stop, len(images))
        report(f'features: {stop:,} of {len(images):,} images, {rate:.0f} a second, {left:.0f} s left')
    return file.finished(time.monotonic() - started)


class _Noted(Record):
    images: str
    weights: str
    precision: str
    done: NonNegativeInt


class _Growing:
    """A file of features that is filled from the first image to the last.

    Args:
        folder (Path): Its folder.
        images (Images): What it is of.
        network (FrozenNetwork): What it is by.
    """

    def __init__(self, folder: Path, images: Images, network: FrozenNetwork) -> None:
        self.path, self.images_path, self.done_path = folder / FEATURES, folder / IMAGES, folder / DONE
        self.images = images
        # An automatic precision is the machine's, and another may go on.
        self.identity = {'images': images.digest, 'weights': network.digest, 'precision': str(network.precision)}
        self.array: np.memmap | None = None
        self.done = self._found()

    def _found(self) -> int:
        """How many images an earlier pass has done: of the same images and weights, and just as precisely."""
        try:
            noted = as_record(_Noted, read_json_file(self.done_path), self.done_path)
            array = np.lib.format.open_memmap(self.path, mode='r+')
        except (OSError, ValueError):
            return 0
        is_same = self.identity.items() <= vars(noted).items()
        if not is_same or array.ndim != 2 or array.dtype != np.float32 or len(array) != len(self.images):
            return 0
        self.array = array
        return min(noted.done, len(array))

    def write(self, start: int, features: np.ndarray) -> None:
        """Add the features of the next images."""
        if self.array is None or self.array.shape[1] != features.shape[1]:
            shape = (len(self.images), features.shape[1])
            self.array = new_array(self.path, np.float32, shape)
        self.array[start : start + len(features)] = features
        self.array.flush()
        self.done = start + len(features)
        write_text_atomically(self.done_path, json.dumps({**self.identity, 'done': self.done}))

    def finished(self, seconds: float) -> Features:
        """The files, complete."""
        self.array.flush()
        shape = list(self.array.shape)
        digest = digest_of_file(self.path)
        values = {'format': 1, 'digest': digest, 'shape': shape, 'weights': self.identity['weights']}
        write_text_atomically(self.images_path, json.dumps({**values, 'keys': list(self.images.keys)}))
        description = {
            'images': shape[0],
            'dimensions': shape[1],
            'digest': digest,
            'images_digest': self.images.digest,
        }
        return Features(self.path, self.images_path, description, seconds)


def digest_of_file(path: Path) -> str:
    """Twelve hexadecimal digits of the SHA-256 of a file's content."""
    return sha256_of(path)[:DIGITS]


def load_features(path: str | Path) -> tuple[np.ndarray, dict[str, int]]:
    """Open the features of a finished pass, whose ``images.json`` is beside them.

    Args:
        path (str | Path): See :class:`Features`; ``features.1.npy`` goes with ``images.1.json``.

    Returns:
        tuple[np.ndarray, dict[str, int]]: Memory-mapped float32, shape (N, D); and the row of each image by its key.

    Raises:
        UserError: A file is missing or spoilt, or the two do not belong together.
    """
    path = Path(path)
    images_path = path.with_name(path.name.replace(Path(FEATURES).stem, Path(IMAGES).stem, 1)).with_suffix('.json')
    try:
        return _loaded(path, images_path, path.stat().st_mtime_ns)
    except (OSError, ValueError) as error:
        raise UserError(
            'Features cannot be read, or are not those that were written.',
            found=f'{path}: {error}',
            remedy=f'remove {path.parent}, so that they are computed again',
        ) from error


class _ImagesFile(Record):
    shape: tuple[int, int]
    digest: str
    keys: list[str]


@lru_cache(maxsize=4)
def _loaded(path: Path, images_path: Path, changed: int) -> tuple[np.ndarray, dict[str, int]]:
    # Hundreds of probes in a process look at one file.
    values = as_record(_ImagesFile, read_json_file(images_path, MAX_BYTES_OF_KEYS), images_path)
    array = np.load(path, mmap_mode='r')
    if array.shape != values.shape or len(values.keys) != len(array):
        raise ValueError(f'shape {array.shape} instead of {values.shape}')
    if (digest := digest_of_file(path)) != values.digest:
        raise ValueError(f'digest {digest} instead of {values.digest}')
    return array, {key: row for row, key in enumerate(values.keys)}
