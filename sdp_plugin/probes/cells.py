"""Probes of one classifier and size: each draw fitted and tested on features that are there."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from statistics import fmean
from typing import Any

import numpy as np
from mmengine.config import Config
from threadpoolctl import threadpool_limits

from sdp_plugin.catalogue.data_checks import COLLECTIONS, collection_of
from sdp_plugin.catalogue.tiles import TileCollection, Tiles
from sdp_plugin.datasets.samples import digest_of_keys
from sdp_plugin.errors import UserError
from sdp_plugin.evaluation import AUROC, BalancedAccuracy
from sdp_plugin.probes.all_images import test_key
from sdp_plugin.probes.classifiers import Probed, classify
from sdp_plugin.probes.features import load_features

Draw = tuple[int, int | None, int]
"""Repeat, fold and seed."""


@dataclass(frozen=True)
class Probes:
    """The probes of all draws.

    Args:
        draws (list[dict[str, Any]]): One dict a draw, see :class:`sdp_plugin.grid.records.Outcome`; what the classifier
            chose is in ``chosen``.
        scores (dict[str, np.ndarray]): The test images of all draws, one draw after the other, and ``lengths``; with
            ``held_out_`` before their names the same of the labelled examples, each predicted without it.
        classes (Sequence[str]): Names.
    """

    draws: list[dict[str, Any]]
    scores: dict[str, np.ndarray]
    classes: Sequence[str]

    @property
    def mean_metrics(self) -> dict[str, float]:
        """The mean of each metric over the draws."""
        return {name: fmean(draw['metrics'][name] for draw in self.draws) for name in self.draws[0]['metrics']}


def run_probes(cfg: Config, features: str | Path, classifier: str, draws: Iterable[Draw]) -> Probes:
    """Draw labelled examples, fit a classifier to their features and test it, once for each draw.

    The examples of a draw are those that a fine-tuning of the same fold and seed is trained on.

    Args:
        cfg (Config): A config of a classifier, with the number of examples a class.
        features (str | Path): A file of features, see :class:`~sdp_plugin.probes.features.Features`.
        classifier (str): One of :data:`~sdp_plugin.probes.classifiers.CLASSIFIERS`.
        draws (Iterable[Draw]): Repeat, fold and seed of each.

    Returns:
        Probes: The results.

    Raises:
        UserError: The features are spoilt or not of these images, a class has too few examples, or the data set is not
            one of ours.
    """
    array, rows = load_features(features)
    results, scores = [], []
    # One thread each: a matrix of some hundred examples is not worth waking others, and workers share the cores.
    with threadpool_limits(1):
        for repeat, fold, seed in draws:
            train, test, classes = _drawn(cfg, fold, seed)
            known = array[_rows_of(train.keys, rows)], array[_rows_of(_test_keys(test, rows), rows)]
            probed = classify(classifier, known[0], train.labels, known[1], len(classes), seed)
            scores.append(_scores_of(probed, train.labels, test.labels))
            results.append(
                dict(
                    repeat=repeat,
                    fold=fold,
                    seed=seed,
                    metrics=_metrics_of(probed, test.labels),
                    subset=_described('train', train) | _described('test', test),
                    chosen=dict(probed.chosen),
                )
            )
    joined = {name: np.concatenate([each[name] for each in scores]) for name in scores[0]}
    for part in ('', 'held_out_'):
        joined[f'{part}lengths'] = np.array([len(each[f'{part}labels']) for each in scores])
    return Probes(results, joined, classes)


def _drawn(cfg: Config, fold: int | None, seed: int) -> tuple[Tiles, Tiles, Sequence[str]]:
    """The labelled examples of a draw, the test images of its fold, and the names of the classes."""
    of_fold = {} if fold is None else {'fold': fold}
    train = _collection(cfg.train_dataloader.dataset, seed=seed, **of_fold)
    test = _collection(cfg.test_dataloader.dataset, **of_fold)
    return train.chosen(_found(train.whole())), test.chosen(_found(test.whole())), train.class_names


def _collection(dataset: Mapping[str, Any], **changes: Any) -> TileCollection:
    collection = collection_of({**dataset, **changes})
    if not isinstance(collection, TileCollection):
        raise UserError(
            'Probes draw their examples from data sets of sdp_plugin.',
            looked_for=', '.join(name for name, kind in COLLECTIONS.items() if issubclass(kind, TileCollection)),
            found=dataset['type'],
        )
    return collection


@lru_cache(maxsize=8)
def _found(whole: TileCollection) -> Tiles:
    # Hundreds of draws in a process are of the same tiles.
    return whole.read()


def _test_keys(tiles: Tiles, rows: Mapping[str, int]) -> list[str]:
    return [other if (other := test_key(key)) in rows else key for key in tiles.keys]


def _rows_of(keys: Sequence[str], rows: Mapping[str, int]) -> list[int]:
    missing = [key for key in keys if key not in rows]
    if missing:
        raise UserError(
            'The features are not of these images.',
            looked_for=missing[0],
            found=f'features of {len(rows):,} images, without those of {len(missing):,} others',
            remedy='compute the features again',
        )
    return [rows[key] for key in keys]


def _scores_of(probed: Probed, train_labels: np.ndarray, labels: np.ndarray) -> dict[str, np.ndarray]:
    num_classes = probed.log_scores.shape[1]
    kind = np.uint8 if num_classes <= 256 else np.uint16
    held_out = np.empty((0, num_classes)) if probed.held_out is None else probed.held_out
    return {
        'held_out_log_scores': held_out.astype(np.float16),
        'held_out_labels': train_labels[: len(held_out)].astype(kind),
        'log_scores': probed.log_scores.astype(np.float16),
        'predictions': probed.log_scores.argmax(axis=1).astype(kind),
        'labels': labels.astype(kind),
    }


def _metrics_of(probed: Probed, labels: np.ndarray) -> dict[str, float]:
    scores = np.exp(probed.log_scores)
    metrics = {'accuracy/top1': 100.0 * float((probed.log_scores.argmax(axis=1) == labels).mean())}
    for metric in (BalancedAccuracy(), AUROC()):
        metrics |= {f'{metric.prefix}/{name}': value for name, value in metric.measure(scores, labels).items()}
    return metrics


def _described(name: str, tiles: Tiles) -> dict[str, object]:
    return {f'{name}_size': len(tiles), f'{name}_digest': digest_of_keys(tiles.keys)}
