"""Every tool with wrong paths: status 2, one message that names the path, no traceback, nothing written."""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from sdp_plugin.command_line import file_to_write, folder_or_none, folder_to_write

ROOT = Path(__file__).parents[2]
LONGEST = 30
PCAM, SCRIBBLES = (
    'finetune/resnet34_1xb32-100e_pcam.py',
    'pretrain/deeplabv2_r34-d8_1xb10-40k_voc12-scribbles-321x321.py',
)

# Tool, and how it is called; {name:kind} is a path, by the name that the tool's parser has for it.
COMMANDS = [
    ('browse_dataset.py', '{config:file} --masks {masks:place} --out {out:new_folder} {small}'),
    (
        'convert_weights.py',
        '{checkpoint:file} {out:new_file} --config {config:file} --target {target:file} --no-verify',
    ),
    ('cut_tiles.py', '{slide:file} {strokes:file} {out:new_folder} --model-mpp 1'),
    ('draw_segmentations.py', '{work_dir:folder}'),
    ('export.py', '{checkpoint:file} {out:new_folder} --tiles {tiles:file_or_folder}'),
    ('make_demo_data.py', '{out:new_folder}'),
    ('predict.py', '{checkpoint:file} {inputs:file_or_folder} --mpp 1 --tissue {tissue:file} --out {out:new_folder}'),
    ('predict.py', '{checkpoint:file} {inputs:folder} --out {out:new_folder}'),
    ('prepare_data.py', 'pcam --yes --root {root:new_folder} --offline {offline:place}'),
    ('prepare_data.py', 'check pcam --root {root:new_folder}'),
    ('report.py', '{work_dir:folder} --out {out:new_folder}'),
    ('run_grid.py', '{grid:file} --work-dir {work_dir:new_folder}'),
    (
        'scribbles.py',
        'convert {input:file_or_folder} {output:new_folder} --from qupath --images {images:folder} --class-names plane',
    ),
    (
        'scribbles.py',
        'convert {input:file_or_folder} {output:new_folder} --from qupath --tiles {tiles:file} --class-names plane',
    ),
    ('scribbles.py', 'synthesize {input:file_or_folder} {output:new_folder} --workers 1'),
    ('scribbles.py', 'stats {input:file_or_folder} --masks {masks:folder} --json {json:new_file} --workers 1'),
    ('simulate_statistics.py', '--out {out:new_file} --repetitions 10 --tables equivalence'),
    ('test.py', '{config:file} {checkpoint:file} --work-dir {work_dir:new_folder} --out {out:new_file} {small}'),
    ('train.py', '{config:file} --work-dir {work_dir:new_folder} {small}'),
    ('benchmarks/agreement.py', '--out {out:new_file}'),
    ('benchmarks/augmentation.py', '--data-root {data_root:folder} --out {out:new_file}'),
    ('benchmarks/finetuning.py', '--data-root {data_root:folder} --out {out:new_file}'),
    ('benchmarks/gpu_day.py', 'unpack {folder:folder}'),
    (
        'benchmarks/gpu_day.py',
        'fast --pcam {pcam:place} --voc {voc:place} --scribbles {scribbles:place} --out {out:new_folder}',
    ),
    ('benchmarks/gpu_day.py', 'true --grid {grid:name} --out {out:new_folder}'),
    ('benchmarks/label_free_crops.py', '{voc:folder} {scribbles:folder} --out {out:new_file}'),
    ('benchmarks/load_scribbles.py', '{scribbles:folder} {images:folder}'),
    ('benchmarks/loops_accuracy.py', '{work_dir:folder}'),
    (
        'benchmarks/next_cell.py',
        '--data-root {data_root:folder} --initialisation {initialisation:name} --out {out:new_file} --cells 1 '
        '--examples-per-class 1',
    ),
    (
        'benchmarks/pcam_reading.py',
        '--data-root {data_root:folder} --folder {folder:place} --out {out:new_file} --patches 9',
    ),
    ('benchmarks/pretraining.py', '{voc:folder} --scribbles {scribbles:folder} --out {out:new_file}'),
    ('benchmarks/pretraining_input.py', '{voc:folder} --scribbles {scribbles:folder} --out {out:new_file}'),
    ('benchmarks/probes.py', '--pcam {pcam:folder} --config {config:file} --out {out:new_file} --draws 1'),
    ('benchmarks/profile_epoch.py', '--out {out:new_file}'),
    (
        'benchmarks/run_all.py',
        '--pcam {pcam:place} --voc {voc:place} --scribbles {scribbles:place} --out {out:new_folder} '
        '--readme {readme:file}',
    ),
    ('benchmarks/slide_memory.py', '--folder {folder:place} --out {out:new_file} --width 500 --height 400'),
    ('benchmarks/slide_tiles.py', '{slide:file} --out {out:new_file}'),
    ('benchmarks/trunk_step.py', '--out {out:new_file}'),
    ('docs/backbone_table.py', '--update {update:file}'),
    ('docs/results_page.py', '{folder:folder} --grid {grid:folder}'),
]
NO_PATHS = {
    'browse_dataset.py': {'ids'},
    'convert_weights.py': {'architecture'},
    'export.py': {'array'},
    'predict.py': {'array', 'target'},
    'prepare_data.py': {'mirror'},
    'report.py': {'metric'},
    'run_grid.py': {'shard', 'ray_address'},
    'scribbles.py': {'class_names'},
}
NO_TOOLS = {'benchmarks/loops_grid.py', 'benchmarks/measuring.py'}
PATH = re.compile(r'\{(\w+):(\w+)\}')
TEXTS = (None, str, Path, file_to_write, folder_or_none, folder_to_write)


