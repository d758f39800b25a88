"""What a person meets at the command line: help that teaches, and one clear error for each mistake."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest
import torch

ROOT = Path(__file__).parents[2]
TOOLS = sorted(path.name for path in (ROOT / 'tools').glob('*.py'))
SCRIBBLES = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py'
MASKS = 'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-masks-321x321.py'
CLASSES_XML = 'pretrain/resnet34_1xb10-40k_voc12-classes-321x321_xml.py'
PCAM = 'finetune/resnet34_1xb32-100e_pcam.py'
CRC = 'finetune/resnet34_1xb32-200e_crc.py'


FIRST_PATCHES = 'camelyonpatch_level_2_split_test_x.h5'


def test_all_tools_are_found():
    assert {'train.py', 'test.py', 'predict.py', 'convert_weights.py', 'run_grid.py', 'report.py'} <= set(TOOLS)


@pytest.mark.parametrize('name', TOOLS)
def test_help_shows_an_example(run_tool, name):
    status, printed, errors = run_tool(name, '--help')
    # mmcv warns of its missing ops on the first import of a process.
    assert status == 0
    assert 'Traceback' not in errors
    assert f'python tools/{name} ' in ' '.join(printed.lower().split('example', 1)[-1].split())


def assert_is_one_error(status: int, errors: str, *words: str) -> None:
    """Exit status 2, and after the log nothing but one message."""
    assert status == 2
    message = errors[errors.index('error: ') :]
    assert errors.count('error: ') == 1
    assert 'Traceback' not in errors
    assert 'class `' not in message
    assert [word for word in words if word not in message] == []


@dataclass
class Copy:
    """The generated data once more, to be spoilt."""

    root: Path
    options: dict = field(default_factory=dict)

    @property
    def voc(self) -> Path:
        return self.root / 'VOCdevkit' / 'VOC2012'

    @property
    def first(self) -> str:
        return self.ids.read_text().split()[0]

    @property
    def ids(self) -> Path:
        return self.voc / 'ImageSets' / 'Segmentation' / 'train_aug.txt'

    @property
    def image(self) -> Path:
        return self.voc / 'JPEGImages' / f'{self.first}.jpg'

    @property
    def mask(self) -> Path:
        return self.voc / 'SegmentationClassAug' / f'{self.first}.png'

    @property
    def scribble(self) -> Path:
        return self.root / 'scribbles' / 'pascal_2012' / f'{self.first}.xml'

    @property
    def crc(self) -> Path:
        return self.root / 'Kather_texture_2016_image_tiles_5000'

    @property
    def tile(self) -> Path:
        return min((self.crc / '01_TUMOR').iterdir())

    def pcam(self, part: str) -> Path:
        return self.root / 'pcam' / f'camelyonpatch_level_2_split_train_{part}.h5'

    def rewrite(self, part: str, change: Callable[[np.ndarray], np.ndarray]) -> None:
        with h5py.File(self.pcam(part), 'r+') as file:
            array = change(file[part][:])
            del file[part]
            file[part] = array


@pytest.fixture
def copy(small_data, tmp_path) -> Copy:
    root = tmp_path / 'data'
    shutil.copytree(small_data.pcam.parent, root)
    return Copy(root)


def keep_first_only(copy: Copy) -> None:
    """So that the spoilt image is met in the first batch."""
    copy.ids.write_text(f'{copy.first}\n')
    copy.options['batch_size'] = 1


def truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 3])


def missing_folder(copy):
    shutil.rmtree(copy.voc / 'JPEGImages')


def missing_root(copy):
    shutil.rmtree(copy.root / 'pcam')


def missing_class_folder(copy):
    shutil.rmtree(copy.tile.parent)


def empty_list(copy):
    copy.ids.write_text('\n')


def id_without_image(copy):
    copy.ids.write_text(f'{copy.first}\n2000_999999\n')


def id_without_scribbles(copy):
    copy.scribble.unlink()


def other_mask_size(copy):
    keep_first_only(copy)
    cv2.imwrite(str(copy.mask), np.zeros((10, 12), np.uint8))


def truncated_jpeg(copy):
    keep_first_only(copy)
    truncate(copy.image)


def truncated_mask(copy):
    keep_first_only(copy)
    truncate(copy.mask)


def malformed_scribbles(copy):
    keep_first_only(copy)
    truncate(copy.scribble)


def unknown_tag(copy):
    keep_first_only(copy)
    text = copy.scribble.read_text()
    start = text.index('<tag>') + len('<tag>')
    copy.scribble.write_text(f'{text[:start]}unicorn{text[text.index("</tag>") :]}')


def malformed_detections(copy):
    keep_first_only(copy)
    truncate(copy.voc / 'Annotations' / f'{copy.first}.xml')


def truncated_tile(copy):
    for path in copy.crc.glob('*/*.tif'):
        truncate(path)


def other_length(copy):
    copy.rewrite('y', lambda labels: labels[:-1])


def wrong_dtype(copy):
    copy.rewrite('x', lambda patches: patches.astype(np.float32))


def truncated_hdf5(copy):
    truncate(copy.pcam('x'))


def compressed(copy):
    copy.pcam('x').rename(f'{copy.pcam("x")}.gz')


def too_few_examples(copy):
    copy.options['examples_per_class'] = 5000


def unknown_split(copy):
    copy.options['train_dataloader.dataset.split'] = 'trian'


def fold_out_of_range(copy):
    copy.options['fold'] = 4


def typo(copy):
    copy.options['example_per_class'] = 5


def no_initialisation(copy):
    copy.options['initialisation'] = str(copy.root / 'nowhere.pth')


BAD_INPUT = [
    (SCRIBBLES, missing_folder, 'JPEGImages'),
    (PCAM, missing_root, 'pcam'),
    (CRC, missing_class_folder, '01_TUMOR'),
    (SCRIBBLES, empty_list, 'train_aug.txt'),
    (SCRIBBLES, id_without_image, '2000_999999'),
    (SCRIBBLES, id_without_scribbles, '.xml'),
    (MASKS, other_mask_size, '.png'),
    (MASKS, truncated_jpeg, '.jpg'),
    (MASKS, truncated_mask, '.png'),
    (SCRIBBLES, malformed_scribbles, '.xml'),
    (SCRIBBLES, unknown_tag, 'unicorn'),
    (CLASSES_XML, malformed_detections, '.xml'),
    (CRC, truncated_tile, '.tif'),
    (PCAM, other_length, 'train_y.h5'),
    (PCAM, wrong_dtype, 'float32'),
    (PCAM, truncated_hdf5, 'train_x.h5'),
    (PCAM, compressed, 'gunzip'),
    (PCAM, too_few_examples, '5000'),
    (PCAM, unknown_split, 'trian'),
    (CRC, fold_out_of_range, '4'),
    (PCAM, typo, 'examples_per_class'),
    (PCAM, no_initialisation, 'nowhere.pth'),
]


def train(run_tool, small_options, copy: Copy, config: str, tmp_path: Path, **more) -> tuple[int, str, str]:
    options = small_options(config, **more)
    layouts = {'voc12': copy.voc, 'pcam': copy.root / 'pcam', 'crc': copy.crc}
    options['data_root'] = str(next(folder for part, folder in layouts.items() if part in config))
    if 'scribbles' in options:
        options['scribbles'] = str(copy.root / 'scribbles' / 'pascal_2012')
    options['max_iters' if 'pretrain/' in config else 'max_epochs'] = 1
    arguments = [ROOT / 'configs' / config, '--work-dir', tmp_path / 'run']
    return run_tool('train.py', *arguments, options=options | copy.options)


@pytest.mark.parametrize(('config', 'spoil', 'word'), BAD_INPUT, ids=[spoil.__name__ for _, spoil, _ in BAD_INPUT])
def test_bad_input_is_one_clear_error(run_tool, small_options, copy, tmp_path, config, spoil, word):
    spoil(copy)
    status, _, errors = train(run_tool, small_options, copy, config, tmp_path)
    assert_is_one_error(status, errors, word)
    assert not (tmp_path / 'run' / 'results.json').exists()
    assert list(tmp_path.rglob('*.pth')) == []


@pytest.mark.parametrize(
    ('config', 'spoil', 'word'), [(SCRIBBLES, unknown_tag, 'unicorn'), (CRC, truncated_tile, '.tif')]
)
def test_errors_of_data_loader_workers_are_as_clear(run_tool, small_options, copy, tmp_path, config, spoil, word):
    spoil(copy)
    status, _, errors = train(run_tool, small_options, copy, config, tmp_path, num_workers=1)
    assert_is_one_error(status, errors, word)
    assert 'DataLoader' not in errors[errors.index('error: ') :]


# Checkpoints that are none, and one of another network.
@pytest.fixture(params=['missing', 'empty', 'text', 'truncated', 'a list', 'a folder', 'another depth'])
def bad_checkpoint(request, small_config, tmp_path) -> Path:
    path = tmp_path / 'epoch_1.pth'
    contents = {'empty': b'', 'text': b'no checkpoint'}.get(request.param)
    if contents is not None:
        path.write_bytes(contents)
    elif request.param == 'truncated':
        torch.save({'state_dict': {'weight': torch.zeros(4000)}}, path)
        truncate(path)
    elif request.param == 'a list':
        torch.save([1, 2], path)
    elif request.param == 'a folder':
        path.mkdir()
    elif request.param == 'another depth':
        from mmengine.runner import Runner

        runner = Runner.from_cfg(small_config(PCAM, **{'model.backbone.depth': 34}))
        runner.save_checkpoint(str(tmp_path), 'epoch_1.pth', save_optimizer=False, save_param_scheduler=False)
        shallower = small_config(PCAM).pretty_text
        checkpoint = torch.load(path, weights_only=False)
        checkpoint['meta'].update(cfg=shallower, model_card=dict(classes=['normal', 'tumour'], input_size=[96, 96]))
        torch.save(checkpoint, path)
    return path


def test_no_tool_takes_a_bad_checkpoint(run_tool, small_options, small_data, tmp_path, bad_checkpoint):
    config, options = ROOT / 'configs' / PCAM, small_options(PCAM)
    commands = {
        'test.py': ([config, bad_checkpoint, '--work-dir', tmp_path / 'test', '--out', tmp_path / 'out.json'], options),
        'predict.py': ([bad_checkpoint, small_data.pcam / FIRST_PATCHES, '--out', tmp_path / 'out'], None),
        'convert_weights.py': ([bad_checkpoint, tmp_path / 'out.pth'], None),
        'train.py': ([config, '--work-dir', tmp_path / 'train'], options | {'initialisation': str(bad_checkpoint)}),
    }
    for name, (arguments, overrides) in commands.items():
        status, _, errors = run_tool(name, *arguments, options=overrides)
        assert_is_one_error(status, errors)
    assert not any((tmp_path / name).exists() for name in ('out.json', 'out', 'out.pth', 'train/results.json'))


def test_train_test_and_predict_go_together(run_tool, small_options, small_data, tmp_path):
    config, options = ROOT / 'configs' / PCAM, small_options(PCAM, max_epochs=1)
    status, _, errors = run_tool('train.py', config, '--work-dir', tmp_path / 'run', options=options)
    assert status == 0, errors
    checkpoint = tmp_path / 'run' / 'epoch_1.pth'
    status, _, errors = run_tool(
        'test.py', config, checkpoint, '--work-dir', tmp_path / 'test', '--out', tmp_path / 'm.json', options=options
    )
    assert status == 0, errors
    results = json.loads((tmp_path / 'run' / 'results.json').read_text())
    assert json.loads((tmp_path / 'm.json').read_text()) == results['metrics']
    status, printed, errors = run_tool('predict.py', checkpoint, small_data.pcam / FIRST_PATCHES, '--out', tmp_path)
    assert status == 0, errors
    assert 'predictions.csv' in printed
    assert len((tmp_path / 'predictions.csv').read_text().splitlines()) == 1 + 6
    assert (tmp_path / 'contact_sheet.png').is_file()


def test_a_second_start_without_resume_is_refused(run_tool, small_options, tmp_path):
    (tmp_path / 'run').mkdir()
    torch.save({}, tmp_path / 'run' / 'iter_2.pth')
    status, _, errors = run_tool(
        'train.py', ROOT / 'configs' / SCRIBBLES, '--work-dir', tmp_path / 'run', options=small_options(SCRIBBLES)
    )
    assert_is_one_error(status, errors, '--resume', 'iter_2.pth')


@pytest.mark.parametrize('config', [PCAM, SCRIBBLES])
def test_mixed_precision_trains(run_tool, small_options, tmp_path, config):
    """Slowly on a CPU without bfloat16; MMEngine's own wrapper, which asks for a GPU, is not meant."""
    length = {'max_epochs': 1} if config == PCAM else {'max_iters': 1}
    arguments = [ROOT / 'configs' / config, '--work-dir', tmp_path, '--amp']
    status, _, errors = run_tool('train.py', *arguments, options=small_options(config, **length))
    assert status == 0, errors
    assert json.loads((tmp_path / 'results.json').read_text())['settings']['precision'] == 'bfloat16'
