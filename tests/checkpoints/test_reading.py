"""Checkpoints are read without running what they contain, and everything else ends in one clear error."""

from __future__ import annotations

import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from small_disk import largest_file

from sdp_plugin.checkpoints.reading import (
    config_of,
    load_checkpoint,
    load_from_file,
    parse_config_text,
    register_safe_loader,
    save_checkpoint,
    state_dict_of,
)
from sdp_plugin.errors import UserError
from sdp_plugin.files import sha256_of

CONFIG = Config(
    {
        'model': {'type': 'EncoderDecoder', 'backbone': {'type': 'ResNet', 'depth': 34, 'strides': (1, 2, 1, 1)}},
        'param_scheduler': [{'type': 'PolyLR', 'eta_min': 0.0, 'begin': 0, 'end': -1, 'by_epoch': False}],
        'paramwise': {'head.conv': {'lr_mult': 10}, 'none': None, 'text': 'it\'s "quoted"\nhere'},
        'limit': float('inf'),
    }
)


def runner_checkpoint() -> dict:
    history = HistoryBuffer()
    history.update(0.5)
    history.update(0.25)
    return {
        'meta': {'cfg': CONFIG.pretty_text, 'epoch': 1, 'dataset_meta': {'classes': ('a', 'b')}},
        'state_dict': OrderedDict([('backbone.conv1.weight', torch.arange(4.0)), ('n', torch.tensor(3))]),
        'message_hub': {
            'log_scalars': OrderedDict([('train/loss', history)]),
            'runtime_info': OrderedDict([('lr', np.float64(0.1)), ('index', np.int64(3)), ('array', np.eye(2))]),
            'resumed_keys': OrderedDict(),
        },
        'optimizer': {'state': {0: {'step': torch.tensor(1.0)}}, 'param_groups': [{'lr': 0.1, 'betas': (0.9, 0.99)}]},
    }


@pytest.mark.parametrize('zip_format', [True, False])
def test_reads_what_a_runner_writes(tmp_path, zip_format):
    path = tmp_path / 'iter_1.pth'
    torch.save(runner_checkpoint(), path, _use_new_zipfile_serialization=zip_format)
    read = load_checkpoint(path)
    assert torch.equal(state_dict_of(read)['backbone.conv1.weight'], torch.arange(4.0))
    assert read['message_hub']['log_scalars']['train/loss'].mean() == 0.375
    assert read['message_hub']['runtime_info']['lr'] == 0.1
    assert np.array_equal(read['message_hub']['runtime_info']['array'], np.eye(2))
    assert read['optimizer']['param_groups'] == [{'lr': 0.1, 'betas': (0.9, 0.99)}]


@pytest.mark.parametrize('key', ['state_dict', 'model', None])
def test_finds_the_tensors(tmp_path, key):
    tensors = {'conv.weight': torch.ones(2, dtype=torch.float16), 'conv.bias': torch.nn.Parameter(torch.zeros(2))}
    save_checkpoint({key: tensors} if key else tensors, tmp_path / 'weights.pth')
    found = state_dict_of(load_checkpoint(tmp_path / 'weights.pth'))
    assert list(found) == list(tensors)
    assert torch.equal(found['conv.weight'], tensors['conv.weight'])
    assert found['conv.weight'].dtype == torch.float16


class Malicious:
    def __init__(self, witness: Path, call: str) -> None:
        self.witness, self.call = witness, call

    def __reduce__(self):
        if self.call == 'open':
            return open, (str(self.witness), 'w')
        return eval, (f'open({str(self.witness)!r}, "w")',)


@pytest.mark.parametrize('zip_format', [True, False])
@pytest.mark.parametrize('call', ['open', 'eval'])
def test_a_malicious_pickle_does_not_run(tmp_path, call, zip_format):
    witness, path = tmp_path / 'ran', tmp_path / 'malicious.pth'
    checkpoint = {'state_dict': {'weight': torch.ones(1)}, 'meta': Malicious(witness, call)}
    torch.save(checkpoint, path, _use_new_zipfile_serialization=zip_format)
    with pytest.raises(UserError, match=rf'could run code[^$]*{call}'):
        load_checkpoint(path)
    assert not witness.exists()
    load_checkpoint(path, trusted=True)
    assert witness.exists(), 'the file would not have run at all: the test proves nothing'


def test_refuses_torchscript(tmp_path):
    path = tmp_path / 'scripted.pth'
    with zipfile.ZipFile(path, 'w') as archive:
        archive.writestr('archive/constants.pkl', b'')
    with pytest.raises(UserError, match='TorchScript'):
        load_checkpoint(path)


def bad_files(folder: Path) -> dict[str, Path]:
    whole = folder / 'whole.pth'
    torch.save({'weight': torch.arange(10_000.0)}, whole)
    contents = {
        'empty.pth': b'',
        'text.pth': b'not a checkpoint\n',
        'image.png': b'\x89PNG\r\n\x1a\n' + bytes(100),
        'truncated.pth': whole.read_bytes()[:20_000],
        'list.pth': None,
    }
    for name, content in contents.items():
        if content is not None:
            (folder / name).write_bytes(content)
    torch.save([torch.ones(1)], folder / 'list.pth')
    return {name: folder / name for name in contents} | {'missing.pth': folder / 'missing.pth', 'folder': folder}


