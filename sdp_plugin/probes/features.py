"""The features of all images of a data set, computed once by a frozen network and kept in a memory-mapped file.

What is done is noted after each chunk of images, so that a pass that was killed goes on where it was.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.device import get_device
from mmengine.logging import print_log
from mmengine.registry import DefaultScope, init_default_scope
from mmengine.runner import set_random_seed
from mmpretrain.models import ImageClassifier
from mmpretrain.registry import DATASETS, MODELS
from torch import Tensor, nn

from sdp_plugin.conversion.initialise import load_initialisation
from sdp_plugin.datasets.samples import id_of
from sdp_plugin.engine.precision import autocast, autocast_type
from sdp_plugin.engine.target_statistics import reestimate_on_target
from sdp_plugin.errors import UserError
from sdp_plugin.files import sha256_of, write_text_atomically

FEATURES, IMAGES_FILE = 'features.npy', 'images'
IMAGES, DONE = 'images.json', 'done.json'
CHUNK = 1024
"""Images between two notes of what is done."""
BATCH = 64
READERS = 4
DIGITS = 12


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


# --- Images ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Images:
    """Images by key, in the order of their features.

    Args:
        keys (Sequence[str]): Different names.
        records (Sequence[dict]): What the transforms need of each.
        transforms (Sequence[Callable]): Those of the test pipeline, without the packing.
    """

    keys: Sequence[str]
    records: Sequence[dict]
    transforms: Sequence[Callable]

    def __len__(self) -> int:
        return len(self.keys)

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits of the keys in their order."""
        return hashlib.sha256('\n'.join(self.keys).encode()).hexdigest()[:DIGITS]

    def read(self, start: int, stop: int) -> Iterator[Tensor]:
        """Batches of images, uint8, shape (n, 3, H, W), BGR."""
        # HDF5 serves one thread at a time; decoding files lets others run.
        readers = 1 if 'h5_path' in self.records[0] else READERS
        with ThreadPoolExecutor(readers) as pool:
            for first in range(start, stop, BATCH):
                images = list(pool.map(self._image, range(first, min(first + BATCH, stop))))
                yield torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2)

    def _image(self, position: int) -> np.ndarray:
        results = dict(self.records[position])
        for transform in self.transforms:
            results = transform(results)
        return results['img']


def all_images(cfg: Config) -> Images:
    """All images that a config can train and test on, as its test pipeline gives them, in the order of file and key.

    Raises:
        UserError: What the data sets raise; an image without one class; or a pipeline that does not end with packing.
    """
    datasets = [built_dataset(cfg, part) for part in ('train', 'test')]
    records: dict[str, dict] = {}
    for dataset in datasets:
        for position in range(len(dataset)):
            record = dataset.get_data_info(position)
            key = id_of(record, position)
            is_other = key in records and _source_of(record) != _source_of(records[key])
            records[test_key(key) if is_other else key] = record
    *transforms, last = datasets[-1].pipeline.transforms
    if type(last).__name__ != 'PackInputs':
        raise UserError('The test pipeline does not end with PackInputs.', found=type(last).__name__)
    # Compressed HDF5 files are hundreds of times slower to read in another order than theirs.
    keys = sorted(records, key=lambda key: (records[key].get('h5_path', ''), records[key].get('h5_index', 0), key))
    return Images(keys, [records[key] for key in keys], transforms)


def test_key(key: str) -> str:
    """The key of a test image where another image of the training part, in another folder, has its name."""
    return f'test: {key}'


def _source_of(record: Mapping[str, Any]) -> tuple:
    return record.get('h5_path'), record.get('h5_index'), record.get('img_path')


def built_dataset(cfg: Config, part: str, **changes: Any) -> BaseDataset:
    """The data set that a config trains (``'train'``) or tests on (``'test'``), with all images of its part.

    Args:
        cfg (Config): A config of a classifier.
        part (str): ``'train'`` or ``'test'``.
        **changes (Any): Other values of its arguments.
    """
    wanted = dict(cfg[f'{part}_dataloader'].dataset, serialize_data=False, **changes)
    if 'examples_per_class' in wanted:
        wanted['examples_per_class'] = None
    init_default_scope(cfg.get('default_scope', 'mmpretrain'))
    return DATASETS.build(wanted)


# --- The network -------------------------------------------------------------------------------------------------


