"""Features are timm's own and transformers' own, for each layout, and a file of another model is refused in words."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
import torch

from sdp_plugin.catalogue.foundation_models import FOUNDATION_MODELS, foundation_model
from sdp_plugin.checkpoints.reading import save_checkpoint
from sdp_plugin.checkpoints.weight_files import read_weights
from sdp_plugin.errors import UserError
from sdp_plugin.models.backbones.timm_backbone import TimmBackbone, check_file

timm = pytest.importorskip('timm')
transformers = pytest.importorskip('transformers')

MODEL = 'vit_tiny_patch16_224'
TINY = dict(img_size=32, patch_size=8, embed_dim=32, depth=2, num_heads=2)
IMAGES = torch.linspace(-2, 2, 2 * 3 * 32 * 32).reshape(2, 3, 32, 32).sin()
ARGUMENTS = {
    'plain': {},
    'LayerScale': dict(init_values=1e-5),
    'SwiGLU packed': dict(mlp_layer='SwiGLUPacked', act_layer='SiLU', mlp_ratio=5.5),
    'SwiGLU split': dict(mlp_layer='SwiGLU', act_layer='SiLU'),
    '1 register': dict(reg_tokens=1),
    '4 registers': dict(reg_tokens=4),
    '8 registers without positions': dict(reg_tokens=8, no_embed_class=True),
    'no class token': dict(class_token=False, global_pool='avg'),
}


@torch.no_grad()
def randomised(model: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """All tensors drawn anew: norms, scales and positions too, which begin as ones, as nothing or as zeros."""
    generator = torch.Generator().manual_seed(seed)
    for tensor in model.state_dict().values():
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * 0.4)
    return model.eval()


def timms(layout: str = 'plain') -> torch.nn.Module:
    layers = {name: value for name, value in ARGUMENTS[layout].items() if not isinstance(value, str)}
    classes = {'SwiGLUPacked': timm.layers.SwiGLUPacked, 'SwiGLU': timm.layers.SwiGLU, 'SiLU': torch.nn.SiLU}
    layers |= {name: classes.get(value, value) for name, value in ARGUMENTS[layout].items() if isinstance(value, str)}
    return randomised(timm.create_model(MODEL, num_classes=0, **TINY, **layers))


def ours(layout: str = 'plain', **settings) -> TimmBackbone:
    backbone = TimmBackbone(MODEL, {**TINY, **ARGUMENTS[layout]}, **settings)
    backbone.eval()
    return backbone


def test_weights_that_would_not_be_loaded_are_refused():
    """As ``init_weights`` does nothing, MMEngine's way to name a file would leave the network as it was drawn."""
    with pytest.raises(TypeError, match='init_cfg'):
        ours(init_cfg=dict(type='Pretrained', checkpoint='/weights.pth'))


def save(tensors: dict, path):
    save_checkpoint({'state_dict': {name: tensor.clone() for name, tensor in tensors.items()}}, path)
    return path


@torch.no_grad()
def features(backbone: torch.nn.Module, images: torch.Tensor = IMAGES) -> torch.Tensor:
    return backbone(images)[0]


@pytest.mark.parametrize('layout', ARGUMENTS)
@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_features_are_timms_own(tmp_path, layout, suffix):
    reference = timms(layout)
    path = save(reference.state_dict(), tmp_path / f'weights{suffix}')
    with torch.no_grad():
        tokens, own = reference.forward_features(IMAGES), reference(IMAGES)
    extra = ARGUMENTS[layout].get('reg_tokens', 0) + (layout != 'no class token')
    # Without a class token timm averages by default, and its last norm comes after that.
    expected = {'mean': own if layout == 'no class token' else tokens[:, extra:].mean(dim=1), 'model': own}
    if layout != 'no class token':
        expected |= {'cls': tokens[:, 0], 'cls+mean': torch.cat([tokens[:, 0], expected['mean']], dim=1)}
    for pooling, wanted in expected.items():
        backbone = ours(layout, pooling=pooling)
        assert backbone.load_weights(path) == ()
        torch.testing.assert_close(features(backbone), wanted, rtol=1e-5, atol=1e-5)
        assert backbone.out_channels == wanted.shape[1]


