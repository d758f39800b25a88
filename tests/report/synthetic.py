"""Work directories of grids that nobody ran: the layout and the sizes of the paper's Table 1, results drawn at random.

``python tests/report/synthetic.py WORK_DIR`` writes one to look at.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from scipy.stats import norm, rankdata

from sdp_plugin.grid.leases import claim, this_process
from sdp_plugin.grid.records import FINETUNING, PRETRAINING, PROBE, Cell, Failure, Result

PRETRAININGS = {
    'Classification': 'classes',
    'Full segmentation': 'masks',
    'Scribble segmentation': 'scribbles',
}
# Means of the paper's Table 1, around which the results are drawn.
MEANS = {
    'Random': {'CRC': (61.62, 64.12, 77.34), 'PCam': (79.37, 81.26, 84.09)},
    'Classification': {'CRC': (62.98, 69.16, 78.00), 'PCam': (76.61, 80.95, 82.50)},
    'Full segmentation': {'CRC': (67.34, 73.34, 81.40), 'PCam': (82.11, 86.11, 87.80)},
    'Scribble segmentation': {'CRC': (67.40, 72.60, 81.02), 'PCam': (82.13, 86.04, 87.68)},
}
RUN_SD = {'CRC': 2.0, 'PCam': 1.0}
NUM_CLASSES = {'CRC': 8, 'PCam': 2}
SHARED = 0.8  # of the spread of an image's score lies in the image, the rest in the run
MACHINE = {'host': 'node-1', 'processor': 'Example CPU', 'cores': '16', 'device': 'Example GPU'}
VERSIONS = {'python': '3.11.7', 'torch': '2.13.0', 'numpy': '2.4.6', 'sdp_plugin': '0.1.0'}


@dataclass(frozen=True)
class Shape:
    """How large the grid is.

    Args:
        repeats (int): Seeds on PCam; folds on CRC.
        crc_repeats (int): Repeats of the whole cross-validation on CRC.
        pcam_test (int): Test images of PCam, the same for all runs.
        crc_test (int): Test images of each fold of CRC.
        initialisations (Mapping[str, str]): Name to the initialisation of :data:`MEANS` that it behaves like.
        variants (Sequence[str]): Names of the variants.
        published (str | None): Key of the published results.
        probes (Sequence[str]): Methods of frozen probes beside the fine-tunings.
    """

    repeats: int = 10
    crc_repeats: int = 1
    pcam_test: int = 32_768
    crc_test: int = 500
    initialisations: Mapping[str, str] = field(default_factory=lambda: {name: name for name in MEANS})
    variants: Sequence[str] = ('',)
    published: str | None = 'teh2022'
    probes: Sequence[str] = ()


SMALL = Shape(repeats=4, pcam_test=60, crc_test=40)


def grid_config(shape: Shape) -> dict[str, Any]:
    """The grid's config as plain data."""
    names = list(shape.initialisations)
    return {
        'name': 'table1',
        'pretrainings': {key: {'config': f'pretrain/{key}.py', 'options': {}} for key in PRETRAININGS.values()},
        'initialisations': {
            name: {'pretraining': PRETRAININGS[like]} if like in PRETRAININGS else {}
            for name, like in shape.initialisations.items()
        },
        'datasets': {
            'PCam': {
                'config': 'finetune/resnet34_1xb32-100e_pcam.py',
                'examples_per_class': [1000, 2000, 3000],
                'repeats': shape.repeats,
                'options': {},
            },
            'CRC': {
                'config': 'finetune/resnet34_1xb32-200e_crc.py',
                'examples_per_class': [12, 25, 50],
                'folds': shape.repeats,
                'repeats': shape.crc_repeats,
                'options': {},
            },
        },
        'variants': {variant: {} for variant in shape.variants},
        'pretrain_options': {},
        'finetune_options': {},
        'comparisons': [
            {'first': names[-1], 'second': second, 'margin': {'PCam': 1.0, 'CRC': 2.0}} for second in names[-2::-1]
        ],
        'published': shape.published,
        'metric': 'accuracy/top1',
        'together': 1,
        'keep_checkpoints': False,
        'work': 'sdp_plugin.grid.train_cells:train_cells',
    }


def cells_of(shape: Shape) -> list[Cell]:
    """The plan: pre-trainings, then fine-tunings."""
    cells = [
        Cell(_digest(key), PRETRAINING, f'pre-training: {key}', f'pretrain/{key}.py', {})
        for key in PRETRAININGS.values()
    ]
    for variant in shape.variants:
        for dataset, settings in grid_config(shape)['datasets'].items():
            folds = settings.get('folds')
            runs = [(r, f) for r in range(settings['repeats']) for f in (range(folds) if folds else [None])]
            for count in settings['examples_per_class']:
                for repeat, fold in runs:
                    for name, method in itertools.product(shape.initialisations, ['', *shape.probes]):
                        like = shape.initialisations[name]
                        place = f'fold {fold}' if fold is not None else f'repeat {repeat}'
                        title = ' · '.join(
                            filter(None, [variant, f'{dataset} {count}', name, method, f'{place} of {repeat}'])
                        )
                        needs = _digest(PRETRAININGS[like]) if like in PRETRAININGS else None
                        cells.append(
                            Cell(
                                _digest(title),
                                PROBE if method else FINETUNING,
                                title,
                                settings['config'],
                                {},
                                needs=needs,
                                variant=variant,
                                dataset=dataset,
                                examples_per_class=count,
                                initialisation=name,
                                repeat=repeat,
                                fold=fold,
                                seed=repeat * (folds or 1) + (fold or 0),
                                group=f'{variant}/{dataset}/{count}',
                                method=method,
                            )
                        )
    return cells


