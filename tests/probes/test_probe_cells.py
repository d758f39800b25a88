"""Probes of a grid: the draws of the fine-tunings, from a plan to results."""

from __future__ import annotations

import copy
import json
import shutil

import cv2
import numpy as np
import pytest
from pydantic import TypeAdapter

from sdp_plugin.catalogue.subsets import draw_examples
from sdp_plugin.datasets.samples import digest_of_keys
from sdp_plugin.errors import UserError
from sdp_plugin.grid import store
from sdp_plugin.grid.config import GIVEN
from sdp_plugin.grid.plan import plan_grid
from sdp_plugin.grid.records import FEATURES, FINETUNING, PRETRAINING, PROBE, Plan
from sdp_plugin.grid.worker import Worker
from sdp_plugin.probes.cells import run_probes
from sdp_plugin.probes.features import compute_features
from sdp_plugin.report.reading import read_runs

SCRIBBLES = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
CRC = 'finetune/resnet34_1xb32-200e_crc.py'


@pytest.fixture
def write_grid(small_options, tmp_path):
    """``write_grid(**changes)``: a grid config of one data set with folds, fine-tuned and probed."""

    def write(**changes):
        options = {key: value for key, value in small_options(CRC, max_epochs=1).items() if key not in GIVEN}
        values = dict(
            name='probes',
            initialisations={'Random': {}},
            datasets={
                'CRC': dict(
                    config=CRC,
                    examples_per_class=[1],
                    folds=2,
                    probes=dict(examples_per_class=[1, 2], classifiers=['SimpleShot', 'k-NN'], repeats=2),
                    options=options,
                )
            },
        )
        path = tmp_path / 'grid.py'
        path.write_text('\n'.join(f'{key} = {value!r}' for key, value in (values | changes).items()))
        return path

    return write


def test_one_cell_holds_all_draws_of_a_size_and_classifier(write_grid):
    plan = plan_grid(write_grid())
    features, *others = [cell for cell in plan.cells if cell.kind == FEATURES]
    probes = [cell for cell in plan.cells if cell.kind == PROBE]
    assert others == []
    assert [(cell.examples_per_class, cell.method) for cell in probes] == [
        (1, 'SimpleShot'),
        (1, 'k-NN'),
        (2, 'SimpleShot'),
        (2, 'k-NN'),
    ]
    assert {cell.needs for cell in probes} == {features.id}
    assert {cell.draws for cell in probes} == {((0, 0, 0), (0, 1, 1), (1, 0, 2), (1, 1, 3))}
    assert len(plan.trainings) == 2 + 1 + 4
    assert TypeAdapter(Plan).validate_json(json.dumps(plan.to_dict())).cells == plan.cells


def test_batch_norm_statistics_of_the_target_make_other_features(write_grid, small_options, tmp_path):
    options = {key: value for key, value in small_options(PCAM).items() if key not in GIVEN}
    probes = dict(examples_per_class=[2], classifiers=['SimpleShot'], repeats=1)
    path = write_grid(
        initialisations={'Random': {}, 'Random, target statistics': dict(batch_norm_images=8)},
        datasets={'PCam': dict(config=PCAM, examples_per_class=[], probes=probes, options=options)},
    )
    work_dir, plan = tmp_path / 'work', plan_grid(path)
    store.write_plan(work_dir, plan)
    Worker(work_dir).run()
    record = store.read_grid(work_dir)
    assert record.failures == {}
    first, second = (store.left_by(work_dir, c.id, 'features') for c in plan.cells if c.kind == FEATURES)
    assert np.abs(np.load(first) - np.load(second)).max() > 1e-3


def test_the_content_of_what_a_training_loads_counts(write_grid, tmp_path):
    weights = tmp_path / 'weights.pth'
    found = []
    for content in (b'', b'one', b'two', b'one'):
        weights.write_bytes(content)
        plan = plan_grid(write_grid(finetune_options=dict(load_from=str(weights))))
        found.append([cell.id for cell in plan.cells if cell.kind == FINETUNING])
    assert found[1] == found[3]
    assert len({tuple(ids) for ids in found}) == 3


