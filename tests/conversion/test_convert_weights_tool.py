"""The command, as a person runs it."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

import pytest
import torch

TOOL = Path(__file__).parents[2] / 'tools' / 'convert_weights.py'


@pytest.fixture
def convert_weights(monkeypatch, capsys):
    """Run the tool in this process; its exit status and what it printed."""

    def run(*args: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, 'argv', [str(TOOL), *map(str, args)])
        with pytest.raises(SystemExit) as exit_info:
            runpy.run_path(str(TOOL), run_name='__main__')
        return exit_info.value.code, *capsys.readouterr()

    return run


def test_converts(convert_weights, segmentor_checkpoint, saved, tmp_path):
    out = tmp_path / 'new' / 'converted.pth'
    status, printed, _ = convert_weights(saved(segmentor_checkpoint), out)
    assert status == 0
    assert 'verdict: exact' in printed
    assert 'pooled features' in printed
    assert out.is_file()


def test_a_dry_run_prints_the_table_and_writes_nothing(convert_weights, segmentor_checkpoint, saved, tmp_path):
    path = saved(segmentor_checkpoint)
    status, printed, _ = convert_weights(path, tmp_path / 'converted.pth', '--dry-run')
    assert status == 0
    assert 'layer4.1.conv2.weight' in printed
    assert list(tmp_path.iterdir()) == [path]


def test_refuses_to_overwrite_before_it_reads(convert_weights, tmp_path):
    out = tmp_path / 'converted.pth'
    out.write_bytes(b'precious')
    status, _, errors = convert_weights(tmp_path / 'missing.pth', out)
    assert status == 2
    assert 'not overwritten' in errors
    assert out.read_bytes() == b'precious'


class Malicious:
    def __init__(self, witness: Path) -> None:
        self.witness = witness

    def __reduce__(self):
        return Path.touch, (self.witness,)


def test_a_malicious_pickle_runs_only_if_trusted(convert_weights, segmentor_checkpoint, saved, tmp_path):
    path = saved({**segmentor_checkpoint, 'extra': Malicious(tmp_path / 'ran')})
    status, _, errors = convert_weights(path, tmp_path / 'converted.pth')
    assert status == 2
    assert '--trust' in errors
    assert sorted(tmp_path.iterdir()) == [path]
    status, _, _ = convert_weights(path, tmp_path / 'converted.pth', '--trust')
    assert status == 0
    assert (tmp_path / 'ran').exists()


@pytest.mark.parametrize('contents', [b'', b'text', None])
def test_what_is_no_checkpoint_is_one_clear_error(convert_weights, tmp_path, contents):
    path = tmp_path / 'input.pth'
    if contents is not None:
        path.write_bytes(contents)
    status, _, errors = convert_weights(path, tmp_path / 'converted.pth')
    assert status == 2
    assert errors.startswith('error: ')
    assert 'Traceback' not in errors


def test_a_bare_state_dict_needs_a_config(convert_weights, segmentor_checkpoint, saved, tmp_path):
    status, _, errors = convert_weights(saved({'backbone.conv1.weight': torch.ones(8, 3, 7, 7)}), tmp_path / 'out.pth')
    assert status == 2
    assert '--config' in errors
