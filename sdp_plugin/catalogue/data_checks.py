"""What is asked of data before anything is trained on them, in milliseconds and without torch: which, and enough?

A grid asks the same of hundreds of cells, so answers are kept within the process; :func:`forget` looks anew.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Container, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np

from sdp_plugin.catalogue.collection import Collection, existing_folder
from sdp_plugin.catalogue.crc import KatherTiles
from sdp_plugin.catalogue.nct_crc import NCTTiles
from sdp_plugin.catalogue.pcam import PCam
from sdp_plugin.catalogue.subsets import is_integer
from sdp_plugin.catalogue.tile_folder import TileFolder
from sdp_plugin.catalogue.voc import VOCClassLabelFiles, VOCFiles
from sdp_plugin.errors import UserError

COLLECTIONS: Mapping[str, type[Collection]] = MappingProxyType(
    {
        'PCamDataset': PCam,
        'CRCDataset': KatherTiles,
        'NCTCRCDataset': NCTTiles,
        'TileFolderDataset': TileFolder,
        'VOCDataset': VOCFiles,
        'VOCClassLabelDataset': VOCClassLabelFiles,
    }
)
# The labels that metrics can be computed from; metrics of others are not looked into.
LABELS_OF_METRIC: Mapping[str, str] = MappingProxyType(
    {
        'Accuracy': 'a class',
        'SingleLabelMetric': 'a class',
        'BalancedAccuracy': 'a class',
        'AUROC': 'a class',
        'ImageScores': 'a class',
        'AveragePrecision': 'classes',
        'MultiLabelMetric': 'classes',
        'MeanAveragePrecision': 'classes',
        'IoUMetric': 'a mask',
    }
)
PARTS = ('train', 'val', 'test')
ABSENT, UNKNOWN = 'absent', 'unknown'
DIGITS = 12


@dataclass(frozen=True)
class SomeFolder(Collection):
    """All files below a folder: what is known of somebody else's data set."""

    READ_BY: ClassVar[tuple[str, ...]] = ('data_root',)

    def look(self) -> list[Path]:
        """All files, sorted."""
        root = existing_folder(self.data_root, holds='the data')
        return sorted(path for path in root.rglob('*') if path.is_file())

    def content(self, found: list[Path]) -> Iterable[object]:
        """Names and sizes of the files."""
        root = Path(self.data_root).expanduser()
        return (f'{path.relative_to(root).as_posix()} {path.stat().st_size}' for path in found)


def collection_of(dataset_config: Mapping[str, Any]) -> Collection:
    """The files that the config of a data set asks for. What wraps a data set (``RepeatDataset``) is looked through.

    Args:
        dataset_config (Mapping[str, Any]): The ``dataset`` of a data loader's config.

    Raises:
        UserError: An argument has a value that it cannot have.
    """
    while isinstance(dataset_config.get('dataset'), Mapping):
        dataset_config = dataset_config['dataset']
    return COLLECTIONS.get(str(dataset_config.get('type')).split('.')[-1], SomeFolder).from_config(dataset_config)


def fingerprint(dataset_config: Mapping[str, Any]) -> str:
    """A digest of what a data set holds, wherever it lies.

    Cheap rather than complete; each collection's ``content`` says what it looks at. What is done with the data (folds,
    draws, the pipeline) is not part of it.

    Args:
        dataset_config (Mapping[str, Any]): The ``dataset`` of a data loader's config.

    Returns:
        str: Twelve hexadecimal digits; ``'absent'`` where the data are not there or not complete; ``'unknown'`` where
        the config does not say which they are: an argument is wrong, or somebody else's data set has no folder.
    """
    try:
        collection = collection_of(dataset_config)
    except UserError:
        return UNKNOWN
    try:
        return UNKNOWN if collection == SomeFolder() else _digest(collection.whole())
    except UserError:
        return ABSENT


def obstacle(cfg: Mapping[str, Any]) -> str | None:
    """Why a run cannot be, in one line, as far as the data that are there tell; None where nothing is in its way.

    Args:
        cfg (Mapping[str, Any]): A resolved config.
    """
    try:
        absent = [part for part, dataset in _datasets_of(cfg) if fingerprint(dataset) == ABSENT]
        check_run(cfg, without=absent, images=0)
    except UserError as error:
        return '; '.join(' '.join(line.split()) for line in str(error).splitlines())
    return None


def check_run(cfg: Mapping[str, Any], without: Container[str] = (), images: int = 500) -> None:
    """Check all that a training and its test need of data, before the first iteration: in about a second.

    Files, splits, folds and draws; that the training part and the test share no tile; that all parts and the model
    have the same classes; that the metrics fit the labels. Data sets of others are only checked against the rest.

    Args:
        cfg (Mapping[str, Any]): A resolved config, with ``train_dataloader``, ``test_dataloader`` and so on.
        without (Container[str]): Parts (``'train'``, ``'val'``, ``'test'``) to pass over.
        images (int): So many images of the test, evenly spread, are decoded. Defaults to 500.

    Raises:
        UserError: Something is missing or does not fit; it says in which part.
    """
    collections: dict[str, Collection] = {}
    for part, dataset in _datasets_of(cfg):
        if part not in without:
            with _naming(part):
                collections[part] = collection_of(dataset)
                _check(collections[part])
                if part != 'train' and images:
                    with collections[part].accessing():
                        collections[part].read_some(_found(collections[part].whole()), images)
    classes = {part: _class_names(cfg, part, collection) for part, collection in collections.items()}
    _check_same_classes({part: names for part, names in classes.items() if names})
    for part in ('val', 'test'):
        if {'train', part} <= set(collections):
            _check_no_tile_is_shared(collections['train'], collections[part], part)
        if part in collections:
            _check_metrics(cfg, part, collections[part], classes[part])
    for part, names in classes.items():
        _check_model(cfg, part, names)


