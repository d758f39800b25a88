"""Image files decoded once: into memory where they fit, else into files that processes map."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from sdp_plugin.bars import Bar
from sdp_plugin.datasets.cache_files import CacheError, build_once, cache_folder
from sdp_plugin.hardware import available_memory, cores, readable_size

# An interrupted pass goes on after the last complete file of so many images.
_IMAGES_A_FILE = 500
FOLDER = 'decoded'

Decode = Callable[[str], np.ndarray]


class DecodedFiles:
    """The decoded content of many image files, read-only.

    Data-loader workers that are forked share the memory of their parent; processes of a distributed run share the pages
    of the cache files, which the first one writes while the others wait. Where neither memory nor disk has room, and in
    spawned workers of a set in memory, files are decoded each time.

    Args:
        paths (Sequence[str]): The image files, all different.
        decode (Callable[[str], np.ndarray]): Reads one file as a uint8 array, of shape (H, W) or (H, W, 3).
        channels (int): 1 or 3, to estimate the size from the files' headers.
        cache_dir (str | os.PathLike | None): The folder of the cache files. Defaults to a folder ``decoded`` beside
            that of the images or, if that is read-only, in the user's cache folder.
        report (Callable[[str], None] | None): Is told where the images are and how far the pass is.
    """

    def __init__(
        self,
        paths: Sequence[str],
        decode: Decode,
        channels: int,
        cache_dir: str | os.PathLike | None = None,
        report: Callable[[str], None] | None = None,
    ) -> None:
        self.paths = list(paths)
        self.decode = decode
        self.channels = channels
        self.cache_dir = cache_dir
        self.report = report
        self._position = {path: index for index, path in enumerate(self.paths)}
        self._arrays: list[np.ndarray] = []
        self._cache_files: list[Path] = []

    def __len__(self) -> int:
        return len(self.paths)

    def prepare(self) -> None:
        """Decode everything, if that is not done yet.

        Raises:
            UserError: A file cannot be decoded.
        """
        if self._arrays or not self.paths:
            return
        size = sum(_pixels(path) for path in self.paths) * self.channels
        what = f'{len(self):,} files of {Path(self.paths[0]).parent} ({readable_size(size)} decoded)'
        if _is_alone() and 2 * size <= available_memory():
            self._tell(f'{what}: decoded into memory')
            self._arrays = list(self._decoded(self.paths, Bar('decoding', len(self), self.report)))
            return
        folder = cache_folder(self.cache_dir, Path(self.paths[0]).parent.parent) / FOLDER
        try:
            self._cache_files = self._written(folder, size // len(self))
        except CacheError as error:
            self._tell(f'{error}\nUntil then {what} are decoded each time, which is slower.')
            return
        self._tell(f'{what}: decoded into {folder}, which may be deleted')
        self._map()

    def get(self, path: str) -> np.ndarray:
        """The decoded content of one of the files.

        Args:
            path (str): As it was given.

        Returns:
            np.ndarray: uint8, read-only where it was decoded before.

        Raises:
            UserError: The file cannot be decoded.
        """
        return self._arrays[self._position[path]] if self._arrays else self.decode(path)

    def _decoded(self, paths: Sequence[str], progress: Bar) -> Iterator[np.ndarray]:
        # OpenCV and Pillow decode without holding the interpreter's lock.
        with ThreadPoolExecutor(cores()) as pool:
            for array in pool.map(self.decode, paths):
                array.flags.writeable = False
                progress.advance()
                yield array

    def _written(self, folder: Path, bytes_an_image: int) -> list[Path]:
        progress = Bar(f'decoding into {folder}', len(self), self.report)
        files = []
        for start in range(0, len(self), _IMAGES_A_FILE):
            paths = self.paths[start : start + _IMAGES_A_FILE]
            files.append(
                build_once(
                    folder / f'{Path(paths[0]).parent.name}.{_identity(paths)}.npy',
                    lambda temporary, paths=paths: _write(list(self._decoded(paths, progress)), temporary),
                    bytes_an_image * len(paths),
                )
            )
        return files

    def _map(self) -> None:
        self._arrays = [array for path in self._cache_files for array in _mapped(path)]

    def _tell(self, line: str) -> None:
        if self.report:
            self.report(line)

    def __getstate__(self) -> dict:
        return {**self.__dict__, '_arrays': []}

    def __setstate__(self, state: dict) -> None:
        self.__dict__.update(state)
        if all(path.is_file() for path in self._cache_files):
            self._map()


def _write(arrays: list[np.ndarray], path: Path) -> None:
    """All pixels in one row of bytes, behind the number of images and their shapes as int32."""
    shapes = np.array([(*array.shape, 0)[:3] for array in arrays], dtype=np.int32)
    head = np.concatenate([[len(arrays)], shapes.ravel()]).astype(np.int32).view(np.uint8)
    np.save(path, np.concatenate([head, *(array.ravel() for array in arrays)]))


def _mapped(path: Path) -> Iterator[np.ndarray]:
    # Views of a plain array cost a third of those of a memmap object.
    stored = np.asarray(np.load(path, mmap_mode='r'))
    number = int(stored[:4].view(np.int32)[0])
    shapes = stored[4 : 4 + 12 * number].view(np.int32).reshape(number, 3)
    start = 4 + 12 * number
    for shape in shapes.tolist():
        shape = shape if shape[2] else shape[:2]
        end = start + int(np.prod(shape))
        yield stored[start:end].reshape(shape)
        start = end


def _identity(paths: Sequence[str]) -> str:
    """A name for the state that these files are in, and for the decoder."""
    digest = hashlib.sha256(cv2.__version__.encode())
    for path in paths:
        status = os.stat(path)
        digest.update(repr((os.path.basename(path), status.st_size, status.st_mtime_ns)).encode())
    return digest.hexdigest()[:16]


def _pixels(path: str) -> int:
    try:
        with Image.open(path) as image:
            return image.width * image.height
    except OSError:  # decoding it will say what is wrong
        return 0


def _is_alone() -> bool:
    """Whether no other process of the same distributed run is on this machine."""
    return int(os.environ.get('LOCAL_WORLD_SIZE', 1)) == 1