# --- What is wrong --------------------------------------------------------------------------------------------------


def missing(place: Path) -> Path:
    return place / 'nowhere'


def below_a_file(place: Path) -> Path:
    (place / 'text').write_text('a text\n')
    return place / 'text' / 'name'


def a_folder(place: Path) -> Path:
    (place / 'folder').mkdir()
    return place / 'folder'


def a_folder_of_other_files(place: Path) -> Path:
    (place / 'others').mkdir()
    (place / 'others' / 'a.txt').write_text('a text\n')
    return place / 'others'


def a_file(place: Path) -> Path:
    (place / 'text').write_text('a text\n')
    return place / 'text'


def a_pipe(place: Path) -> Path:
    os.mkfifo(place / 'pipe')
    return place / 'pipe'


def an_empty_file(place: Path) -> Path:
    (place / 'empty').touch()
    return place / 'empty'


def garbage(place: Path) -> Path:
    (place / 'garbage').write_bytes(np.random.default_rng(0).bytes(3000))
    return place / 'garbage'


def no_access(place: Path) -> Path:
    (place / 'closed').write_text('a text\n')
    (place / 'closed').chmod(0)
    return place / 'closed'


def no_access_to_the_folder(place: Path) -> Path:
    (place / 'closed').mkdir(0)
    return place / 'closed' / 'name'


KINDS = {
    'file': (missing, a_folder, a_pipe, an_empty_file, garbage, no_access),
    'name': (missing, a_folder),  # of a file that is looked into by what has its own lines here
    'folder': (missing, below_a_file, a_file, a_pipe, a_folder_of_other_files),
    'place': (missing, below_a_file, a_file, a_pipe),
    'file_or_folder': (missing, below_a_file, a_pipe, an_empty_file, garbage, a_folder_of_other_files),
    'new_file': (below_a_file, a_folder, a_pipe, no_access_to_the_folder),
    'new_folder': (below_a_file, a_file, a_pipe, no_access_to_the_folder),
}
CASES = [
    pytest.param(
        tool,
        command,
        name,
        spoil,
        id=f'{tool} {command.split()[0] if command[0].isalpha() else ""} {name} {spoil.__name__}',
    )
    for tool, command in COMMANDS
    for name, kind in PATH.findall(command)
    for spoil in KINDS[kind]
]


# --- What is right --------------------------------------------------------------------------------------------------


@pytest.fixture(scope='module')
def sound(small_data, tmp_path_factory) -> dict[str, object]:
    """What each path of the commands is where it is right, by its name, or by the tool and its name."""
    from pyramids import write_pyramid_file

    for name in ('train', 'predict_tiles', 'export', 'browse'):
        import_module(f'sdp_plugin.apis.{name}')  # what takes seconds at its first import is no hang

    root = tmp_path_factory.mktemp('sound')
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / 'tests' / 'grid'))
        patch.setenv('TOY_LOG', str(root / 'toy.log'))
        patch.setenv('TOY_SLEEP', '0')
        from toy_grid import Toy

        toy = Toy(root / 'toy').write()
        toy.run()
    strokes = root / 'strokes.geojson'
    shapes = {'LineString': [[10, 10], [190, 20]], 'Polygon': [[[0, 0], [300, 0], [300, 200], [0, 200], [0, 0]]]}
    features = [
        {
            'type': 'Feature',
            'geometry': {'type': kind, 'coordinates': points},
            'properties': {'classification': {'name': 'plane'}},
        }
        for kind, points in shapes.items()
    ]
    strokes.write_text(json.dumps(features))
    slide = write_pyramid_file(root / 'slide.tif', np.full((200, 300, 3), (205, 120, 180), np.uint8), (1,), 0.5)
    (root / 'images').mkdir()
    Image.new('RGB', (64, 48)).save(root / 'images' / 'strokes.png')
    (root / 'tiles.csv').write_text('image_id,x,y,width,height,columns,rows\na_0_0,0,0,100,100,50,50\n')
    return {
        'checkpoint': _checkpoint(small_data, root),
        'convert_weights.py config': _written(root / 'of_it.py', _model()),
        'config': ROOT / 'configs' / PCAM,
        'target': ROOT / 'configs' / PCAM,
        'browse_dataset.py config': ROOT / 'configs' / SCRIBBLES,
        'masks': small_data.voc / 'SegmentationClassAug',
        'slide': slide,
        'inputs': slide,
        'strokes': strokes,
        'tissue': strokes,
        'work_dir': toy.work_dir,
        'grid': toy.grid,
        'docs/results_page.py grid': toy.work_dir,
        'export.py tiles': small_data.crc,
        'scribbles.py tiles': root / 'tiles.csv',
        'input': strokes,
        'scribbles.py stats input': small_data.scribbles,
        'scribbles.py synthesize input': small_data.voc / 'SegmentationClassAug',
        'images': root / 'images',
        'benchmarks/load_scribbles.py images': small_data.voc / 'JPEGImages',
        'offline': root / 'images',
        'data_root': small_data.pcam,
        'pcam': small_data.pcam,
        'voc': small_data.voc,
        'scribbles': small_data.scribbles,
        'folder': root / 'images',
        'initialisation': root / 'none',
        'readme': _written(root / 'readme.md', '<!-- benchmarks: begin -->\n<!-- benchmarks: end -->\n'),
        'update': _written(root / 'conversion.md', '<!-- backbones: begin -->\n<!-- backbones: end -->\n'),
    }


