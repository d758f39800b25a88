"""Small data sets in the official layouts, for the tests."""

from __future__ import annotations

from pathlib import Path

import cv2
import h5py
import numpy as np

PCAM_SPLITS = {'train': 'train', 'val': 'valid', 'test': 'test'}


def pcam_path(root: Path, part: str, split: str = 'train') -> Path:
    return root / f'camelyonpatch_level_2_split_{PCAM_SPLITS[split]}_{part}.h5'


def write_pcam(root: Path, total: int = 12, split: str = 'train', **storage) -> np.ndarray:
    """Write random patches with alternating labels; return the patches."""
    root.mkdir(parents=True, exist_ok=True)
    patches = np.random.default_rng(total).integers(0, 256, (total, 96, 96, 3), dtype=np.uint8)
    write_array(pcam_path(root, 'x', split), 'x', patches, **storage)
    write_array(pcam_path(root, 'y', split), 'y', (np.arange(total) % 2).astype(np.uint8).reshape(-1, 1, 1, 1))
    return patches


def write_array(path: Path, name: str, array: np.ndarray, **storage) -> None:
    with h5py.File(path, 'w') as file:
        file.create_dataset(name, data=array, **storage)


def write_sparse_patches(path: Path, total: int) -> None:
    """Patches whose place is in the file and which are never written, so that they take no space on disk."""
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_alloc_time(h5py.h5d.ALLOC_TIME_EARLY)
    properties.set_fill_time(h5py.h5d.FILL_TIME_NEVER)
    with h5py.File(path, 'w') as file:
        space = h5py.h5s.create_simple((total, 96, 96, 3))
        h5py.h5d.create(file.id, b'x', h5py.h5t.NATIVE_UINT8, space, properties)


def write_tiles(root: Path, names: dict[str, list[str]], size: int = 8) -> Path:
    """Write random images ``root/<folder>/<name>`` and return ``root``."""
    generator = np.random.default_rng(0)
    for folder, files in names.items():
        (root / folder).mkdir(parents=True, exist_ok=True)
        for name in files:
            written, encoded = cv2.imencode(Path(name).suffix, generator.integers(0, 256, (size, size, 3), np.uint8))
            assert written
            (root / folder / name).write_bytes(encoded.tobytes())
    return root
