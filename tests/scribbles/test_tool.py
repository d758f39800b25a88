"""tools/scribbles.py as a user runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from sdp_plugin.scribbles.formats.index_png import read_index_png, write_index_png
from sdp_plugin.scribbles.formats.labelme import write_labelme
from sdp_plugin.scribbles.formats.scribblesup import VOC_TAGS, read_scribblesup, write_scribblesup
from sdp_plugin.scribbles.strokes import ScribbleSet, Stroke
from sdp_plugin.scribbles.synthesis import synthesise_scribbles

TOOLS = Path(__file__).parents[2] / 'tools'
TOOL = TOOLS / 'scribbles.py'
BENCHMARK = TOOLS / 'benchmarks' / 'load_scribbles.py'


def run_in_its_own_process(*arguments, expect=0):
    result = subprocess.run(
        [sys.executable, str(TOOL), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )
    assert result.returncode == expect, result.stdout + result.stderr
    assert 'Traceback' not in result.stderr
    return result.stdout, result.stderr


@pytest.fixture
def run(run_tool):
    """``run(*arguments, expect=STATUS)`` is what is printed, and printed as errors, by one process: this one."""

    def run(*arguments, expect=0):
        workers = ('--workers', 1) if arguments else ()
        status, printed, errors = run_tool('scribbles.py', *arguments, *workers)
        assert status == expect, printed + errors
        assert 'Traceback' not in errors
        return printed, errors

    return run


@pytest.fixture(scope='module')
def masks(tmp_path_factory):
    folder = tmp_path_factory.mktemp('masks')
    for i in range(5):
        mask = np.zeros((60, 80), np.uint8)
        cv2.ellipse(mask, (30 + 3 * i, 30), (20, 12), 10 * i, 0, 360, 8 + i, -1)
        write_index_png(folder / f'image_{i}.png', mask)
    (folder / 'broken.png').write_bytes(b'no picture')
    return folder


@pytest.mark.parametrize('workers', [1, 2])
def test_synthesize_finishes_the_rest_and_lists_what_it_skipped(masks, tmp_path, workers):
    out, errors = run_in_its_own_process('synthesize', masks, tmp_path, '--seed', 3, '--workers', workers, expect=1)
    assert '5 written, 0 there already' in out
    assert '1 of 6 files skipped' in errors
    assert 'broken.png' in errors
    for path in tmp_path.iterdir():
        mask = read_index_png(masks / f'{path.stem}.png')
        assert read_scribblesup(path) == synthesise_scribbles(mask, 3, path.stem)


def test_synthesize_goes_on_where_it_was(run, masks, tmp_path):
    run('synthesize', masks / 'image_0.png', tmp_path)
    first = (tmp_path / 'image_0.xml').read_text()
    out, _ = run('synthesize', masks, tmp_path, '--seed', 1, expect=1)
    assert '4 written, 1 there already' in out
    assert (tmp_path / 'image_0.xml').read_text() == first
    out, _ = run('synthesize', masks, tmp_path, '--seed', 1, '--overwrite', expect=1)
    assert '5 written, 0 there already' in out
    assert (tmp_path / 'image_0.xml').read_text() != first


def test_clicks(run, masks, tmp_path):
    run('synthesize', masks / 'image_0.png', tmp_path, '--kind', 'points')
    assert [len(s.points) for s in read_scribblesup(tmp_path / 'image_0.xml').strokes] == [1, 1]


def test_stats_sees_that_synthetic_strokes_are_right(run, masks, tmp_path):
    run('synthesize', masks, tmp_path / 'xml', expect=1)
    out, _ = run('stats', tmp_path / 'xml', '--masks', masks, '--json', tmp_path / 'stats.json')
    summary = json.loads((tmp_path / 'stats.json').read_text())
    assert summary['images'] == 5
    assert summary['total']['agreement'] == 1
    assert list(summary['classes']) == ['background', *VOC_TAGS[8:13]]
    assert '5 images' in out


def test_convert_there_and_back(run, tmp_path):
    scribbles = ScribbleSet((Stroke([[1, 2], [30, 20]], 1, 5.0), Stroke([[9, 9], [2, 30]], 0)), 40, 32)
    write_labelme(tmp_path / 'in/a.json', scribbles, ('stroma', 'tumour'))
    names = ('--class-names', 'stroma,tumour')
    out, _ = run('convert', tmp_path / 'in', tmp_path / 'xml', '--from', 'labelme', *names)
    assert '1 x not carried by scribblesup: the width(s) of stroke(s)' in out
    assert read_scribblesup(tmp_path / 'xml/a.xml', ('stroma', 'tumour')).strokes[1] == scribbles.strokes[1]
    run('convert', tmp_path / 'xml', tmp_path / 'png', '--to', 'index_png', '--out-ignore-index', 9, *names)
    assert set(np.unique(np.array(Image.open(tmp_path / 'png/a.png')))) == {0, 1, 9}
    run(
        'convert',
        tmp_path / 'png',
        tmp_path / 'new',
        '--from',
        'index_png',
        '--file-ignore-index',
        9,
        '--to',
        'index_png',
    )
    assert set(np.unique(read_index_png(tmp_path / 'new/a.png'))) == {0, 1, 255}


def test_a_conversion_goes_on_after_any_bad_file(tmp_path):
    source, out = tmp_path / 'in', tmp_path / 'out'
    source.mkdir()
    strokes = ScribbleSet((Stroke([[1, 2], [3, 4]], 1),), 20, 10)
    for name in ('good.json', 'b' * 240 + '.json', os.fsdecode(b'caf\xe9.json')):
        write_labelme(source / name, strokes, VOC_TAGS)
    content = json.loads((source / 'good.json').read_text(encoding='utf-8'))
    for name, image in (('zero.json', 'a\0b.jpg'), ('long.json', 'x' * 400 + '.jpg'), ('up.json', '../../up.jpg')):
        (source / name).write_text(json.dumps(content | {'imagePath': image}))
    (source / '._good.json').write_bytes(b'of macOS')
    (source / 'cut.json').write_text('{"shapes": [')
    os.mkfifo(source / 'pipe.json')
    arguments = ('convert', source, out, '--from', 'labelme', '--to', 'scribblesup')
    printed, errors = run_in_its_own_process(*arguments, expect=1)
    assert '3 written' in printed
    assert '4 of 7 files skipped' in errors
    assert all(f'- {name}: ' in errors for name in ('cut.json', 'long.json', 'zero.json'))
    assert (out / 'up.xml').is_file()
    assert sorted(path.name for path in tmp_path.iterdir()) == ['in', 'out']


def test_convert_reads_the_size_of_a_tile_from_its_image(run, tmp_path):
    feature = {
        'type': 'Feature',
        'geometry': {'type': 'LineString', 'coordinates': [[100.5, 200.5], [110.5, 220.5]]},
        'properties': {'classification': {'name': 'Tumor'}},
    }
    (tmp_path / 'tile.geojson').write_text(json.dumps([feature]))
    Image.new('RGB', (64, 48)).save(tmp_path / 'tile.png')
    arguments = ('convert', tmp_path / 'tile.geojson', tmp_path / 'out', '--from', 'qupath', '--class-names', 'Tumor')
    _, errors = run(*arguments, '--offset', 100, 200, expect=2)
    assert '--images' in errors
    run(*arguments, '--offset', 100, 200, '--images', tmp_path)
    expected = ScribbleSet((Stroke([[0, 0], [10, 20]], 0),), 64, 48)
    assert read_scribblesup(tmp_path / 'out/tile.xml', ('Tumor',)) == expected


def test_two_files_of_one_image_are_told(run, tmp_path):
    for name in 'ab':
        write_labelme(tmp_path / f'{name}.json', ScribbleSet((), 4, 4), VOC_TAGS, 'same.jpg')
    out, _ = run('convert', tmp_path, tmp_path / 'out', '--from', 'labelme', expect=1)
    assert 'come from several files' in out
    assert 'same' in out


@pytest.mark.parametrize(
    ('arguments', 'message'),
    [
        (('stats', 'nowhere'), 'nowhere does not exist'),
        (('stats', '.', '--from', 'qupath'), 'holds no files of this format'),
        (('convert', '.', 'out', '--from', 'index_png'), 'pixels cannot be turned back into strokes'),
        (('synthesize', '.', 'out', '--amount', '-1'), 'not between'),
        (('synthesize', '.', 'out', '--amount', 'nan'), 'not between'),
        (('synthesize', '.', 'out', '--seed', '-1'), 'less than 0'),
        (('synthesize', '.', 'out', '--min-area', '-1'), 'less than 0'),
        (('synthesize', '.', 'out', '--ignore-index', '-1'), 'less than 0'),
        (('synthesize', '.', 'out', '--ignore-index', '256'), 'more than 255'),
        (('convert', '.', 'out', '--out-ignore-index', '-1'), 'less than 0'),
        (('convert', '.', 'out', '--out-ignore-index', '256'), 'more than 255'),
        (('convert', '.', 'out', '--file-ignore-index', '256'), 'more than 255'),
        (('stats', '.', '--masks', 'nowhere'), 'is no folder'),
        ((), 'convert'),
    ],
)
def test_wrong_usage(run, arguments, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _, errors = run(*arguments, expect=2)
    assert message in errors


@pytest.mark.parametrize('workers', ['0', '-3'])
def test_no_workers_are_refused(run_tool, tmp_path, workers):
    status, _, errors = run_tool('scribbles.py', 'stats', tmp_path, '--workers', workers)
    assert status == 2
    assert 'less than 1' in errors


def test_strokes_that_all_lie_outside_are_an_error_of_that_file(run, tmp_path):
    outside = Stroke([[500, 500], [600, 700]], 1)
    write_labelme(tmp_path / 'in/out.json', ScribbleSet((outside,), 40, 32), VOC_TAGS)
    write_labelme(tmp_path / 'in/partly.json', ScribbleSet((outside, Stroke([[5, 5], [90, 5]], 1)), 40, 32), VOC_TAGS)
    write_labelme(tmp_path / 'in/across.json', ScribbleSet((Stroke([[-9, 5], [90, 5]], 1),), 40, 32), VOC_TAGS)
    write_labelme(tmp_path / 'in/none.json', ScribbleSet((), 40, 32), VOC_TAGS)
    out, errors = run('convert', tmp_path / 'in', tmp_path / 'out', '--from', 'labelme', expect=1)
    assert '3 written' in out
    assert '- out.json: ' in errors
    assert 'x from 500 to 600' in errors
    assert sorted(path.name for path in (tmp_path / 'out').iterdir()) == ['across.xml', 'none.xml', 'partly.xml']


def test_what_is_left_out_of_scribblesup_files_is_said(run, tmp_path):
    strokes = (Stroke([[1, 2], [3, 4]], 1), Stroke([[9, 9], [2, 8]], 0))
    write_scribblesup(tmp_path / 'a.xml', ScribbleSet(strokes, 40, 32), ('stroma', 'tumour'))
    arguments = ('convert', tmp_path / 'a.xml', tmp_path / 'out', '--class-names', 'stroma')
    _, errors = run(*arguments, expect=2)
    assert '--unknown-tag skip' in errors
    out, _ = run(*arguments, '--unknown-tag', 'skip')
    assert '1 x left out: stroke(s) of unknown class' in out
    assert read_scribblesup(tmp_path / 'out/a.xml', ('stroma',)).strokes == strokes[1:]


def test_help_teaches():
    out, _ = run_in_its_own_process('--help')
    assert 'examples:' in out
    assert 'qupath' in out


@pytest.mark.real_data
def test_loading_scribbles_costs_less_than_decoding_the_jpeg(real_data):
    """The benchmark's exit status; each time is the least of many, so a busy machine does not decide."""
    samples = real_data / 'scribblesup-samples'
    result = subprocess.run(
        [sys.executable, str(BENCHMARK), str(samples / 'pascal_2012'), str(samples / 'JPEGImages')],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert 'medians over 4 images' in result.stdout
    assert result.returncode == 0, result.stdout + result.stderr
