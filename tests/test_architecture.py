"""Imports run down the floors of the package, from what tools call to what everything stands on."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / 'sdp_plugin'

# From the top floor down. A room imports from rooms further down, and from itself.
FLOORS = (
    ('report', 'slides', 'prepare', 'demo_data'),
    ('grid',),
    ('probes', 'apis'),
    ('engine',),
    ('conversion', 'models'),
    ('datasets',),
    ('evaluation', 'visualization', 'statistics'),
    ('catalogue',),
    ('scribbles',),
    ('shipped',),
    ('settings', 'step_progress', 'checkpoints', 'image_files'),
    ('registry', 'transfer', 'hardware', 'bars', 'records', 'hdf5', 'command_line', 'openmmlab'),
    ('files',),
    ('errors',),
    ('__init__',),
)
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}
# Rooms that a plan, a report or a conversion of scribbles reads without waiting for torch.
WITHOUT_TORCH = ('catalogue', 'scribbles', 'statistics', 'report', 'errors', 'files', 'bars', 'image_files', 'hdf5')


def room_of(module: str) -> str:
    parts = module.split('.')
    return parts[1] if len(parts) > 1 else '__init__'


def imports_of(path: Path) -> list[tuple[int, str]]:
    found = []
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}:{node.lineno} imports by relative name'
            if node.module == 'sdp_plugin':
                found += [
                    (node.lineno, 'sdp_plugin' if alias.name.startswith('_') else f'sdp_plugin.{alias.name}')
                    for alias in node.names
                ]
            else:
                found.append((node.lineno, node.module))
        elif isinstance(node, ast.Import):
            found += [(node.lineno, alias.name) for alias in node.names]
    return found


MODULES = sorted(path for path in PACKAGE.rglob('*.py'))


def test_test_files_have_names_of_their_own():
    """pytest imports them by their basename, as the folders are no packages."""
    names = [path.name for path in (ROOT / 'tests').rglob('test_*.py')]
    assert sorted(names) == sorted(set(names))


def test_every_room_has_its_floor():
    rooms = {path.relative_to(PACKAGE).parts[0].removesuffix('.py') for path in MODULES}
    assert rooms <= set(FLOOR_OF), f'say on which floor they are: {sorted(rooms - set(FLOOR_OF))}'


@pytest.mark.parametrize('path', MODULES, ids=lambda path: path.relative_to(PACKAGE).as_posix())
def test_imports_run_down(path):
    here = path.relative_to(PACKAGE).parts[0].removesuffix('.py')
    if here == '__init__':
        return  # the package's face hands on what lies above
    upwards = [
        f'{path}:{line} imports {module}'
        for line, module in imports_of(path)
        if module.split('.')[0] == 'sdp_plugin'
        and room_of(module) != here
        and FLOOR_OF.get(room_of(module), -1) <= FLOOR_OF[here]
    ]
    assert not upwards, '\n'.join(upwards)


@pytest.mark.parametrize('room', WITHOUT_TORCH)
def test_rooms_that_need_no_torch_import_none(room):
    slow = ('torch', 'mmcv', 'mmseg', 'mmpretrain', 'torchvision', 'timm')
    paths = [path for path in MODULES if path.relative_to(PACKAGE).parts[0].removesuffix('.py') == room]
    found = [f'{p}:{line} {module}' for p in paths for line, module in imports_of(p) if module.split('.')[0] in slow]
    assert paths
    assert not found, '\n'.join(found)
