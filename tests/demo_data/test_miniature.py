from __future__ import annotations

import dataclasses
import hashlib
import shutil
from pathlib import Path

import pytest

from sdp_plugin.demo_data.manifest import ensure_folder
from sdp_plugin.demo_data.miniature import MiniatureSizes, write_miniature
from sdp_plugin.demo_data.tiles import SHEETS
from sdp_plugin.errors import UserError

TINY = MiniatureSizes(
    voc_train=2, voc_val=1, voc_width=64, voc_height=48, pcam_train=3, pcam_valid=1, pcam_test=2, crc_per_class=1
)


def digests(root: Path) -> dict[str, str]:
    files = (path for path in root.rglob('*') if path.is_file())
    return {path.relative_to(root).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def write(root: Path, sizes: MiniatureSizes = TINY, seed: int = 0) -> list[str]:
    lines: list[str] = []
    write_miniature(root, sizes, seed, lines.append)
    return lines


@pytest.fixture(scope='module')
def tiny(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp('tiny')
    write(root)
    return root


@pytest.fixture
def copy(tiny, tmp_path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / 'copy'))


def test_same_seed_same_bytes(tiny, tmp_path):
    write(tmp_path)
    assert digests(tmp_path) == digests(tiny)


def test_another_seed_gives_other_scenes_under_the_same_names(tiny, tmp_path):
    write(tmp_path, seed=1)
    first, second = digests(tiny), digests(tmp_path)
    pictures = [name for name in first if Path(name).suffix in ('.jpg', '.png')]
    assert len(pictures) == 3 + 3
    assert all(first[name] != second[name] for name in pictures)


def test_a_larger_set_contains_the_smaller(tiny, tmp_path):
    write(tmp_path, dataclasses.replace(TINY, voc_train=3, crc_per_class=2))
    larger = digests(tmp_path)
    for name, digest in digests(tiny).items():
        if Path(name).suffix in ('.jpg', '.png', '.tif'):
            assert larger[name] == digest


def test_a_second_run_writes_nothing(copy):
    before = {path: path.stat().st_mtime_ns for path in copy.rglob('*')}
    lines = write(copy)
    assert all('already there' in line for line in lines)
    assert {path: path.stat().st_mtime_ns for path in copy.rglob('*')} == before


def test_other_parameters_regenerate_only_what_they_concern(copy):
    lines = write(copy, dataclasses.replace(TINY, pcam_test=4))
    assert [line.split('/')[-1].split(':')[0] for line in lines if 'written in' in line] == ['pcam']


def test_new_natural_pictures_bring_new_scribbles(copy, tiny):
    write(copy, dataclasses.replace(TINY, voc_width=80))
    scribble = 'scribbles/pascal_2012/2000_000001.xml'
    assert '<width>80</width>' in (copy / scribble).read_text()


@pytest.mark.parametrize(
    'module', ['sdp_plugin.demo_data.miniature.write_crc', 'sdp_plugin.demo_data.miniature.write_scribbles']
)
def test_an_interrupted_run_leaves_no_part_that_looks_complete(tiny, tmp_path, monkeypatch, module):
    def interrupt(folder: Path, *_args) -> None:
        (folder / 'half.txt').write_text('half')
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(module, interrupt)
        with pytest.raises(KeyboardInterrupt):
            write(tmp_path)
    complete = {path.name for path in tmp_path.iterdir()}
    assert complete < {'VOCdevkit', 'scribbles', 'pcam', 'Kather_texture_2016_image_tiles_5000'}
    write(tmp_path)
    assert digests(tmp_path) == digests(tiny)


def test_two_runs_at_once_leave_one_whole_folder(tmp_path):
    folder = tmp_path / 'part'

    def write_one(target: Path) -> None:
        (target / 'first.txt').write_text('first')
        (target / 'second.txt').write_text('second')

    def write_while_another_run_does(target: Path) -> None:
        (target / 'first.txt').write_text('first')
        assert ensure_folder(folder, {'seed': 0}, write_one)
        (target / 'second.txt').write_text('second')

    assert not ensure_folder(folder, {'seed': 0}, write_while_another_run_does)
    assert {path.name for path in folder.iterdir()} == {'first.txt', 'second.txt', 'miniature.json'}
    assert [path.name for path in tmp_path.iterdir()] == ['part']


def test_a_lost_file_is_made_again(copy, tiny):
    next(copy.glob('Kather*/01_TUMOR/*.tif')).unlink()
    write(copy)
    assert digests(copy) == digests(tiny)


@pytest.mark.parametrize('name', ['VOCdevkit', 'scribbles', 'pcam', 'Kather_texture_2016_image_tiles_5000'])
def test_real_data_is_never_overwritten(tmp_path, name):
    (tmp_path / name).mkdir()
    (tmp_path / name / 'real.txt').write_text('real')
    with pytest.raises(UserError, match='was not generated'):
        write(tmp_path)
    assert (tmp_path / name / 'real.txt').read_text() == 'real'


def test_added_files_are_never_lost(copy):
    (copy / 'pcam' / 'notes.txt').write_text('mine')
    with pytest.raises(UserError, match='1 files were added'):
        write(copy, dataclasses.replace(TINY, pcam_test=4))
    assert (copy / 'pcam' / 'notes.txt').read_text() == 'mine'


def test_the_place_is_a_file(tmp_path):
    (tmp_path / 'out').write_text('')
    with pytest.raises(UserError, match='is a file'):
        write(tmp_path / 'out')


@pytest.mark.parametrize(('name', 'value'), [('pcam_train', 0), ('voc_width', 20), ('crc_per_class', -1)])
def test_sizes_that_give_no_data_set(name, value):
    with pytest.raises(UserError, match=name):
        MiniatureSizes(**{name: value})


def test_what_travels_with_the_package_is_small_and_says_where_it_comes_from():
    assert sum(path.stat().st_size for path in SHEETS.iterdir()) < 2 * 1024**2
    attribution = (SHEETS / 'ATTRIBUTION.md').read_text()
    assert 'CC0' in attribution
    assert 'CC BY 4.0' in attribution


def test_more_colorectal_tiles_than_there_are_are_refused_at_once():
    with pytest.raises(UserError, match='not so many colorectal tiles'):
        dataclasses.replace(TINY, crc_per_class=13)


def test_a_seed_that_is_none_is_refused(run_tool, tmp_path):
    status, _, errors = run_tool('make_demo_data.py', tmp_path / 'out', '--seed', '-1')
    assert status == 2
    assert 'less than 0' in errors
    assert not (tmp_path / 'out').exists()