def _written(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _model() -> str:
    from small_models import SMALL_RESNET, classifier_config

    return classifier_config(SMALL_RESNET | {'norm_cfg': {'type': 'BN'}}).pretty_text


def _checkpoint(small_data, root: Path) -> Path:
    from small_models import SMALL_RESNET, checkpoint_of, classifier_config

    config = classifier_config(SMALL_RESNET | {'norm_cfg': {'type': 'BN'}})
    config.model.neck = {'type': 'GlobalAveragePooling'}
    config.model.head.update(num_classes=2, in_channels=64)
    checkpoint = checkpoint_of(config, 'mmpretrain', 'head.fc')
    checkpoint['meta']['model_card'] = dict(classes=['normal', 'tumour'], input_size=[96, 96], mpp=0.972)
    torch.save(checkpoint, root / 'epoch_1.pth')
    return root / 'epoch_1.pth'


def _state_of(*folders: Path) -> dict:
    return {
        path: (path.lstat().st_size, path.lstat().st_mtime_ns)
        for folder in folders
        for path in (folder, *sorted(folder.rglob('*')))
    }


class _HangsError(BaseException):
    """No Exception, so that no tool takes it for one."""


def _run_out(*_: object) -> None:
    raise _HangsError(f'it takes more than {LONGEST} s')


@contextmanager
def _in_time() -> Iterator[None]:
    handler = signal.signal(signal.SIGALRM, _run_out)
    signal.alarm(LONGEST)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, handler)


@pytest.mark.parametrize(('tool', 'command', 'name', 'spoil'), CASES)
def test_a_wrong_path(run_tool, small_options, sound, tmp_path, monkeypatch, tool, command, name, spoil):
    if spoil in (no_access, no_access_to_the_folder) and os.geteuid() == 0:
        pytest.skip('root has access to everything')
    places = {folder: tmp_path / folder for folder in ('wrong', 'right', 'here')}
    for place in places.values():
        place.mkdir()
    wrong = spoil(places['wrong'])
    part = command.split()[0]

    def path_of(match: re.Match) -> str:
        if match[1] == name:
            return str(wrong)
        if match[2].startswith('new_'):
            return str(places['right'] / match[1])
        return str(
            next(sound[key] for key in (f'{tool} {part} {match[1]}', f'{tool} {match[1]}', match[1]) if key in sound)
        )

    words = [PATH.sub(path_of, word) for word in command.split() if word != '{small}']
    config = SCRIBBLES if tool == 'browse_dataset.py' else PCAM
    options = small_options(config) if '{small}' in command else None
    monkeypatch.syspath_prepend(str((ROOT / 'tools' / tool).parent))
    monkeypatch.chdir(places['here'])
    watched = (*places.values(), sound['strokes'].parent)
    before = _state_of(*watched)
    with _in_time():
        status, _, errors = run_tool(tool, *words, options=options)
    assert status == 2, errors
    assert errors.count('error: ') == 1
    assert 'Traceback' not in errors
    assert str(wrong) in errors
    assert _state_of(*watched) == before


# --- The table is whole ---------------------------------------------------------------------------------------------


def _tools() -> list[str]:
    folder = ROOT / 'tools'
    return sorted({path.relative_to(folder).as_posix() for path in folder.rglob('*.py')} - NO_TOOLS)


@pytest.mark.parametrize('tool', _tools())
def test_each_path_of_each_tool_is_in_the_table(run_tool, monkeypatch, tool):
    """Each argument that takes any text is a path of the table, or is said to be none."""
    parsers = []
    monkeypatch.setattr(argparse.ArgumentParser, 'parse_args', lambda parser: parsers.append(parser) or parser.exit())
    monkeypatch.syspath_prepend(str((ROOT / 'tools' / tool).parent))
    run_tool(tool)
    named = {name for other, command in COMMANDS if other == tool for name, _ in PATH.findall(command)}
    assert {action.dest for action in _actions(parsers[0])} - NO_PATHS.get(tool, set()) - {'cfg_options'} == named


def _actions(parser: argparse.ArgumentParser) -> Iterator[argparse.Action]:
    """Those that take a text, also of sub-commands."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                yield from _actions(command)
        elif action.nargs != 0 and action.choices is None and action.type in TEXTS:
            yield action