def write_grid(work_dir: Path, shape: Shape = SMALL, *, seed: int = 0, leave_out: Sequence[str] = ()) -> list[Cell]:
    """Write ``grid.json`` and the results of all cells but those whose title contains a text of ``leave_out``."""
    cells = cells_of(shape)
    write_plan(work_dir, grid_config(shape), cells)
    for cell in cells:
        if any(text in cell.title for text in leave_out):
            continue
        if cell.kind == PRETRAINING:
            write_result(work_dir, _pretraining_result(cell), {})
        else:
            write_result(work_dir, *_finetuning_result(cell, shape, seed))
    return cells


def write_plan(work_dir: Path, grid: dict, cells: Sequence[Cell]) -> None:
    work_dir.mkdir(parents=True, exist_ok=True)
    plan = {'format': 1, 'name': grid['name'], 'grid': grid, 'cells': [cell.to_dict() for cell in cells]}
    plan |= {'config': '/home/me/grids/mine.py', 'options': {'datasets.PCam.repeats': 4}}
    (work_dir / 'grid.json').write_text(json.dumps(plan))


def write_result(work_dir: Path, result: Result, scores: Mapping[str, np.ndarray]) -> Path:
    folder = work_dir / 'cells' / result.cell.id
    folder.mkdir(parents=True, exist_ok=True)
    if scores:
        np.savez_compressed(folder / 'scores.npz', **scores)
    (folder / 'config.py').write_text(f'# {result.cell.title}\nseed = {result.cell.seed}\n')
    names = {'config': 'config.py'} | ({'scores': 'scores.npz'} if scores else {})
    values = {'format': 1, **asdict(replace(result, cell=None)), 'cell': result.cell.to_dict(), 'files': names}
    (folder / 'result.json').write_text(json.dumps(values))
    return folder


def write_failure(work_dir: Path, cell: Cell, error: str) -> None:
    folder = work_dir / 'cells' / cell.id
    folder.mkdir(parents=True, exist_ok=True)
    failure = Failure(cell, error, 'Traceback (most recent call last):\n  ...', MACHINE, '2026-11-22T10:00:00+00:00')
    (folder / 'failure.json').write_text(
        json.dumps({'format': 1, **asdict(replace(failure, cell=None)), 'cell': cell.to_dict()})
    )


def _pretraining_result(cell: Cell) -> Result:
    curve = [{'step': step, 'loss': 3 * np.exp(-step / 9000) + 0.4, 'lr': 2.5e-4} for step in range(0, 40_001, 1000)]
    return Result(
        cell, {'mIoU': 41.2}, curve, {'train_size': 10_582}, {'start_up': 9.0, 'train': 5400.0, 'test': 80.0},
        {'initialisation': 'initialisation.pth'}, VERSIONS, MACHINE, '2026-11-22T09:00:00+00:00',
    )  # fmt: skip


def _finetuning_result(cell: Cell, shape: Shape, seed: int) -> tuple[Result, dict[str, np.ndarray]]:
    scores = _scores(cell, shape, seed)
    right = scores['predictions'] == scores['labels']
    recalls = [right[scores['labels'] == label].mean() for label in np.unique(scores['labels'])]
    metrics = {
        'accuracy/top1': 100 * float(right.mean()),
        'single-label/balanced-accuracy': 100 * float(np.mean(recalls)),
        'single-label/auroc': 100 * _auroc(scores['log_scores'].astype(np.float64), scores['labels']),
    }
    epochs = 200 if cell.dataset == 'CRC' else 100
    speed = 4 * metrics['accuracy/top1'] / 80
    noise = np.random.default_rng(int(cell.id, 16) + seed).normal(0, 0.04, epochs)
    curve = [
        {'step': epoch + 1, 'loss': float(2 * np.exp(-epoch / epochs * speed + noise[epoch])), 'lr': 1e-4 * 0.94**epoch}
        for epoch in range(epochs)
    ]
    if cell.kind == PROBE:
        curve = []
    tested = f'{cell.dataset}-{cell.fold}'
    subset = {
        'train_size': cell.examples_per_class * NUM_CLASSES[cell.dataset],
        'test_size': len(right),
        'train_digest': _digest(f'{tested}-{cell.examples_per_class}-{cell.seed}'),
        'test_digest': _digest(tested),
    }
    durations = {'start_up': 2.5, 'train': 0.4 * epochs, 'test': 0.0002 * len(right)}
    result = Result(
        cell,
        metrics,
        curve,
        subset,
        durations,
        {'scores': 'scores.npz'},
        VERSIONS,
        MACHINE,
        '2026-11-22T11:00:00+00:00',
    )
    return result, scores