def test_features_are_shared_by_all_that_leaves_them_as_they_are(write_grid):
    def features_of(**changes):
        return {cell.id for cell in plan_grid(write_grid(), changes).cells if cell.kind == FEATURES}

    same = features_of()
    assert features_of(**{'datasets.CRC.options.max_epochs': 7, 'datasets.CRC.probes.repeats': 5}) == same
    assert features_of(**{'datasets.CRC.folds': 4}) == same
    assert features_of(**{'datasets.CRC.options.input_size': 64}) != same


def test_batch_norm_statistics_are_of_the_division_that_the_images_come_from(write_grid):
    def features_of(**changes):
        plan = plan_grid(write_grid(initialisations={'Random': dict(batch_norm_images=8)}), changes)
        return {cell.id for cell in plan.cells if cell.kind == FEATURES}

    others = [{'datasets.CRC.folds': 4}, {'datasets.CRC.options.group_by': 'source_image'}]
    assert len({frozenset(features_of(**changes)) for changes in [{}, *others]}) == 3
    assert features_of(**{'datasets.CRC.probes.repeats': 5}) == features_of()


def test_draws_are_those_of_the_fine_tunings(write_grid, tmp_path):
    work_dir, plan = tmp_path / 'work', plan_grid(write_grid())
    store.write_plan(work_dir, plan)
    Worker(work_dir).run()
    record = store.read_grid(work_dir)
    assert record.failures == {}
    trained = {
        (result.cell.repeat, result.cell.fold, result.cell.seed): result.subset
        for result in record.results.values()
        if result.cell.kind == FINETUNING
    }
    probe = next(r for r in record.results.values() if r.cell.kind == PROBE and r.cell.examples_per_class == 1)
    probed = {(draw['repeat'], draw['fold'], draw['seed']): draw['subset'] for draw in probe.draws}
    assert trained.items() <= {draw: subset | probe.subset for draw, subset in probed.items()}.items()
    assert len({subset['train_digest'] for subset in probed.values()}) == 4

    table = read_runs(record)
    assert table.problems == []
    assert table.methods == ('fine-tuning', 'SimpleShot', 'k-NN')
    runs = [run for run in table.done if run.kind == PROBE]
    assert len(runs) == 4 * 4
    for run in runs:
        assert run.scores.accuracy == pytest.approx(run.metrics['accuracy/top1'], abs=1e-3)
    assert probe.metrics['accuracy/top1'] == pytest.approx(
        np.mean([draw['metrics']['accuracy/top1'] for draw in probe.draws])
    )


def test_a_draw_of_pcam(small_config, tmp_path):
    cfg = small_config(PCAM, examples_per_class=3)
    features = compute_features(cfg, None, tmp_path, lambda line: None)
    probes = run_probes(cfg, features.path, 'logistic regression', [(0, None, 7)])
    keys, labels = [f'train/{index}' for index in range(16)], np.array([int(i) for i in _labels(cfg)])
    drawn = [keys[position] for position in draw_examples(keys, labels, 3, seed=7)]
    assert probes.draws[0]['subset']['train_digest'] == digest_of_keys(drawn)
    assert probes.draws[0]['chosen']['C'] > 0
    assert probes.scores['held_out_log_scores'].shape == (6, 2)
    assert probes.scores['held_out_labels'].tolist() == labels[draw_examples(keys, labels, 3, seed=7)].tolist()
    assert (probes.scores['held_out_lengths'].tolist(), probes.scores['lengths'].tolist()) == ([6], [6])
    assert set(probes.mean_metrics) == {'accuracy/top1', 'single-label/balanced-accuracy', 'single-label/auroc'}


def _labels(cfg):
    import h5py

    with h5py.File(f'{cfg.data_root}/camelyonpatch_level_2_split_train_y.h5') as file:
        return file['y'][:].reshape(-1)


