"""Exports: other runtimes give what PyTorch gives, and the config is what WSInfer's zoo asks for."""

from __future__ import annotations

import json
from pathlib import Path

import h5py
import jsonschema
import numpy as np
import pytest
import torch
from mmengine.registry import DefaultScope
from mmpretrain.registry import MODELS

from sdp_plugin.apis import export as exporting
from sdp_plugin.apis.class_activation import ClassActivation
from sdp_plugin.apis.export import CONFIG_FILE, ONNX_FILE, TORCHSCRIPT_FILE, export, zoo_config
from sdp_plugin.apis.predict import Classifier
from sdp_plugin.errors import UserError

MEAN, STD = [123.675, 116.28, 103.53], [58.395, 57.12, 57.375]
# The schema that wsinfer-zoo 0.6.3 checks configs by, in our words.
ZOO = {
    'type': 'object',
    'required': [
        *(
            'spec_version',
            'architecture',
            'num_classes',
            'patch_size_pixels',
            'spacing_um_px',
            'class_names',
            'transform',
        )
    ],
    'properties': {
        'spec_version': {'enum': ['1.0']},
        'architecture': {'type': 'string'},
        'num_classes': {'type': 'integer', 'minimum': 1},
        'patch_size_pixels': {'type': 'integer', 'minimum': 1},
        'spacing_um_px': {'type': 'number', 'exclusiveMinimum': 0},
        'class_names': {'type': 'array', 'items': {'type': 'string'}, 'uniqueItems': True},
        'transform': {
            'type': 'array',
            'items': {
                'type': 'object',
                'required': ['name'],
                'properties': {
                    'name': {'enum': ['Resize', 'ToTensor', 'Normalize']},
                    'arguments': {'type': 'object'},
                },
                'additionalProperties': False,
            },
        },
    },
}
BACKBONES = {
    'resnet': (dict(type='ResNet', depth=18, stem_channels=8, base_channels=8), 64),
    'swin': (
        dict(
            type='SwinTransformer', arch=dict(embed_dims=24, depths=[1, 1, 1, 1], num_heads=[1, 2, 4, 8]),
            pad_small_map=True,
        ),
        192,
    ),
    'mit': (
        dict(
            type='sdp_plugin.SegmentationBackbone',
            backbone=dict(
                type='MixVisionTransformer', embed_dims=8, num_layers=[1, 1, 1, 1], num_heads=[1, 1, 2, 2]
            ),
        ),
        16,
    ),
}  # fmt: skip


def classifier(backbone: str = 'resnet', mpp: float | None = 0.5, **preprocessor) -> Classifier:
    settings, channels = BACKBONES[backbone]
    torch.manual_seed(3)
    with DefaultScope.overwrite_default_scope('mmpretrain'):
        model = MODELS.build(
            dict(
                type='ImageClassifier',
                backbone=settings,
                neck=dict(type='GlobalAveragePooling'),
                head=dict(type='LinearClsHead', num_classes=2, in_channels=channels),
                data_preprocessor={**dict(num_classes=2, mean=MEAN, std=STD, to_rgb=True), **preprocessor},
            )
        )
    model.init_weights()
    generator = torch.Generator().manual_seed(1)
    for parameter in model.parameters():
        parameter.data.add_(0.05 * torch.randn(parameter.shape, generator=generator))
    model.eval()
    return Classifier(model, ('normal', 'tumour'), (64, 64), mpp)


def as_the_config_says(tiles: np.ndarray, config: dict) -> torch.Tensor:
    """RGB tiles as WSInfer makes them: torchvision's transforms by name."""
    from PIL import Image
    from torchvision import transforms

    steps = [getattr(transforms, step['name'])(**step.get('arguments', {})) for step in config['transform']]
    return torch.stack([transforms.Compose(steps)(Image.fromarray(tile)) for tile in tiles])


@pytest.fixture
def real_tiles(small_data) -> np.ndarray:
    with h5py.File(small_data.pcam / 'camelyonpatch_level_2_split_test_x.h5') as file:
        return np.ascontiguousarray(file['x'][:, 16:80, 16:80])