class FrozenNetwork:
    """A classifier's network up to its last layer, in evaluation mode.

    Args:
        cfg (Config): A config of a classifier.
        initialisation (str | Path | None): A converted checkpoint; None is a random network of the config's seed.
    """

    def __init__(self, cfg: Config, initialisation: str | Path | None) -> None:
        self.device = torch.device(get_device())
        self.model = _built_classifier(cfg)
        if initialisation:
            load_initialisation(self.model, initialisation)
        self.model.to(self.device, memory_format=torch.channels_last).eval()
        if count := cfg.get('batch_norm_images'):
            print_log(reestimate_on_target(self.model, cfg, count), logger='current')
            self.model.eval()
        self.precision = autocast_type((cfg.get('test_cfg') or {}).get('precision', 'float32'), self.model, self.device)
        self.digest = _digest_of_weights(self.model)

    @torch.inference_mode()
    def features_of(self, batches: Iterator[Tensor]) -> np.ndarray:
        """The features of batches of images.

        Args:
            batches (Iterator[Tensor]): uint8, shape (n, 3, H, W) each, BGR.

        Returns:
            np.ndarray: float32, shape (N, D).

        Raises:
            UserError: Features are not finite, or not one vector an image.
        """
        found = []
        for batch in batches:
            inputs = self.model.data_preprocessor({'inputs': list(batch)})['inputs']
            with autocast(self.precision, self.device):
                outputs = self.model.extract_feat(inputs.to(memory_format=torch.channels_last), stage='neck')
            features = outputs[-1] if isinstance(outputs, tuple | list) else outputs
            if features.ndim != 2:
                raise UserError(
                    'The network gives no feature vector for an image.',
                    looked_for='shape (N, D) after its neck',
                    found=f'shape {tuple(features.shape)}',
                    remedy='give the classifier a neck that pools, such as GlobalAveragePooling',
                )
            found.append(features.float().cpu().numpy())
        features = np.concatenate(found)
        if not np.isfinite(features).all():
            raise UserError(
                'Features are not finite.',
                found=f'{(~np.isfinite(features)).any(axis=1).sum()} of {len(features)} images',
                remedy='the weights are damaged, or of a training that diverged',
            )
        return features


def _built_classifier(cfg: Config) -> ImageClassifier:
    model_cfg = dict(cfg.model)
    if 'data_preprocessor' in cfg:
        model_cfg.setdefault('data_preprocessor', cfg.data_preprocessor)
    set_random_seed((cfg.get('randomness') or {}).get('seed') or 0)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(model_cfg)
        model.init_weights()
    return model


def _digest_of_weights(model: nn.Module) -> str:
    digest = hashlib.sha256()
    for name, tensor in model.state_dict().items():
        if not name.startswith('head.'):
            digest.update(name.encode())
            digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:DIGITS]


# --- The file ----------------------------------------------------------------------------------------------------


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
        self.identity = {'images': images.digest, 'weights': network.digest}
        self.array: np.memmap | None = None
        self.done = self._found()

    def _found(self) -> int:
        """How many images an earlier pass has done: of the same images and weights, and all that is in the file."""
        try:
            noted = json.loads(self.done_path.read_text())
            array = np.lib.format.open_memmap(self.path, mode='r+')
        except (OSError, ValueError):
            return 0
        if {key: noted.get(key) for key in self.identity} != self.identity or len(array) != len(self.images):
            return 0
        self.array = array
        return int(noted['done'])

    def write(self, start: int, features: np.ndarray) -> None:
        """Add the features of the next images."""
        if self.array is None or self.array.shape[1] != features.shape[1]:
            shape = (len(self.images), features.shape[1])
            self.array = np.lib.format.open_memmap(self.path, mode='w+', dtype=np.float32, shape=shape)
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
    except (OSError, ValueError, KeyError) as error:
        raise UserError(
            'Features cannot be read, or are not those that were written.',
            found=f'{path}: {error}',
            remedy=f'remove {path.parent}, so that they are computed again',
        ) from error


@lru_cache(maxsize=4)
def _loaded(path: Path, images_path: Path, changed: int) -> tuple[np.ndarray, dict[str, int]]:
    # Hundreds of probes in a process look at one file.
    values: Mapping[str, Any] = json.loads(images_path.read_text(encoding='utf-8'))
    array = np.load(path, mmap_mode='r')
    if list(array.shape) != values['shape'] or len(values['keys']) != len(array):
        raise ValueError(f'shape {array.shape} instead of {values["shape"]}')
    if (digest := digest_of_file(path)) != values['digest']:
        raise ValueError(f'digest {digest} instead of {values["digest"]}')
    return array, {key: row for row, key in enumerate(values['keys'])}
