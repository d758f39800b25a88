"""A model from a file is built of registered parts of models alone, wherever in its config something else is named."""

from __future__ import annotations

import inspect
import os
from importlib import import_module
from pathlib import Path

import pytest
from mmengine.config import Config

from sdp_plugin.checkpoints import building
from sdp_plugin.checkpoints.building import SCOPES, build_model, check_model_config
from sdp_plugin.errors import UserError

ROOT = Path(__file__).parents[2]
HOSTILE = {
    'a shell': {'type': 'os.system', 'command': 'true'},
    'a process': {'type': 'subprocess.Popen', 'args': ['true']},
    'a builtin': {'type': 'builtins.exec', '_': ''},
    'code of a library': {'type': 'mmengine.config.Config.fromfile', 'filename': 'x.py'},
    'an attribute behind a scope': {'type': 'mmseg.apis.utils.os.system', 'command': 'true'},
    'a module to import': {'type': 'antigravity'},
    'another package': {'type': 'evil.Model'},
    'a scope of another package': {'type': 'ResNet', '_scope_': 'evil'},
    'no part of a model': {'type': 'mmengine.LoggerHook'},
    'a loader of other models': {'type': 'mmpretrain.HuggingFaceClassifier'},
    'a function': {'type': print},
    'an endless list': {'type': 'ResNet', 'depth': [0] * 200_000},
    'an endless number': {'type': 'ResNet', 'in_channels': 10**18},
    'weights by URL': {'type': 'ResNet', 'init_cfg': {'type': 'Pretrained', 'checkpoint': 'http://host/x.pth'}},
    'weights by path': {'type': 'ResNet', 'pretrained': 'x.pth'},
    'weights of timm': {'type': 'TIMMBackbone', 'model_name': 'resnet18', 'pretrained': True},
    'a hub': {'type': 'TIMMBackbone', 'model_name': 'hf_hub:someone/something'},
    'a pickle of class weights': {'type': 'mmseg.CrossEntropyLoss', 'class_weight': 'pkl'},
    'a path': {'type': 'ResNet', 'style': '../x.pkl'},
    'a replacement': {'type': 'ResNet', '_delete_': True},
    'imports': {'type': 'ResNet', 'custom_imports': {'imports': ['os']}},
    'an object': {'type': 'ResNet', 'style': object()},
}  # fmt: skip


def registered() -> list[tuple[str, type]]:
    kinds = {}
    for scope in SCOPES:
        module = import_module(f'{scope}.registry')
        for registry in [vars(module)[name] for name in building._REGISTRIES if name in vars(module)]:
            registry.import_from_location()
            kinds |= {f'{scope}.{name}': kind for name, kind in registry.module_dict.items()}
    return sorted(kinds.items())


def test_every_argument_of_every_registered_class_is_looked_into():
    hostile_parts = [part for name, part in HOSTILE.items() if name != 'an endless list']
    tried = 0
    for name, kind in registered():
        for argument in inspect.signature(kind).parameters if isinstance(kind, type) else ():
            for hostile in hostile_parts:
                value = (hostile, [hostile], {'inner': [{'type': 'ReLU'}, (hostile,)]})[tried % 3]
                try:
                    check_model_config({'type': name, argument: value})
                except UserError:
                    tried += 1
                else:
                    pytest.fail(f'{name}({argument}={value}) would be built')
    assert tried > 10_000


@pytest.mark.parametrize('hostile', HOSTILE.values(), ids=HOSTILE)
def test_nothing_hostile_is_built(hostile, monkeypatch):
    ran = []
    monkeypatch.setattr(os, 'system', ran.append)
    monkeypatch.setattr('subprocess.Popen', lambda *a, **k: ran.append(a))
    for config in (hostile, {'type': 'ImageClassifier', 'backbone': hostile}):
        with pytest.raises(UserError, match='--trust'):
            build_model(config, 'mmpretrain')
    assert not ran


def test_a_trusted_file_may_name_anything(monkeypatch):
    ran = []
    monkeypatch.setattr('subprocess.Popen', lambda args: ran.append(args))
    build_model({'type': 'subprocess.Popen', 'args': ['true']}, 'mmpretrain', trusted=True)
    assert ran == [['true']]


def test_a_name_that_passes_the_check_is_not_imported(monkeypatch, tmp_path):
    """The second wall: were a name to slip through, mmengine would import the module of that name."""
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / 'slipped.py').write_text(f'open({str(tmp_path / "ran")!r}, "w")')
    monkeypatch.setattr(building, 'check_model_config', lambda config: None)
    with pytest.raises(UserError, match='cannot be built'):
        build_model({'type': 'slipped'}, 'mmpretrain')
    assert not (tmp_path / 'ran').exists()
    with pytest.raises(UserError, match='cannot be built'):
        build_model({'type': 'slipped'}, 'mmpretrain', trusted=True)
    assert (tmp_path / 'ran').exists(), 'mmengine does not import it: the test proves nothing'


def test_deep_configs_end():
    config = {'type': 'ResNet'}
    for _ in range(5000):
        config = {'type': 'ResNet', 'depth': config}
    with pytest.raises(UserError, match='without end'):
        check_model_config(config)


@pytest.mark.parametrize('path', sorted((ROOT / 'configs').rglob('*_1x*.py')), ids=lambda path: path.stem)
def test_the_models_of_our_configs_pass(path):
    cfg = Config.fromfile(path)
    check_model_config(cfg.model.to_dict() | {'data_preprocessor': cfg.get('data_preprocessor')})


def test_a_class_that_rejects_its_arguments_is_a_user_error():
    with pytest.raises(UserError, match=r'cannot be built[^$]*depth'):
        build_model({'type': 'ImageClassifier', 'backbone': {'type': 'ResNet', 'depth': 35}}, 'mmpretrain')
