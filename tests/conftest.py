"""Shared fixtures: the real data where SDP_REAL_DATA names it, small generated data, and shipped configs made small."""

from __future__ import annotations

import gc
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from sdp_plugin.demo_data.miniature import MiniatureData, MiniatureSizes, write_miniature

ROOT = Path(__file__).resolve().parents[1]
SMALL_SIZES = MiniatureSizes(
    voc_train=8, voc_val=2, voc_width=96, voc_height=72, pcam_train=16, pcam_valid=2, pcam_test=6, crc_per_class=4
)
FOLDER_OF_DATASET = {
    'VOCDataset': 'voc',
    'VOCClassLabelDataset': 'voc',
    'PCamDataset': 'pcam',
    'CRCDataset': 'crc',
    'TileFolderDataset': 'crc',
}


def pytest_collection_finish() -> None:
    """Leave imports and tests out of the searches for garbage that each data set of MMEngine makes: half a second."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope='session')
def _has_gpu() -> bool:
    import torch

    return torch.cuda.is_available()


@pytest.fixture(autouse=True)
def _on_the_cpu(_has_gpu, request, monkeypatch):
    """Tests without the mark ``gpu`` ask for what a CPU does, also where there is a GPU: equal bits, for instance."""
    if _has_gpu and 'gpu' not in request.keywords:
        monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '')
        monkeypatch.setattr('torch.cuda.is_available', lambda: False)
        monkeypatch.setattr('mmengine.device.utils.DEVICE', 'cpu')


@pytest.fixture(scope='session')
def real_data() -> Path:
    """The unpacked real images (VOCdevkit, pcam, Kather_texture_2016_image_tiles_5000, scribblesup-samples)."""
    named = os.environ.get('SDP_REAL_DATA')
    if not named:
        pytest.skip('SDP_REAL_DATA is not set: the tests on real images do not run')
    root = Path(named)
    assert root.is_dir(), f'SDP_REAL_DATA names {root}, which is no folder'
    return root


@pytest.fixture(scope='session')
def small_data(tmp_path_factory) -> MiniatureData:
    """A few generated images in every layout. Tests that spoil them copy them first."""
    return write_miniature(tmp_path_factory.mktemp('small_data'), SMALL_SIZES, seed=1, report=lambda line: None)


@pytest.fixture(scope='session')
def small_nct(tmp_path_factory) -> Path:
    """A few random tiles in the layout of NCT-CRC."""
    from tile_files import write_tiles

    from sdp_plugin.catalogue.nct_crc import NCT_CRC

    root = tmp_path_factory.mktemp('small_nct')
    for folder in ('NCT-CRC-HE-100K', 'NCT-CRC-HE-100K-NONORM', 'CRC-VAL-HE-7K'):
        write_tiles(root / folder, {name: [f'{name}-{i:04}.tif' for i in range(2)] for name in NCT_CRC.classes}, 32)
    return root


@pytest.fixture
def small_options(small_data, small_nct) -> Callable[..., dict]:
    """Overrides that let a shipped config run on ``small_data`` in seconds, with a ResNet-18 of an eighth's width.

    ``small_options(config, **more)``; ``small_options(config, small_model=False)`` keeps the shipped network.
    """

    def options_for(config: str, small_model: bool = True, **more) -> dict:
        from mmengine.config import Config

        cfg = Config.fromfile(ROOT / 'configs' / config)
        dataset = cfg.train_dataloader.dataset
        kind = dataset.type.split('.')[-1]
        folder = small_nct if kind == 'NCTCRCDataset' else getattr(small_data, FOLDER_OF_DATASET[kind])
        options = dict(data_root=str(folder))
        options.update(batch_size=2, num_workers=0)
        if 'crop_size' in cfg:
            options['crop_size'] = (33, 33)
        if 'scribbles' in cfg:
            options['scribbles'] = str(small_data.scribbles)
        if 'examples_per_class' in cfg:
            options['examples_per_class'] = 1
        if 'num_folds' in cfg:
            options['num_folds'] = 4
        if dataset.type == 'sdp_plugin.TileFolderDataset':
            options['num_classes'] = 8
        if small_model:
            head = 'decode_head' if 'decode_head' in cfg.model else 'head'
            options['model.backbone.depth'] = 18
            options['model.backbone.stem_channels'] = options['model.backbone.base_channels'] = 8
            options[f'model.{head}.in_channels'] = 64
        return options | more

    return options_for


@pytest.fixture
def small_config(small_options, tmp_path):
    """``small_config(config, **options)``: the config that :func:`small_options` makes small, with a work directory."""
    from sdp_plugin.settings import load_config

    def load(config: str, work_dir: str = 'run', **options):
        cfg = load_config(ROOT / 'configs' / config, small_options(config, **options))
        cfg.work_dir = str(tmp_path / work_dir)
        # Runners of one second would otherwise share their log and their message hub.
        cfg.experiment_name = f'{tmp_path.name}-{work_dir}-{os.urandom(4).hex()}'
        return cfg

    return load


def _forget_earlier_runs() -> None:
    """Forget mmengine's loggers and scopes, as a tool starts in a process of its own.

    Loggers of earlier tests write to streams that pytest has closed since; a run of the same config in the same second
    would find its scope behind that of the run in between.
    """
    from mmengine.logging import MMLogger
    from mmengine.registry import DefaultScope

    MMLogger._instance_dict.clear()
    DefaultScope._instance_dict.clear()


@pytest.fixture
def run_tool(monkeypatch, capsys):
    """``run_tool(NAME, *arguments, options={})`` runs ``tools/NAME`` in this process, ``options`` as ``--cfg-options``.

    It returns the exit status, what was printed and what was printed as errors.
    """
    import runpy

    def run(name: str, *arguments: object, options: dict | None = None) -> tuple[int, str, str]:
        tool = ROOT / 'tools' / name
        if options:
            arguments += ('--cfg-options', *(f'{key}={value}' for key, value in options.items()))
        monkeypatch.setattr(sys, 'argv', [str(tool), *map(str, arguments)])
        _forget_earlier_runs()
        with pytest.raises(SystemExit) as exit_info:
            runpy.run_path(str(tool), run_name='__main__')
        return exit_info.value.code or 0, *capsys.readouterr()

    return run