def forget() -> None:
    """Look at all data anew from now on."""
    for kept in (_found, _digest, _check):
        kept.cache_clear()


@cache
def _found(whole: Collection) -> Any:
    return whole.read()


@cache
def _digest(whole: Collection) -> str:
    digest = hashlib.sha256()
    found = _found(whole)
    with whole.accessing():
        for part in whole.content(found):
            digest.update(part.tobytes() if isinstance(part, np.ndarray) else f'{part}\0'.encode())
    return digest.hexdigest()[:DIGITS]


@cache
def _check(collection: Collection) -> None:
    if not isinstance(collection, SomeFolder):
        collection.check(_found(collection.whole()))


def _datasets_of(cfg: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The data set of each part that a config has."""
    for part in PARTS:
        dataset = (cfg.get(f'{part}_dataloader') or {}).get('dataset')
        if isinstance(dataset, Mapping):
            yield part, dataset


@contextmanager
def _naming(part: str) -> Iterator[None]:
    try:
        yield
    except UserError as error:
        raise UserError(f'The data of {part}_dataloader cannot be used.\n{error}') from error


def _class_names(cfg: Mapping[str, Any], part: str, collection: Collection) -> tuple[str, ...] | None:
    own = dict(_datasets_of(cfg))[part].get('metainfo') or {}
    return tuple(own['classes']) if 'classes' in own else collection.class_names


def _check_same_classes(classes: Mapping[str, tuple[str, ...]]) -> None:
    for part, names in classes.items():
        first = next(iter(classes))
        if names != classes[first]:
            raise UserError(
                f'The data of {part}_dataloader have other classes than those of {first}_dataloader.',
                looked_for=', '.join(classes[first]),
                found=', '.join(names),
                remedy='give both the same class folders, or name them with classes=[...]',
            )


def _check_no_tile_is_shared(train: Collection, tested: Collection, part: str) -> None:
    if type(train) is not type(tested) or _place(train) != _place(tested):
        return
    ours, theirs = (each.positions(_found(each.whole())) for each in (train, tested))
    if ours is None:
        return
    shared = len(np.intersect1d(ours, theirs, assume_unique=True))
    if shared:
        raise UserError(
            f'{shared:,} of the {len(theirs):,} tiles of {part}_dataloader are tiles of the training part.',
            looked_for='tiles that the model has not seen',
            found=f'the same folder for both: {train.data_root}',
            remedy='use the same num_folds, fold and fold_seed for both, or give each its own data_root',
        )


def _place(collection: Collection) -> Collection:
    whole = collection.whole()
    return replace(whole, data_root=os.path.realpath(os.path.expanduser(whole.data_root)))


def _check_metrics(cfg: Mapping[str, Any], part: str, collection: Collection, names: tuple[str, ...] | None) -> None:
    metrics = cfg.get(f'{part}_evaluator') or ()
    for metric in [metrics] if isinstance(metrics, Mapping) else metrics:
        if not isinstance(metric, Mapping) or 'type' not in metric:
            continue
        name = str(metric['type']).split('.')[-1]
        needed = LABELS_OF_METRIC.get(name)
        if None not in (needed, collection.LABELS) and needed != collection.LABELS:
            raise UserError(
                f'The metric {name} of {part}_evaluator does not fit the data.',
                looked_for=f'{needed} for each image',
                found=f'{collection.LABELS} for each image of {part}_dataloader',
            )
        if name == 'Accuracy' and names:
            _check_top(metric.get('topk', 1), len(names), part)


def _check_top(topk: object, num_classes: int, part: str) -> None:
    for k in topk if isinstance(topk, list | tuple) else [topk]:
        if not is_integer(k) or not 1 <= k <= num_classes:
            raise UserError(
                f'Accuracy of {part}_evaluator cannot be computed.',
                looked_for=f'topk from 1 to {num_classes}, the number of classes',
                found=f'topk={topk!r}',
            )


def _check_model(cfg: Mapping[str, Any], part: str, names: tuple[str, ...] | None) -> None:
    model = cfg.get('model') or {}
    for head in ('head', 'decode_head', 'auxiliary_head'):
        heads = model.get(head)
        for values in heads if isinstance(heads, list | tuple) else [heads]:
            found = values.get('num_classes') if isinstance(values, Mapping) else None
            if names and found is not None and found != len(names):
                raise UserError(
                    f'The model has another number of classes than the data of {part}_dataloader.',
                    looked_for=f'{len(names)}: {", ".join(names)}',
                    found=f'num_classes={found!r} of model.{head}',
                    remedy=f'set num_classes={len(names)}',
                )