@pytest.mark.parametrize(
    ('backbone', 'inside', 'preprocessor'),
    [
        ('resnet', False, {}),
        ('resnet', True, dict(to_rgb=False)),
        pytest.param('resnet', False, dict(to_rgb=False, mean=None, std=None), marks=pytest.mark.slow),
        pytest.param('mit', True, {}, marks=pytest.mark.slow),
    ],
)
def test_other_runtimes_give_what_pytorch_gives(tmp_path, real_tiles, backbone, inside, preprocessor):
    import onnxruntime

    ours = classifier(backbone, **preprocessor)
    exported = export(ours, tmp_path, list(real_tiles[..., ::-1]), inside)
    assert [item.path.name for item in exported] == [TORCHSCRIPT_FILE, ONNX_FILE]
    assert all(item.difference <= 1e-5 and item.tiles == 5 + len(real_tiles) for item in exported)
    assert {path.name for path in tmp_path.iterdir()} == {TORCHSCRIPT_FILE, ONNX_FILE, CONFIG_FILE}

    config = json.loads((tmp_path / CONFIG_FILE).read_text())
    jsonschema.validate(config, ZOO)
    assert [step['name'] for step in config['transform']] == ['Resize', 'ToTensor', 'Normalize'][: 2 if inside else 3]
    rng = np.random.default_rng(7)
    for count in (1, 3, len(real_tiles)):
        tiles = np.concatenate([real_tiles[:count], rng.integers(0, 256, (count, 64, 64, 3), dtype=np.uint8)])
        expected = ours.logits(tiles[..., ::-1])
        inputs = as_the_config_says(tiles, config)
        script = torch.jit.load(tmp_path / TORCHSCRIPT_FILE)(inputs).detach().numpy()
        session = onnxruntime.InferenceSession(tmp_path / ONNX_FILE, providers=['CPUExecutionProvider'])
        onnx = session.run(None, {'tiles': inputs.numpy()})[0]
        # Without normalisation logits are in the hundreds.
        tolerance = 1e-5 * max(1, np.abs(expected).max())
        np.testing.assert_allclose(script, expected, rtol=0, atol=tolerance)
        np.testing.assert_allclose(onnx, expected, rtol=0, atol=tolerance)
        assert np.abs(expected).std() > 1e-3
        assert not np.allclose(expected.sum(axis=1), 1, atol=1e-3), 'raw logits'


def test_normalisation_is_written_as_it_was_configured():
    [normalise] = [s for s in zoo_config(classifier())['transform'] if s['name'] == 'Normalize']
    assert normalise['arguments'] == {'mean': [0.485, 0.456, 0.406], 'std': [0.229, 0.224, 0.225]}


def test_what_cannot_be_exported_leaves_nothing(tmp_path, monkeypatch):
    with pytest.raises(UserError, match='--model-mpp'):
        export(classifier(mpp=None), tmp_path)
    assert zoo_config(classifier(mpp=None), mpp=0.25)['spacing_um_px'] == 0.25
    ours = classifier()
    with pytest.raises(UserError, match='squares'):
        export(Classifier(ours.model, ours.classes, (64, 96), 0.5), tmp_path)
    with pytest.raises(UserError, match='size of the classifier'):
        export(ours, tmp_path, [np.zeros((10, 10, 3), np.uint8)])
    with monkeypatch.context() as patch:
        patch.setattr(exporting, '_apply_onnx', lambda path, inputs: np.full((len(inputs), 2), 9.0))
        with pytest.raises(UserError, match='would not give what the checkpoint gives'):
            export(ours, tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(torch.onnx, 'export', lambda *args, **kwargs: 1 / 0)
        with pytest.raises(UserError, match=r'cannot be written as model\.onnx'):
            export(ours, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_trace_that_holds_for_one_batch_size_only_is_refused(tmp_path):
    """MMPretrain's Swin computes it as a Python number, which tracing keeps."""
    with pytest.raises(UserError, match='would not give what the checkpoint gives'):
        export(classifier('swin'), tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize('backbone', ['resnet', 'mit'])
def test_activation_maps_are_of_the_tile_and_of_the_class(backbone):
    ours = classifier(backbone)
    activation = ClassActivation(ours)
    tile = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    maps = [activation(tile, index) for index in (0, 1)]
    for heat in maps:
        assert heat.shape == (64, 64)
        assert heat.dtype == np.float32
        assert 0 <= heat.min() <= heat.max() <= 1 + 1e-6
    assert not np.allclose(*maps)


def test_a_network_without_maps_is_refused(monkeypatch):
    ours = classifier()
    ours.model.backbone = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64 * 64 * 3, 64))
    ours.model.neck = None
    with pytest.raises(UserError, match='no map of features'):
        ClassActivation(ours)


def test_the_tool(tmp_path, small_config, small_data, run_tool):
    from mmengine.runner import Runner

    runner = Runner.from_cfg(small_config('finetune/resnet34_1xb32-100e_pcam.py'))
    runner.train_loop  # noqa: B018 - builds it, and with it the data set whose classes the card names
    runner.save_checkpoint(str(tmp_path), 'epoch_1.pth', save_optimizer=False, save_param_scheduler=False)
    out = tmp_path / 'exported'
    tiles = Path(small_data.pcam) / 'camelyonpatch_level_2_split_test_x.h5'
    status, printed, errors = run_tool('export.py', tmp_path / 'epoch_1.pth', out, '--tiles', tiles)
    assert status == 0, errors
    assert 'of PyTorch on 11 tiles' in printed
    assert 'normalised outside' in printed
    assert json.loads((out / CONFIG_FILE).read_text())['spacing_um_px'] == 0.972
    status, _, errors = run_tool('export.py', tmp_path / 'nowhere.pth', out)
    assert status == 2
    assert errors.count('error:') == 1