SIZE = dict(hidden_size=32, num_hidden_layers=2, num_attention_heads=2, image_size=32, patch_size=8)
TRANSFORMERS = {
    'plain': lambda: transformers.ViTModel(transformers.ViTConfig(intermediate_size=128, **SIZE)),
    'LayerScale': lambda: transformers.Dinov2Model(transformers.Dinov2Config(**SIZE)),
    'SwiGLU packed': lambda: transformers.Dinov2Model(transformers.Dinov2Config(use_swiglu_ffn=True, **SIZE)),
    '4 registers': lambda: transformers.Dinov2WithRegistersModel(
        transformers.Dinov2WithRegistersConfig(num_register_tokens=4, **SIZE)
    ),
}
FOR_TRANSFORMERS = {
    'plain': {},
    'LayerScale': dict(init_values=1e-5),
    'SwiGLU packed': dict(init_values=1e-5, mlp_layer='SwiGLUPacked', act_layer='SiLU', mlp_ratio=5.5),
    '4 registers': dict(init_values=1e-5, reg_tokens=4, no_embed_class=True),
}


def in_transformers_names(layout: str) -> TimmBackbone:
    arguments = {**TINY, **FOR_TRANSFORMERS[layout]}
    return TimmBackbone(MODEL, arguments, pooling='cls+mean', layout='transformers')


@pytest.mark.parametrize('layout', TRANSFORMERS)
def test_features_are_transformers_own(tmp_path, layout):
    reference = randomised(TRANSFORMERS[layout]())
    reference.save_pretrained(tmp_path)
    backbone = in_transformers_names(layout)
    backbone.load_weights(tmp_path)
    backbone.eval()
    with torch.no_grad():
        tokens = reference(pixel_values=IMAGES).last_hidden_state
    extra = 5 if layout == '4 registers' else 1
    expected = torch.cat([tokens[:, 0], tokens[:, extra:].mean(dim=1)], dim=1)
    torch.testing.assert_close(features(backbone), expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize('layout', TRANSFORMERS)
def test_each_tensor_of_transformers_matters(tmp_path, layout):
    randomised(TRANSFORMERS[layout]()).save_pretrained(tmp_path)
    tensors = read_weights(tmp_path)
    backbone = in_transformers_names(layout)
    backbone.load_weights(save(tensors, tmp_path / 'whole.pth'))
    backbone.eval()
    whole = features(backbone)
    layer = 'encoder.layer.1.'
    same = [name for name in tensors if name.startswith(layer) and tensors[name].shape == (32,)]
    for first, second in pairwise(same):
        swapped = {**tensors, first: tensors[second], second: tensors[first]}
        backbone.load_weights(save(swapped, tmp_path / 'swapped.pth'))
        # The softmax does not see what is added to all of its inputs.
        if 'key.bias' not in first + second:
            assert (features(backbone) - whole).abs().max() > 1e-3, f'{first} and {second}'


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (lambda t: t.pop('blocks.1.attn.qkv.bias'), 'missing: blocks.1.attn.qkv.bias'),
        (lambda t: t.update({'blocks.2.norm1.weight': torch.ones(32)}), 'left over: blocks.2.norm1.weight'),
        (lambda t: t.update({'norm.weight': torch.ones(33)}), r'norm.weight \(33,\) instead of \(32,\)'),
        (lambda t: t.update({'norm.weight': torch.full((32,), torch.nan)}), 'not finite.*norm.weight'),
    ],
)
def test_a_tensor_too_many_or_too_few_is_refused(tmp_path, change, message):
    tensors = dict(timms().state_dict())
    change(tensors)
    backbone = ours()
    before = {name: tensor.clone() for name, tensor in backbone.state_dict().items()}
    with pytest.raises(UserError, match=f'(?s){message}'):
        backbone.load_weights(save(tensors, tmp_path / 'weights.pth'))
    assert all(torch.equal(before[name], tensor) for name, tensor in backbone.state_dict().items())


@pytest.mark.parametrize('suffix', ['.pth', '.safetensors'])
def test_a_file_of_another_model_is_described(tmp_path, suffix):
    TRANSFORMERS['plain']().save_pretrained(tmp_path)
    path = save(read_weights(tmp_path), tmp_path / f'weights{suffix}')
    with pytest.raises(UserError, match='looks like transformers, 2 blocks, width 32'):
        check_file(path, model=MODEL, arguments=TINY)
    path = save(timms('SwiGLU packed').state_dict(), tmp_path / f'other{suffix}')
    with pytest.raises(UserError, match=r'(?s)of another shape: blocks.0.mlp.fc1.*looks like timm, 2 blocks'):
        check_file(path, model=MODEL, arguments=TINY)
    check_file(path, model=MODEL, arguments={**TINY, **ARGUMENTS['SwiGLU packed']})