@pytest.mark.parametrize(
    'name', ['empty.pth', 'text.pth', 'image.png', 'truncated.pth', 'list.pth', 'missing.pth', 'folder']
)
def test_what_is_no_checkpoint_is_a_user_error(tmp_path, name):
    with pytest.raises(UserError, match='checkpoint'):
        load_checkpoint(bad_files(tmp_path)[name])


@pytest.mark.parametrize(
    'checkpoint', [{}, {'state_dict': {}}, {'state_dict': None}, {'epoch': 3}, {'state_dict': {'weight': [1.0]}}]
)
def test_no_tensors_is_a_user_error(checkpoint):
    with pytest.raises(UserError, match='no state dict'):
        state_dict_of(checkpoint)


def test_saving_is_all_or_nothing(tmp_path):
    path = tmp_path / 'new' / 'weights.pth'
    save_checkpoint({'weight': torch.ones(1)}, path)
    before = sha256_of(path)
    with pytest.raises((pickle.PicklingError, AttributeError, TypeError)):
        save_checkpoint({'weight': torch.ones(1), 'function': lambda: None}, path)
    assert sha256_of(path) == before
    assert [item.name for item in path.parent.iterdir()] == ['weights.pth']


@pytest.mark.parametrize('name', ['a.pth', 'a.safetensors'])
@pytest.mark.parametrize(('room', 'numbers'), [(1000, 1000), (0, 1000), (100_000, 500_000)])
def test_a_disk_that_takes_no_more_is_named_with_the_file(tmp_path, name, room, numbers):
    path = tmp_path / name
    with pytest.raises(OSError, match='File too large') as caught, largest_file(room):
        save_checkpoint({'state_dict': {'weight': torch.zeros(numbers)}, 'meta': {}}, path)
    assert caught.value.filename == str(path)
    assert list(tmp_path.iterdir()) == []


def test_config_comes_back_as_it_was():
    assert config_of(runner_checkpoint()).to_dict() == CONFIG.to_dict()


@pytest.mark.parametrize('meta', [{}, {'cfg': ''}, {'cfg': 3}, None])
def test_no_config_is_a_user_error(meta):
    with pytest.raises(UserError, match='--config'):
        config_of({'meta': meta})


@pytest.mark.parametrize(
    'text',
    [
        'import os',
        "model = __import__('os').getcwd()",
        "model = dict(**{'a': 1})",
        'model = open("x")',
        'model = [1 for _ in range(3)]',
        'model = (',
        'model.type = 3',
        'model = {[1]: 2}',
        'model = -"a"',
        'model = ' + '-' * 20_000 + '1',
        'model = ' + '[' * 300 + ']' * 300,
        'filename = 1',
    ],
)
def test_a_config_that_would_have_to_run_is_a_user_error(text):
    with pytest.raises(UserError, match='without executing'):
        config_of({'meta': {'cfg': text}})


def test_literals_of_all_kinds():
    text = "a = dict(b=[1, -2.5, 1e-4], c=(True, None), d={'x.y': 'z'}, e={1, 2}, f=-inf)"
    assert parse_config_text(text)['a'] == {
        'b': [1, -2.5, 1e-4], 'c': (True, None), 'd': {'x.y': 'z'}, 'e': {1, 2}, 'f': float('-inf'),
    }  # fmt: skip


def test_mmengine_reads_through_the_safe_loader(tmp_path, monkeypatch):
    monkeypatch.setattr(CheckpointLoader, '_schemes', CheckpointLoader._schemes.copy())
    register_safe_loader()
    witness, path = tmp_path / 'ran', tmp_path / 'malicious.pth'
    torch.save({'meta': Malicious(witness, 'open')}, path)
    with pytest.raises(UserError, match='could run code'):
        CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    assert not witness.exists()


URLS = (
    'http://localhost:9/x.pth',
    'https://host/x.pth',
    's3://bucket/x.pth',
    'petrel://x.pth',
    'torchvision://resnet34',
)
URLS += ('cluster:s3://bucket/x.pth', 'open-mmlab://resnet50', 'mmcls://x', 'modelzoo://x', 'pavi://x', 'file:///x.pth')


@pytest.mark.parametrize('url', URLS)
def test_nothing_is_fetched(monkeypatch, url):
    monkeypatch.setattr(CheckpointLoader, '_schemes', CheckpointLoader._schemes.copy())
    register_safe_loader()
    with pytest.raises(UserError, match='nothing is fetched'):
        CheckpointLoader.load_checkpoint(url, map_location='cpu')


def test_text_that_mmengine_would_execute_on_resuming_is_left_out(tmp_path):
    path = tmp_path / 'iter_1.pth'
    torch.save({'meta': {'config': 'import os', 'cfg': 'a = 1'}, 'state_dict': {}}, path)
    assert load_from_file(str(path))['meta'] == {'cfg': 'a = 1'}


def test_safetensors(tmp_path):
    path = tmp_path / 'weights.safetensors'
    checkpoint = {'state_dict': {'a.weight': torch.randn(2, 3)}, 'meta': {'cfg': 'a = 1', 'nested': {'list': [1, 2]}}}
    try:
        import safetensors  # noqa: F401
    except ImportError:
        with pytest.raises(UserError, match='pip install safetensors'):
            save_checkpoint(checkpoint, path)
        assert not list(tmp_path.iterdir())
        return
    save_checkpoint(checkpoint, path)
    read = load_checkpoint(path)
    assert torch.equal(read['state_dict']['a.weight'], checkpoint['state_dict']['a.weight'])
    assert read['meta'] == checkpoint['meta']
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(UserError, match='damaged'):
        load_checkpoint(path)