def test_a_test_image_with_the_name_of_a_training_image_is_another(small_config, small_data, tmp_path):
    folders = [tmp_path / part for part in ('train', 'test')]
    for folder in folders:
        shutil.copytree(small_data.crc, folder)
    for image in folders[1].rglob('*.*'):
        pixels = cv2.imread(str(image))
        if pixels is not None:
            cv2.imwrite(str(image.with_suffix('.png')), 255 - pixels)
            image.unlink()
    cfg = small_config(CRC, examples_per_class=2)
    for loader, folder in zip((cfg.train_dataloader, cfg.test_dataloader), folders, strict=True):
        loader.dataset.update(data_root=str(folder), num_folds=None)
    features = compute_features(cfg, None, tmp_path / 'features', lambda line: None)
    assert features.description['images'] == 2 * 8 * 4
    probes = run_probes(cfg, features.path, 'SimpleShot', [(0, None, 0)])
    same = copy.deepcopy(cfg)
    same.test_dataloader.dataset.data_root = str(folders[0])
    other = compute_features(same, None, tmp_path / 'other', lambda line: None)
    assert other.description['images'] == 8 * 4
    scores = [
        run_probes(*given, 'SimpleShot', [(0, None, 0)]).scores for given in ((cfg, features.path), (same, other.path))
    ]
    assert np.abs(scores[0]['log_scores'] - scores[1]['log_scores']).max() > 1e-2
    assert probes.draws[0]['subset']['test_size'] == 8 * 4


def test_features_of_other_images_are_refused(small_config, tmp_path):
    cfg = small_config(PCAM, examples_per_class=3)
    cfg.test_dataloader.dataset.indices = 2
    features = compute_features(cfg, None, tmp_path, lambda line: None)
    with pytest.raises(UserError, match='not of these images'):
        run_probes(small_config(PCAM, examples_per_class=3), features.path, 'k-NN', [(0, None, 0)])


def test_trunks_along_a_pre_training_are_probed(write_grid, small_options, tmp_path):
    options = small_options(SCRIBBLES, max_iters=4)
    path = write_grid(
        pretrainings={'scribbles': dict(config=SCRIBBLES, options=options)},
        initialisations={
            'Scribbles': dict(pretraining='scribbles', kinds=['probe']),
            'Scribbles after 2': dict(pretraining='scribbles', iteration=2, kinds=['probe']),
        },
    )
    work_dir, plan = tmp_path / 'work', plan_grid(path)
    assert {cell.kind for cell in plan.cells} == {PRETRAINING, FEATURES, PROBE}
    store.write_plan(work_dir, plan)
    Worker(work_dir).run()
    record = store.read_grid(work_dir)
    assert record.failures == {}
    by_kind = {kind: [r for r in record.results.values() if r.cell.kind == kind] for kind in (PRETRAINING, FEATURES)}
    (pretraining,), (first, second) = by_kind.values()
    assert set(pretraining.files) == {'config', 'initialisation', 'initialisation-2'}
    features = [np.load(store.left_by(work_dir, result.cell.id, 'features')) for result in (first, second)]
    assert np.abs(features[0] - features[1]).max() > 0
    assert len(record.results) == 1 + 2 * (1 + 4)


def test_what_a_pre_training_keeps_leaves_its_id(write_grid, small_options):
    def pretraining(iteration):
        initialisations = {'S': dict(pretraining='s', iteration=iteration)}
        pretrainings = {'s': dict(config=SCRIBBLES, options=small_options(SCRIBBLES, max_iters=4))}
        plan = plan_grid(write_grid(pretrainings=pretrainings, initialisations=initialisations))
        return next(cell.id for cell in plan.cells if cell.kind == PRETRAINING)

    assert pretraining(None) == pretraining(2)


@pytest.mark.parametrize(
    ('options', 'message'),
    [
        ({'datasets.CRC.probes.classifiers': ['logistics']}, "did you mean 'logistic regression'"),
        ({'datasets.CRC.probes.examples_per_class': []}, 'at least 1 item'),
        ({'datasets.CRC.probes.sizes': [1]}, "'sizes' is not a key"),
        ({'initialisations.Random.iteration': 5}, 'no pre-training'),
        ({'initialisations.Random.kinds': ['probes']}, "did you mean 'probe'"),
        ({'datasets.CRC.examples_per_class': [], 'datasets.CRC.probes': None}, 'at least one number'),
    ],
)
def test_mistakes_in_a_grid_are_named(write_grid, options, message):
    with pytest.raises(UserError, match=message):
        plan_grid(write_grid(), options)