def test_weights_in_parts(tmp_path):
    tensors = dict(timms().state_dict())
    names = sorted(tensors)
    parts = {'a.safetensors': names[::2], 'b.safetensors': names[1::2]}
    for part, of_part in parts.items():
        save({name: tensors[name] for name in of_part}, tmp_path / part)
    index = tmp_path / 'model.safetensors.index.json'
    index.write_text(json.dumps({'weight_map': {name: part for part, found in parts.items() for name in found}}))
    whole, in_parts = ours(), ours()
    whole.load_weights(save(tensors, tmp_path / 'whole.pth'))
    in_parts.load_weights(tmp_path)
    assert torch.equal(features(whole), features(in_parts))
    index.write_text(json.dumps({'weight_map': dict.fromkeys(names, 'a.safetensors')}))
    with pytest.raises(UserError, match='other tensors than its index says'):
        ours().load_weights(index)
    (tmp_path / 'a.safetensors').unlink()
    with pytest.raises(UserError, match='no such checkpoint'):
        ours().load_weights(index)


def test_heads_of_classes_are_left_behind(tmp_path):
    tensors = {**timms().state_dict(), 'head.weight': torch.ones(5, 32), 'head.bias': torch.ones(5)}
    assert ours().load_weights(save(tensors, tmp_path / 'weights.pth')) == ('head.weight', 'head.bias')


def test_images_of_another_size_and_tables_of_another_grid_are_resampled_as_timm_does(tmp_path):
    reference = timms()
    path = save(reference.state_dict(), tmp_path / 'weights.pth')
    larger = TimmBackbone(MODEL, {**TINY, 'img_size': 48})
    larger.load_weights(path)
    larger.eval()
    own = timm.create_model(MODEL, num_classes=0, **TINY | dict(img_size=48)).eval()
    own.load_state_dict(timm.models.vision_transformer.checkpoint_filter_fn(reference.state_dict(), own))
    images = torch.nn.functional.interpolate(IMAGES, size=48)
    with torch.no_grad():
        torch.testing.assert_close(features(larger, images), own(images), rtol=1e-5, atol=1e-5)
    dynamic = ours()
    dynamic.load_weights(path)
    torch.testing.assert_close(features(dynamic, images), features(larger, images), rtol=1e-4, atol=1e-4)


def test_a_convolutional_model_is_pooled_by_timm():
    backbone = TimmBackbone('resnet18')
    backbone.eval()
    with torch.no_grad():
        torch.testing.assert_close(features(backbone), backbone.trunk(IMAGES))
    with pytest.raises(UserError, match='no tokens'):
        TimmBackbone('resnet18', pooling='cls')


def test_a_frozen_model_stays_as_it_is():
    backbone = ours(frozen=True, drop_path_rate=0.5)
    backbone.train()
    assert not backbone.training
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not backbone(IMAGES)[0].requires_grad


@pytest.mark.parametrize(
    ('settings', 'message'),
    [
        (dict(model='vit_tiny_patch16'), 'has no model'),
        (dict(model=MODEL, pooling='max'), 'Unknown pooling'),
        (dict(model=MODEL, layout='keras'), 'Unknown layout'),
        (dict(model=MODEL, arguments=dict(mlp_layer='Swishy')), "no layer 'Swishy'"),
        (dict(model=MODEL, arguments=dict(depht=2)), 'does not build'),
        (dict(model=MODEL, arguments=ARGUMENTS['no class token'], pooling='cls'), 'no class token'),
    ],
)
def test_mistakes_are_named(settings, message):
    with pytest.raises(UserError, match=message):
        TimmBackbone(**settings)


@pytest.mark.parametrize('name', [name for name, card in FOUNDATION_MODELS.items() if not card.refused])
def test_each_card_builds_a_model_of_its_width(name):
    settings = foundation_model(name).settings()
    backbone = {key: value for key, value in settings['model.backbone'].items() if key not in ('type', '_delete_')}
    with torch.device('meta'):
        built = TimmBackbone(**backbone)
    assert built.out_channels == settings['model.head.in_channels']
    assert 224 % built.trunk.patch_embed.patch_size[0] == 0


def test_cards_that_cannot_be_used_say_why():
    with pytest.raises(UserError, match='CONCH cannot be used here: it is an image-and-text model'):
        foundation_model('conch')
    with pytest.raises(UserError, match='did you mean uni2-h'):
        foundation_model('uni2h')


def test_learning_rates_decay_along_the_blocks():
    backbone = ours('4 registers')
    depths = {name: backbone.get_layer_depth(f'backbone.{name}', 'backbone.') for name in backbone.state_dict()}
    assert {count for _, count in depths.values()} == {4}
    for name, (depth, _) in depths.items():
        block = name.split('.')[2] if '.blocks.' in name else None
        assert depth == (int(block) + 1 if block else 3 if name.startswith('trunk.norm.') else 0)
    assert backbone.get_layer_depth('head.fc.weight', 'backbone.') == (3, 4)
    with pytest.raises(UserError, match='no list of blocks'):
        TimmBackbone('resnet18').get_layer_depth('backbone.trunk.conv1.weight', 'backbone.')