def _scores(cell: Cell, shape: Shape, seed: int) -> dict[str, np.ndarray]:
    classes = NUM_CLASSES[cell.dataset]
    count = shape.crc_test if cell.fold is not None else shape.pcam_test
    # Images are the same for all cells that are tested on them; draws shared by the initialisations pair them.
    images = np.random.default_rng([seed, 1, classes, cell.fold or 0])
    labels = images.permutation(np.arange(count) % classes)
    difficulty = images.normal(size=count)
    run = np.random.default_rng([seed, 2, classes, cell.seed, cell.examples_per_class]).normal()
    own = np.random.default_rng([seed, 3, int(cell.id[:8], 16)])
    mean = MEANS[shape.initialisations[cell.initialisation]][cell.dataset][
        grid_config(shape)['datasets'][cell.dataset]['examples_per_class'].index(cell.examples_per_class)
    ]
    spread = RUN_SD[cell.dataset]
    accuracy = np.clip((mean + spread * (0.8 * run + 0.6 * own.normal())) / 100, 0.01, 0.99)
    margin = norm.ppf(accuracy) + SHARED * difficulty + (1 - SHARED**2) ** 0.5 * own.normal(size=count)
    logits = 0.7 * own.normal(size=(count, classes))
    logits[np.arange(count), labels] = -np.inf
    logits[np.arange(count), labels] = logits.max(axis=1) + 2 * margin
    log_scores = (logits - np.logaddexp.reduce(logits, axis=1)[:, None]).astype(np.float16)
    return {
        'log_scores': log_scores,
        'predictions': logits.argmax(axis=1).astype(np.uint8),
        'labels': labels.astype(np.uint8),
    }


def _auroc(scores: np.ndarray, labels: np.ndarray) -> float:
    areas = []
    for label in [1] if scores.shape[1] == 2 else np.unique(labels):
        positive = labels == label
        ranks = rankdata(scores[:, label])
        count = positive.sum()
        areas.append((ranks[positive].sum() - count * (count + 1) / 2) / (count * (len(labels) - count)))
    return float(np.mean(areas))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def write_troubled_grid(work_dir: Path, shape: Shape = SMALL) -> dict[str, str]:
    """A grid with everything that can be amiss. Returns the ids of the cells that are, by what is."""
    cells = [cell for cell in cells_of(shape) if cell.kind == FINETUNING]
    kinds = ('failed', 'running', 'missing', 'unrunnable', 'other images', 'bad scores', 'no number')
    amiss = dict(zip(kinds, cells[1::5], strict=False))
    obstacle = 'fold 3: there are 35 images of EMPTY outside of the fold, and 50 are needed'
    plan = [replace(cell, obstacle=obstacle) if cell == amiss['unrunnable'] else cell for cell in cells_of(shape)]
    write_grid(work_dir, shape, leave_out=[amiss[key].title for key in ('failed', 'running', 'missing', 'unrunnable')])
    write_plan(work_dir, grid_config(shape), plan)
    write_failure(work_dir, amiss['failed'], 'OutOfMemoryError: CUDA out of memory. Tried to allocate <2 GiB> & more')
    claim(work_dir / 'cells' / amiss['running'].id, this_process('worker-1'))
    result = _finetuning_result(amiss['other images'], shape, 0)
    write_result(work_dir, replace(result[0], subset=result[0].subset | {'train_digest': 'f' * 12}), result[1])
    result = _finetuning_result(amiss['bad scores'], shape, 0)
    write_result(work_dir, result[0], {name: array[:-1] for name, array in result[1].items()})
    result = _finetuning_result(amiss['no number'], shape, 0)
    write_result(work_dir, replace(result[0], metrics=result[0].metrics | {'single-label/auroc': float('nan')}), {})
    stale = replace(cells[0], id='0' * 12, title='PCam 1000 · Random · of an earlier plan')
    write_result(work_dir, _finetuning_result(stale, shape, 0)[0], {})
    write_samples(work_dir)
    return {key: cell.id for key, cell in amiss.items()}


def write_samples(work_dir: Path) -> None:
    folder = work_dir / 'samples'
    folder.mkdir()
    generator = np.random.default_rng(0)
    names = [f'tile_{index}.png' for index in range(6)]
    for name in names:
        picture = generator.integers(120, 255, (6, 6, 3), dtype=np.uint8)
        Image.fromarray(picture).resize((96, 96), Image.Resampling.BICUBIC).save(folder / name)
    samples = [{'file': name, 'caption': 'tumour, predicted 0.93', 'group': 'PCam 1,000'} for name in names]
    (folder / 'samples.json').write_text(json.dumps({'format': 1, 'samples': samples}))


if __name__ == '__main__':
    write_grid(Path(sys.argv[1]), Shape())
