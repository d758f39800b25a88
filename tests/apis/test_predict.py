"""A fine-tuned classifier, applied from its checkpoint alone."""

from __future__ import annotations

import csv
import os
import shutil
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import torch
from mmengine.evaluator import BaseMetric
from mmengine.runner import Runner

from sdp_plugin.apis.predict import load_classifier
from sdp_plugin.apis.predict_tiles import open_tiles, predict, write_predictions
from sdp_plugin.errors import UserError
from sdp_plugin.registry import METRICS

PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
# Not half of 96, where all ways to scale agree.
OTHER_SIZE = 70


@METRICS.register_module(force=True)
class KeepScores(BaseMetric):
    """The probabilities as a Runner's test sees them."""

    default_prefix = 'kept'

    def process(self, data_batch, data_samples):
        self.results.extend(sample['pred_score'].tolist() for sample in data_samples)

    def compute_metrics(self, results):
        return {'scores': results}


def write_checkpoint(runner: Runner, folder: Path) -> Path:
    """What a training writes, its hooks included, of weights that differ from each other."""
    for parameter in runner.model.parameters():
        parameter.data.add_(0.05 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    runner.train_loop  # noqa: B018 - builds it, and with it the data set whose classes the card names
    runner.save_checkpoint(str(folder), 'epoch_1.pth', save_optimizer=False, save_param_scheduler=False)
    return folder / 'epoch_1.pth'


@pytest.fixture(params=[96, OTHER_SIZE], ids=lambda size: f'{size}px')
def tested(request, small_config, tmp_path):
    """A checkpoint and the probabilities of its own test."""
    # Prediction computes in float32, on processors with bfloat16 too.
    cfg = small_config(PCAM, input_size=request.param, precision='float32')
    cfg.test_evaluator = [dict(type='sdp_plugin.KeepScores')]
    runner = Runner.from_cfg(cfg)
    checkpoint = write_checkpoint(runner, tmp_path)
    return checkpoint, np.array(runner.test()['kept/scores'])


@pytest.fixture
def checkpoint(small_config, tmp_path) -> Path:
    return write_checkpoint(Runner.from_cfg(small_config(PCAM)), tmp_path)


@pytest.fixture
def patches_of_test(small_data) -> Path:
    return small_data.pcam / 'camelyonpatch_level_2_split_test_x.h5'


def test_same_probabilities_as_the_test(tested, patches_of_test):
    checkpoint, wanted = tested
    probabilities = predict(load_classifier(checkpoint), open_tiles(patches_of_test), batch_size=4)
    assert wanted.std(axis=0).max() > 1e-3  # else any classifier would do
    np.testing.assert_allclose(probabilities, wanted, atol=1e-5)


def read(path: Path) -> list[dict[str, str]]:
    with open(path, newline='', encoding='utf-8') as file:
        return list(csv.DictReader(file))


def test_a_folder_of_mixed_sizes_and_formats(checkpoint, tmp_path, capsys):
    generator = np.random.default_rng(0)
    folder = tmp_path / 'tiles'
    names = {'a.png': (96, 96), 'b.TIF': (40, 200), 'sub/c.jpg': (150, 150), 'sub/deeper/d.bmp': (97, 96)}
    for name, size in names.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        cv2.imwrite(str(path), generator.integers(0, 256, (*size, 3), np.uint8))
    (folder / 'notes.txt').write_text('no tile')

    classifier, tiles = load_classifier(checkpoint), open_tiles(folder)
    probabilities = predict(classifier, tiles, batch_size=3)
    assert '3 of 4 tiles were scaled to the 96 x 96 pixels' in capsys.readouterr().out
    table, sheet = write_predictions(tmp_path / 'out', tiles, classifier.classes, probabilities)

    rows = read(table)
    assert [row['tile'] for row in rows] == sorted(names)
    for row, values in zip(rows, probabilities, strict=True):
        scores = {name: float(row[name]) for name in ('normal', 'tumour')}
        assert sum(scores.values()) == pytest.approx(1, abs=2e-6)
        assert scores == pytest.approx(dict(zip(('normal', 'tumour'), values.tolist(), strict=True)), abs=1e-6)
        assert row['predicted'] == max(scores, key=scores.get)
        assert float(row['probability']) == max(scores.values())
    assert min(cv2.imread(str(sheet)).shape[:2]) > 100


def test_each_tile_gets_its_own_row(checkpoint, patches_of_test, tmp_path):
    """Whatever the size of the batches and whichever tiles are beside it."""
    classifier = load_classifier(checkpoint)
    with h5py.File(patches_of_test) as file:
        patches = file['x'][:]
    folder = tmp_path / 'tiles'
    folder.mkdir()
    for index in (4, 1):
        cv2.imwrite(str(folder / f'{index}.png'), cv2.cvtColor(patches[index], cv2.COLOR_RGB2BGR))
    from_file = predict(classifier, open_tiles(patches_of_test), batch_size=64)
    from_folder = predict(classifier, open_tiles(folder), batch_size=1)
    np.testing.assert_allclose(from_folder, from_file[[1, 4]], atol=1e-5)


@pytest.mark.parametrize(('count', 'shown'), [(1, 16), (5, 2), (6, 16)])
def test_contact_sheet_of_any_number_of_tiles(patches_of_test, tmp_path, count, shown):
    tiles = open_tiles(patches_of_test)
    tiles = type(tiles)(tiles.names[:count], tiles.records[:count], tiles.load)
    probabilities = np.linspace([0.5, 0.5], [0.9, 0.1], count).astype(np.float32)
    _, sheet = write_predictions(tmp_path, tiles, ('normal', 'tumour'), probabilities, shown)
    assert cv2.imread(str(sheet)) is not None


def test_nothing_of_the_training_has_to_be_there(checkpoint, patches_of_test, tmp_path, monkeypatch):
    elsewhere = tmp_path / 'elsewhere'
    elsewhere.mkdir()
    shutil.move(checkpoint, elsewhere / 'model.pth')
    monkeypatch.chdir(elsewhere)
    classifier = load_classifier('model.pth')
    assert classifier.classes == ('normal', 'tumour')
    assert classifier.input_size == (96, 96)
    assert not classifier.model.training


def without_card(checkpoint: dict) -> dict:
    return {**checkpoint, 'meta': {key: value for key, value in checkpoint['meta'].items() if key != 'model_card'}}


def without_meta(checkpoint: dict) -> dict:
    return {'state_dict': checkpoint['state_dict']}


def without_a_tensor(checkpoint: dict) -> dict:
    return {**checkpoint, 'state_dict': dict(list(checkpoint['state_dict'].items())[1:])}


def without_config(checkpoint: dict) -> dict:
    return {**checkpoint, 'meta': {**checkpoint['meta'], 'cfg': ''}}


@pytest.mark.parametrize(
    ('spoil', 'message'),
    [
        (without_card, 'does not say how to apply it'),
        (without_meta, 'does not say how to apply it'),
        (without_a_tensor, 'not those of the network'),
        (without_config, 'carries no config'),
    ],
)
def test_a_checkpoint_that_cannot_be_applied(checkpoint, spoil, message):
    from sdp_plugin.checkpoints.reading import load_checkpoint

    torch.save(spoil(load_checkpoint(checkpoint)), checkpoint)
    with pytest.raises(UserError, match=message):
        load_classifier(checkpoint)


def test_no_tiles(tmp_path):
    for path, message in [(tmp_path, 'holds no tiles'), (tmp_path / 'nowhere', 'no tiles to classify')]:
        with pytest.raises(UserError, match=message):
            open_tiles(path)


ARRAYS = {
    'another name': {'images': np.zeros((2, 8, 8, 3), np.uint8)},
    'no images': {'x': np.zeros(5, np.uint8)},
    'another type': {'x': np.zeros((2, 8, 8, 3), np.float32)},
    'none at all': {'x': np.zeros((0, 8, 8, 3), np.uint8)},
    'a single number': {'x': np.uint8(3)},
}


@pytest.mark.parametrize('arrays', ARRAYS.values(), ids=ARRAYS)
def test_an_hdf5_file_without_images(tmp_path, arrays):
    with h5py.File(tmp_path / 'tiles.h5', 'w') as file:
        for name, array in arrays.items():
            file[name] = array
    with pytest.raises(UserError, match=r'tiles\.h5'):
        open_tiles(tmp_path / 'tiles.h5')


@pytest.mark.parametrize('contents', [b'', b'no HDF5'])
def test_a_file_that_is_no_hdf5(tmp_path, contents):
    (tmp_path / 'tiles.h5').write_bytes(contents)
    with pytest.raises(UserError, match='no HDF5 file'):
        open_tiles(tmp_path / 'tiles.h5')


def test_a_bad_tile_costs_no_other(checkpoint, tmp_path, capsys):
    folder = tmp_path / 'tiles'
    (folder / 'below').mkdir(parents=True)
    for number in range(5):
        cv2.imwrite(str(folder / 'below' / f'{number}.png'), np.full((96, 96, 3), 40 * number, np.uint8))
    (folder / 'below' / '2.png').write_bytes((folder / 'below' / '2.png').read_bytes()[:60])
    (folder / '._3.png').write_bytes(b'of macOS')
    (folder / '.1.host.7.01234567.png').write_bytes(b'half-written')
    classifier, tiles = load_classifier(checkpoint), open_tiles(folder)
    probabilities = predict(classifier, tiles, batch_size=2)
    assert 'below/2.png' in capsys.readouterr().err
    table, _ = write_predictions(tmp_path / 'out', tiles, classifier.classes, probabilities)
    rows = read(table)
    assert [row['tile'] for row in rows] == [f'below/{number}.png' for number in range(5)]
    assert [bool(row['predicted']) for row in rows] == [True, True, False, True, True]


@pytest.mark.skipif(os.geteuid() == 0, reason='root reads all folders')
def test_a_folder_that_cannot_be_read_is_an_error(tmp_path):
    (tmp_path / 'locked').mkdir(mode=0o000)
    with pytest.raises(UserError, match='locked'):
        open_tiles(tmp_path)


def test_a_folder_that_the_system_refuses_is_an_error(tmp_path, monkeypatch):
    (tmp_path / 'below').mkdir()
    listing = os.scandir

    def refuse(path):
        if Path(path).name == 'below':
            raise PermissionError(13, 'Permission denied', str(path))
        return listing(path)

    monkeypatch.setattr(os, 'scandir', refuse)
    with pytest.raises(UserError, match='below'):
        open_tiles(tmp_path)


def test_names_that_are_formulas_stay_text(tmp_path):
    cv2.imwrite(str(tmp_path / '=1+1.png'), np.zeros((8, 8, 3), np.uint8))
    table, _ = write_predictions(tmp_path, open_tiles(tmp_path), ('=cmd|calc', 'b'), np.full((1, 2), 0.5))
    assert table.read_text(encoding='utf-8').splitlines()[:2] == [
        "tile,predicted,probability,'=cmd|calc,b",
        "'=1+1.png,'=cmd|calc,0.500000,0.500000,0.500000",
    ]


CARD = dict(classes=['a', 'b'], input_size=[96, 96])


@pytest.mark.parametrize(
    ('change', 'named'),
    [
        ({'classes': ['a', 'a']}, 'more than once: a'),
        ({'classes': list('abcdefghi')}, '2 names'),
        ({'classes': []}, 'classes'),
        ({'classes': 'ab'}, 'classes'),
        ({'classes': [1, 2]}, r'classes\.0'),
        ({'classes': ['a', 'x' * 300]}, r'classes\.1'),
        ({'input_size': [96]}, 'input_size'),
        ({'input_size': [0, 96]}, r'input_size\.0'),
        ({'input_size': [96, 10**9]}, r'input_size\.1'),
        ({'input_size': 'large'}, 'input_size'),
        ({'input_size': [96.5, 96]}, r'input_size\.0'),
        ({'mpp': 'half'}, 'mpp'),
        ({'mpp': float('nan')}, 'mpp'),
        ({'mpp': -1}, 'mpp'),
    ],
)
def test_a_malformed_card_is_one_error_that_names_the_field(checkpoint, change, named):
    content = torch.load(checkpoint, weights_only=False)
    content['meta']['model_card'] = CARD | change
    torch.save(content, checkpoint)
    with pytest.raises(UserError, match=named):
        load_classifier(checkpoint)


@pytest.mark.parametrize('meta', [None, [], 'text', {}, {'model_card': None}, {'model_card': [1]}, {'model_card': 'x'}])
def test_malformed_metadata_are_one_error(checkpoint, meta):
    content = torch.load(checkpoint, weights_only=False)
    torch.save({**content, 'meta': meta}, checkpoint)
    with pytest.raises(UserError, match='model_card'):
        load_classifier(checkpoint)


@pytest.mark.parametrize('config', ['a = 1', 'model = 3', 'model = []', 'model = dict()', 'model = dict(type=3)'])
def test_a_config_without_a_model_is_one_error(checkpoint, config):
    content = torch.load(checkpoint, weights_only=False)
    content['meta']['cfg'] = config
    torch.save(content, checkpoint)
    with pytest.raises(UserError, match='model'):
        load_classifier(checkpoint)


def test_weights_that_are_no_numbers_are_an_error(checkpoint):
    content = torch.load(checkpoint, weights_only=False)
    content['state_dict']['head.fc.bias'][0] = float('nan')
    torch.save(content, checkpoint)
    with pytest.raises(UserError, match=r'no numbers[^$]*head.fc.bias'):
        load_classifier(checkpoint)


def test_scores_that_are_not_finite_are_an_error(checkpoint, patches_of_test):
    classifier = load_classifier(checkpoint)
    norm = next(module for module in classifier.model.modules() if isinstance(module, torch.nn.BatchNorm2d))
    norm.running_var.fill_(-1)
    with pytest.raises(UserError, match='not finite'):
        predict(classifier, open_tiles(patches_of_test))


def test_results_of_before_are_no_tiles(run_tool, checkpoint, tmp_path):
    folder = tmp_path / 'tiles'
    folder.mkdir()
    cv2.imwrite(str(folder / 'a.png'), np.zeros((96, 96, 3), np.uint8))
    for _ in range(2):
        status, _, errors = run_tool('predict.py', checkpoint, folder, '--out', folder / 'out')
        assert status == 0, errors
        assert [row['tile'] for row in read(folder / 'out' / 'predictions.csv')] == ['a.png']
    status, _, errors = run_tool('predict.py', checkpoint, folder, '--out', f'{folder}/out/..')
    assert status == 2
    assert 'among the tiles' in errors
    assert sorted(path.name for path in folder.iterdir()) == ['a.png', 'out']


@pytest.mark.parametrize('arguments', [('',), ('tiles', '--out', ''), ('tiles', '--out=')])
def test_empty_paths_are_refused(run_tool, tmp_path, monkeypatch, arguments):
    monkeypatch.chdir(tmp_path)
    cv2.imwrite('a.png', np.zeros((96, 96, 3), np.uint8))
    status, _, errors = run_tool('predict.py', 'missing.pth', *arguments)
    assert status == 2
    assert 'empty' in errors
    assert [path.name for path in tmp_path.iterdir()] == ['a.png']
