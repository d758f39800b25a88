"""tools/prepare_data.py as a user runs it."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from faulty_server import faulty_server

from sdp_plugin.prepare.table import DATA_SETS

ROOT = Path(__file__).parents[2]
NAME = 'Kather_texture_2016_image_tiles_5000.zip'
CONTENT = b'PK\3\4 not those tiles'


@pytest.mark.parametrize('folder', ['', 'absent'])
def test_check_of_an_empty_folder(run_tool, tmp_path, folder):
    tmp_path /= folder
    status, printed, _ = run_tool('prepare_data.py', 'check', '--root', tmp_path)
    assert status == 1
    assert printed.count(': absent') == len(DATA_SETS)
    status, printed, _ = run_tool('prepare_data.py', 'check', 'crc', 'pcam', '--json', '--quick', '--root', tmp_path)
    assert status == 1
    verdicts = json.loads(printed)
    assert {name: verdict['state'] for name, verdict in verdicts.items()} == {'crc': 'absent', 'pcam': 'absent'}
    assert verdicts['pcam']['remedy'] == f'python tools/prepare_data.py pcam --root {tmp_path}'


@pytest.mark.parametrize(
    ('arguments', 'word'),
    [
        (['crc', '--offline', 'nowhere'], 'nowhere'),
        (['crc', '--jobs', '0'], '--jobs'),
        (['crc', '--offline', '.'], 'Kather_texture_2016_image_tiles_5000.zip is missing'),
        (['crc'], '--yes'),
    ],
)
def test_every_mistake_is_one_error(run_tool, tmp_path, monkeypatch, arguments, word):
    monkeypatch.chdir(tmp_path)
    status, _, errors = run_tool('prepare_data.py', *arguments)
    assert status == 2
    assert word in errors[errors.index('error: ') :]
    assert 'Traceback' not in errors


def test_real_facts_refuse_what_a_mirror_has_wrong(run_tool, tmp_path, monkeypatch):
    """Against the published size and digest; the published addresses themselves are not asked."""
    monkeypatch.setattr('sdp_plugin.prepare.preparation._Store._addresses', mirror_only)
    with faulty_server({NAME: CONTENT}) as server:
        server.fail(NAME, 'page')
        for word in ('a web page came instead of data', f'another file: {len(CONTENT)} bytes instead of 258,098,431'):
            status, _, errors = run_tool(
                'prepare_data.py', 'crc', '--root', tmp_path, '--yes', '--mirror', server.url, '--jobs', '1'
            )
            assert status == 2
            assert word in ' '.join(errors.split())
    assert 'CC BY 4.0' in errors
    assert not list(tmp_path.rglob('*.zip'))


def mirror_only(store, download):
    return [f'{store.sources.mirror}/{download.file_name}']


def test_the_documentation_names_every_data_set_and_every_setting(run_tool):
    text = (ROOT / 'docs' / 'data.md').read_text()
    _, printed, _ = run_tool('prepare_data.py', '--help')
    options = set(re.findall(r'--[a-z-]+', printed)) - {'--help', '--version', '--jobs'}
    assert [name for name in (*DATA_SETS, *sorted(options)) if f'`{name}' not in text and f' {name}' not in text] == []
