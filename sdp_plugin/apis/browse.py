"""The samples of a config's data set: as loaded, and as its pipeline hands them to the network."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.registry import DATASETS, DefaultScope
from mmengine.runner import set_random_seed

from sdp_plugin.datasets.samples import id_of, positions_of
from sdp_plugin.engine.construction import faults_of
from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.formats.index_png import read_index_png
from sdp_plugin.visualization.panels import Panel, PanelRow

SPLITS = ('train', 'test')
IGNORE_INDEX = 255
# Strokes are thin, so they cover the image; a mask lets it shine through.
OPACITIES = {'scribbles': 1.0, 'full mask': 0.6}


@dataclass(frozen=True)
class _Loaded:
    """A sample before anything changes it.

    Args:
        image (np.ndarray): (H, W, 3) uint8, RGB; where labels are drawn on a changed image, that one.
        labels (np.ndarray | None): (H, W) class indices; None where no map of labels is loaded.
        classes (Sequence[int] | None): Of the whole image; None where they are told later, or not at all.
    """

    image: np.ndarray
    labels: np.ndarray | None
    classes: Sequence[int] | None


def open_dataset(cfg: Config, split: str) -> BaseDataset:
    """Build the data set of a split, with its pipeline.

    Args:
        cfg (Config): A config of ours.
        split (str): ``'train'`` or ``'test'``.

    Returns:
        BaseDataset: The data set.

    Raises:
        UserError: If the config has no such split, or its data set no pipeline to step through; and as the data set
            does.
    """
    loader = cfg.get(f'{split}_dataloader')
    if not loader:
        raise UserError(f'The config has no {split}_dataloader.', found=cfg.filename)
    with faults_of(cfg), DefaultScope.overwrite_default_scope(cfg.get('default_scope')):
        # A look at a few samples is no reason to decode them all.
        dataset = DATASETS.build(
            {**loader.dataset, 'decode_first': False} if 'decode_first' in loader.dataset else loader.dataset
        )
    if not hasattr(dataset, 'pipeline'):
        raise UserError(
            'The data set wraps another one, and has no pipeline of its own.',
            found=type(dataset).__name__,
            remedy='name the inner data set in the config',
        )
    return dataset


def choose(dataset: BaseDataset, count: int, start: int | None = None, ids: Sequence[str] = ()) -> list[int]:
    """Choose which samples to look at.

    Args:
        dataset (BaseDataset): The data set.
        count (int): How many.
        start (int | None): The first one's position, the others follow it. None takes them evenly spread over the
            data set, which has them sorted by class or by id.
        ids (Sequence[str]): These samples instead.

    Returns:
        list[int]: Positions, fewer than ``count`` where the data set ends.

    Raises:
        UserError: If there is no such sample.
    """
    if ids:
        return positions_of(dataset, ids)
    if start is not None:
        positions_of(dataset, [start])
        return list(range(start, min(start + count, len(dataset))))
    return sorted(set(np.linspace(0, len(dataset) - 1, min(count, len(dataset))).round().astype(int).tolist()))


def browse(
    dataset: BaseDataset,
    positions: Sequence[int],
    augmented: int = 2,
    masks: str | Path | None = None,
    seed: int = 0,
) -> Iterator[PanelRow]:
    """Run samples through their pipeline.

    Args:
        dataset (BaseDataset): Of :func:`open_dataset`.
        positions (Sequence[int]): Of :func:`choose`.
        augmented (int): How many random draws of the pipeline to show. A test pipeline has none: one is enough there.
        masks (str | Path | None): A folder of ``<id>.png`` to show full masks beside the scribbles.
        seed (int): With a sample's position it decides the draws.

    Yields:
        PanelRow: For each position. Whatever is wrong with a sample becomes the row's problem.

    Raises:
        UserError: If the folder of the masks is missing.
    """
    if masks is not None and not Path(masks).is_dir():
        raise UserError('The folder of full masks is missing.', looked_for=masks)
    augmented = min(augmented, 1) if dataset.test_mode else augmented
    for position in positions:
        set_random_seed((seed + position) % 2**32)
        yield _row(dataset, position, augmented, None if masks is None else Path(masks))


def _row(dataset: BaseDataset, position: int, augmented: int, masks: Path | None) -> PanelRow:
    title = str(position)
    # A broken file or transform can raise anything, and the other samples are still worth a look.
    try:
        record = dataset.get_data_info(position)
        title = id_of(record, position)
        kind = 'scribbles' if 'scribble_path' in record else 'full mask'
        runs = [_run_pipeline(dataset, position) for _ in range(max(1, augmented))]
        panels = _loaded_panels(*runs[0], kind, dataset)
        if masks is not None:
            image = runs[0][0].image
            panels.append(_over('full mask', 'full mask', image, _read_mask(masks / f'{title}.png', image)))
        for number, (_, packed) in enumerate(runs[:augmented], start=1):
            panels += _seen_panels(packed, 'as tested' if dataset.test_mode else f'augmented {number}', kind, dataset)
        return PanelRow(title, panels)
    except UserError as error:
        return PanelRow(title, problem=str(error))
    except Exception as error:
        return PanelRow(title, problem=f'{type(error).__name__}: {error}')


def _run_pipeline(dataset: BaseDataset, position: int) -> tuple[_Loaded, dict]:
    record, loaded, original = dataset.get_data_info(position), None, None
    for transform in dataset.pipeline.transforms:
        record = transform(record)
        if record is None:
            raise UserError(f'{type(transform).__name__} gives this sample up.')
        if 'img' not in record:
            continue
        original = record['img'].copy() if original is None else original
        labels = _labels_of(record)
        labels_are_new = labels is not None and (loaded is None or loaded.labels is None)
        if labels_are_new or np.array_equal(record['img'], original):
            loaded = _Loaded(_to_rgb(record['img']), labels, _classes_of(record))
    if loaded is None:
        raise UserError('The pipeline loads no image.')
    return loaded, record


def _loaded_panels(loaded: _Loaded, packed: dict, kind: str, dataset: BaseDataset) -> list[Panel]:
    caption = _size_of(loaded.image)
    if loaded.classes is not None:
        caption += f': {_names_of(loaded.classes, dataset)}'
    panels = [Panel('image', loaded.image, caption=caption)]
    if 'gt_sem_seg' in packed['data_samples']:
        panels.append(_over(kind, kind, loaded.image, loaded.labels))
    return panels


def _seen_panels(packed: dict, head: str, kind: str, dataset: BaseDataset) -> list[Panel]:
    image = _to_rgb(packed['inputs'].permute(1, 2, 0).numpy())
    sample = packed['data_samples']
    caption = _size_of(image)
    if 'gt_label' in sample:
        caption += f': {_names_of(sample.gt_label.tolist(), dataset)}'
    panels = [Panel(head, image, caption=caption)]
    if 'gt_sem_seg' in sample:
        labels = sample.gt_sem_seg.data[0].numpy().astype(np.uint8)
        panels.append(_over(kind, f'{head}: {kind}', image, labels))
    return panels


def _over(kind: str, head: str, image: np.ndarray, labels: np.ndarray) -> Panel:
    share = np.count_nonzero(labels != IGNORE_INDEX) / labels.size
    return Panel(head, image, labels, OPACITIES[kind], f'{100 * share:.1f} % labelled')


def _read_mask(path: Path, image: np.ndarray) -> np.ndarray:
    mask = read_index_png(path)
    if mask.shape != image.shape[:2]:
        raise UserError(f'{path} is of another size than its image.', looked_for=image.shape[:2], found=mask.shape)
    return mask


def _classes_of(record: dict) -> list[int] | None:
    return None if 'gt_label' not in record else np.atleast_1d(record['gt_label']).tolist()


def _labels_of(record: dict) -> np.ndarray | None:
    if 'strokes' in record:  # to be drawn in the crop
        shape = record['img'].shape[:2]
        return record['strokes'].draw(shape, (0, 0, *shape))
    return None if 'gt_seg_map' not in record else record['gt_seg_map'].copy()


def _names_of(classes: Sequence[int], dataset: BaseDataset) -> str:
    return ', '.join(dataset.metainfo['classes'][index] for index in classes) or 'no class'


def _size_of(image: np.ndarray) -> str:
    return f'{image.shape[1]} x {image.shape[0]}'


def _to_rgb(image: np.ndarray) -> np.ndarray:
    """BGR to RGB; values that a transform left outside of a byte's range are clipped."""
    return cv2.cvtColor(np.ascontiguousarray(np.clip(image, 0, 255).astype(np.uint8)), cv2.COLOR_BGR2RGB)
