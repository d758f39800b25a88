"""Features are those of the fine-tuning's network, and a pass that was killed goes on where it was."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from sdp_plugin.apis.train import build_runner, run_training
from sdp_plugin.errors import UserError
from sdp_plugin.probes import all_images as images_module
from sdp_plugin.probes import features as module
from sdp_plugin.probes.all_images import all_images
from sdp_plugin.probes.features import compute_features, load_features
from sdp_plugin.probes.frozen_network import FrozenNetwork

PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
CRC = 'finetune/resnet34_1xb32-200e_crc.py'
PCAM_IMAGES = 16 + 6
CRC_IMAGES = 8 * 4


def quiet(line: str) -> None:
    pass


@pytest.mark.parametrize(('config', 'images'), [(PCAM, PCAM_IMAGES), (CRC, CRC_IMAGES)])
def test_features_of_all_images_that_are_trained_and_tested_on(small_config, tmp_path, config, images):
    found = compute_features(small_config(config), None, tmp_path, quiet)
    array, rows = load_features(found.path)
    assert array.shape == (images, 64)
    assert array.dtype == np.float32
    assert sorted(rows.values()) == list(range(images))
    assert found.description['images'] == images
    assert len(np.unique(array, axis=0)) == images


def test_the_features_of_a_frozen_network_are_those_that_a_fine_tuning_at_rate_0_ends_with(small_config, tmp_path):
    cfg = small_config(PCAM, max_epochs=1, examples_per_class=4, precision='float32')
    cfg.optim_wrapper.optimizer.lr = 0.0
    # Batch norm follows its batches even where nothing is learnt.
    cfg.model.backbone.norm_eval = True
    runner = build_runner(cfg)
    run_training(runner)
    weights = tmp_path / 'weights.pth'
    torch.save({'state_dict': runner.model.state_dict()}, weights)
    taken = []
    layer = runner.model.head.fc
    layer.register_forward_hook(lambda module, inputs, output: taken.append(inputs[0].detach().clone()))
    runner.test()

    network = FrozenNetwork(cfg, None)
    network.model.load_state_dict(torch.load(weights)['state_dict'])
    images = all_images(cfg)
    own = network.features_of(images.read(0, len(images)))
    tested = [row for row, key in enumerate(images.keys) if key.startswith('test/')]
    np.testing.assert_allclose(own[tested], torch.cat(taken).numpy(), rtol=1e-4, atol=1e-5)


def test_a_killed_pass_goes_on_where_it_was(small_config, tmp_path, monkeypatch):
    cfg = small_config(PCAM)
    undisturbed = compute_features(cfg, None, tmp_path / 'undisturbed', quiet)
    monkeypatch.setattr(module, 'CHUNK', 5)
    monkeypatch.setattr(images_module, 'BATCH', 5)
    done = []
    whole = FrozenNetwork.features_of

    def until_killed(network, batches):
        if len(done) == 3:
            raise KeyboardInterrupt
        done.append(1)
        return whole(network, batches)

    monkeypatch.setattr(FrozenNetwork, 'features_of', until_killed)
    with pytest.raises(KeyboardInterrupt):
        compute_features(cfg, None, tmp_path / 'killed', quiet)
    assert json.loads((tmp_path / 'killed' / module.DONE).read_text())['done'] == 15

    lines = []
    monkeypatch.setattr(FrozenNetwork, 'features_of', whole)
    resumed = compute_features(cfg, None, tmp_path / 'killed', lines.append)
    assert [line.split(',')[0] for line in lines] == ['features: 20 of 22 images', 'features: 22 of 22 images']
    np.testing.assert_allclose(np.load(resumed.path), np.load(undisturbed.path), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('changed', ['weights', 'images', 'precision', 'file'])
def test_a_pass_of_something_else_is_begun_anew(small_config, tmp_path, changed):
    cfg, folder = small_config(PCAM, precision='float32'), tmp_path / 'features'
    compute_features(cfg, None, folder, quiet)
    if changed == 'weights':
        cfg.randomness.seed = 1
    elif changed == 'precision':
        cfg.test_cfg.precision = 'bfloat16'
    elif changed == 'images':
        cfg.test_dataloader.dataset.indices = 2
    else:
        (folder / module.FEATURES).unlink()
    lines = []
    compute_features(cfg, None, folder, lines.append)
    assert len(lines) == 1


@pytest.mark.parametrize(
    'noted', [b'[22]', b'{}', b'{"images": 1}', b'[' * 100_000, b'\xff', {'done': 'all'}, {'done': -1}, {'done': None}]
)
def test_a_note_of_what_is_done_that_is_none_is_passed_over(small_config, tmp_path, noted):
    cfg = small_config(PCAM)
    found = compute_features(cfg, None, tmp_path, quiet)
    path = tmp_path / module.DONE
    whole = json.loads(path.read_text())
    path.write_bytes(noted if isinstance(noted, bytes) else json.dumps(whole | noted).encode())
    lines = []
    assert compute_features(cfg, None, tmp_path, lines.append).description == found.description
    assert len(lines) == 1


@pytest.mark.parametrize('content', ['[]', '{"keys": 3}', '{"shape": [22, 64], "digest": 1, "keys": []}'])
def test_a_list_of_images_that_is_none_is_refused(small_config, tmp_path, content):
    found = compute_features(small_config(PCAM), None, tmp_path, quiet)
    found.images_path.write_text(content)
    with pytest.raises(UserError, match=r'cannot be read[^$]*images.json'):
        load_features(found.path)


def test_spoilt_features_are_refused(small_config, tmp_path):
    found = compute_features(small_config(PCAM), None, tmp_path, quiet)
    array = np.load(found.path)
    array[3, 3] += 1
    np.save(found.path, array)
    with pytest.raises(UserError, match='not those that were written'):
        load_features(found.path)
    found.path.unlink()
    with pytest.raises(UserError, match='cannot be read'):
        load_features(found.path)


def test_features_that_are_not_finite_are_refused(small_config, tmp_path):
    cfg = small_config(PCAM)
    cfg.data_preprocessor.std = [1e-45, 1.0, 1.0]
    with pytest.raises(UserError, match='not finite'):
        compute_features(cfg, None, tmp_path, quiet)
