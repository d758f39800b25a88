"""Fetching over a real connection to a server that fails in all the ways that servers do."""

from __future__ import annotations

import hashlib
import io
import random
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from faulty_server import PAGE, faulty_server
from rich.console import Console

from sdp_plugin.bars import Bar, Board
from sdp_plugin.catalogue.downloads import Download
from sdp_plugin.errors import UserError
from sdp_plugin.prepare.transport import Interrupted, Patience, Transport

DATA = random.Random(0).randbytes(1_000_003)
NAME = 'data.zip'
QUICK = Patience(connect=5, stall=0.4, tries=5, first_wait=0.01, longest_wait=0.05)


def git_blob(data: bytes) -> str:
    return hashlib.sha1(b'blob %d\0' % len(data) + data).hexdigest()


PUBLISHED = {
    'all': {
        'size': len(DATA),
        'sha256': hashlib.sha256(DATA).hexdigest(),
        'md5': hashlib.md5(DATA).hexdigest(),
    },
    'md5 only': {'md5': hashlib.md5(DATA).hexdigest()},
    'git blob only': {'git_blob': git_blob(DATA)},
    'git blob and size': {'size': len(DATA), 'git_blob': git_blob(DATA)},
    'nothing': {},
}


@pytest.fixture
def server():
    with faulty_server({NAME: DATA, f'mirror/{NAME}': DATA}) as running:
        yield running


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch):
    for name in ('HTTP_PROXY', 'HTTPS_PROXY', 'ALL_PROXY'):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def fetch(server, tmp_path, said):
    """``fetch(download, addresses)`` into ``tmp_path``; the download is that of the server's file by default."""

    def run(download=None, addresses=None, recorded=None, patience=QUICK):
        board = Board(Console(file=io.StringIO()))
        transport = Transport(patience, said.append)
        download = download or Download(NAME, server.address(NAME), **PUBLISHED['all'])
        path = tmp_path / NAME
        bar = Bar(NAME, None, board.say, in_bytes=True)
        return transport.fetch(download, addresses or [download.url], path, bar, recorded)

    return run


def assert_arrived(tmp_path: Path) -> None:
    assert (tmp_path / NAME).read_bytes() == DATA
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


@pytest.mark.parametrize('published', PUBLISHED)
def test_a_file_arrives_verified(server, fetch, tmp_path, published):
    digests = fetch(Download(NAME, server.address(NAME), **PUBLISHED[published]))
    assert_arrived(tmp_path)
    assert digests.sha256 == hashlib.sha256(DATA).hexdigest()


@pytest.mark.parametrize('published', PUBLISHED)
@pytest.mark.parametrize(
    'faults',
    [
        ['cut 0'],
        ['cut 300000', 'cut 1', 'cut 200000'],
        ['stall 100000', 'stall 0'],
        ['429', '503', '500', '429 for 0'],
        ['redirect', 'cut 5000', 'redirect', 'redirect'],
        ['cut 400000', 'no range'],
        ['cut 400000', 'cut 1000', 'chunked'],
        ['chunked'],
    ],
    ids=' then '.join,
)
def test_passing_faults_are_overcome(server, fetch, tmp_path, published, faults):
    server.fail(NAME, *faults)
    fetch(Download(NAME, server.address(NAME), **PUBLISHED[published]))
    assert_arrived(tmp_path)
    assert server.faults[NAME].plan == []


@pytest.mark.parametrize('faults', [['flip'], ['cut 100000', 'other range']], ids=' then '.join)
def test_wrong_bytes_are_thrown_away_and_fetched_once_more(server, fetch, tmp_path, said, faults):
    server.fail(NAME, *faults)
    fetch()
    assert_arrived(tmp_path)
    assert said


def test_only_what_is_missing_is_asked_for(server, fetch, tmp_path):
    server.fail(NAME, 'cut 300000')
    fetch()
    (_, first), (_, second) = server.requests
    assert first == ''
    # What was in flight when the connection broke may be lost.
    assert 0 < int(second.removeprefix('bytes=').rstrip('-')) <= 300_000
    assert_arrived(tmp_path)


def test_another_process_goes_on_where_one_was_killed(server, fetch, tmp_path):
    (tmp_path / f'{NAME}.part').write_bytes(DATA[:123_456])
    fetch()
    assert server.requests == [(NAME, 'bytes=123456-')]
    assert_arrived(tmp_path)


def test_a_whole_part_is_only_verified(server, fetch, tmp_path):
    (tmp_path / f'{NAME}.part').write_bytes(DATA)
    fetch()
    assert server.requests == []
    assert_arrived(tmp_path)


@pytest.mark.parametrize('published', PUBLISHED)
@pytest.mark.parametrize(
    'stale', [b'x' * 1000, b'x' * len(DATA), b'x' * (len(DATA) + 5)], ids=['short', 'same', 'long']
)
def test_a_part_of_another_version_is_no_harm(server, fetch, tmp_path, published, stale):
    (tmp_path / f'{NAME}.part').write_bytes(stale)
    fetch(Download(NAME, server.address(NAME), **PUBLISHED[published]))
    assert_arrived(tmp_path)


@pytest.mark.parametrize(
    ('faults', 'word'),
    [
        (['page'], 'web page'),
        (['hidden page'], 'web page'),
        (['404'], '404'),
        (['403'], '403'),
        (['short'], 'another file'),
        (['flip', 'flip'], 'SHA-256'),
        (['503'] * 5, '503'),
        (['stall 0'] * 5, 'broke off'),
    ],
)
def test_the_next_mirror_is_tried_and_the_reason_said(server, fetch, tmp_path, said, faults, word):
    server.fail(NAME, *faults)
    fetch(addresses=[server.address(NAME), server.address(f'mirror/{NAME}')])
    assert_arrived(tmp_path)
    assert word in ' '.join(said)


@pytest.mark.parametrize(
    ('faults', 'word'),
    [(['page'] * 9, 'web page'), (['flip'] * 9, 'SHA-256'), (['short'] * 9, '999,996 bytes'), (['404'] * 9, '404')],
)
def test_what_never_works_is_one_error_and_no_file(server, fetch, tmp_path, faults, word):
    server.fail(NAME, *faults)
    server.fail(f'mirror/{NAME}', *faults)
    addresses = [server.address(NAME), server.address(f'mirror/{NAME}')]
    with pytest.raises(UserError, match=word) as caught:
        fetch(addresses=addresses)
    assert all(address in str(caught.value) for address in addresses)
    assert '--mirror' in str(caught.value)
    assert '--offline' in str(caught.value)
    assert not (tmp_path / NAME).exists()


def test_a_page_does_not_cost_what_is_there(server, fetch, tmp_path):
    part = tmp_path / f'{NAME}.part'
    part.write_bytes(DATA[:500_000])
    server.fail(NAME, 'page')
    with pytest.raises(UserError, match='web page'):
        fetch()
    assert part.read_bytes() == DATA[:500_000]
    assert PAGE not in part.read_bytes()


def test_the_server_decides_how_long_to_wait(server, fetch, said):
    server.fail(NAME, '429 for 1', '503 for 3600', '429 for Wed, 21 Oct 2015 07:28:00 GMT')
    fetch(patience=replace(QUICK, longest_wait=1.5))
    assert [line.rsplit(' ', 2)[1] for line in said] == ['1.0', '1.5', '0.0']


def test_a_dead_address_is_no_traceback(fetch, tmp_path):
    download = Download(NAME, 'http://127.0.0.1:9/data.zip', **PUBLISHED['all'])
    with pytest.raises(UserError, match='no connection'):
        fetch(download)
    with pytest.raises(UserError, match='no address'):
        fetch(replace(download, url='nonsense'))


def test_a_digest_recorded_at_first_use_is_checked(server, fetch, tmp_path):
    download = Download(NAME, server.address(NAME))
    first = fetch(download).sha256
    assert fetch(download, recorded=first).sha256 == first
    with pytest.raises(UserError, match='recorded at first use'):
        fetch(download, recorded='0' * 64)


def test_proxies_are_respected(server, fetch, tmp_path, monkeypatch):
    monkeypatch.setenv('http_proxy', server.url)
    server.files[f'data.invalid/{NAME}'] = DATA
    fetch(addresses=[f'http://data.invalid/{NAME}'])
    assert_arrived(tmp_path)


def test_a_full_disk_is_one_error(server, fetch, tmp_path, monkeypatch):
    def full(file, block, part):
        raise UserError(f'{part} cannot be written', found='No space left on device')

    monkeypatch.setattr('sdp_plugin.prepare.transport._write', full)
    with pytest.raises(UserError, match='No space left'):
        fetch()
    assert not (tmp_path / NAME).exists()


def test_halting_does_not_wait_for_bytes_that_do_not_come(server, tmp_path):
    server.fail(NAME, 'stall 300000')
    transport = Transport(Patience(stall=25), lambda line: None)
    download = Download(NAME, server.address(NAME), **PUBLISHED['all'])
    bar = Bar(NAME, None, None)
    with ThreadPoolExecutor(1) as pool:
        fetching = pool.submit(transport.fetch, download, [download.url], tmp_path / NAME, bar)
        wait_for(lambda: (tmp_path / f'{NAME}.part').is_file())
        transport.halt()
        with pytest.raises(Interrupted):
            fetching.result(timeout=20)
    assert (tmp_path / f'{NAME}.part').is_file()


def wait_for(condition) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_terminal_shows_bars_and_messages(server, tmp_path):
    stream = io.StringIO()
    server.fail(NAME, 'cut 300000')
    download = Download(NAME, server.address(NAME), **PUBLISHED['all'])
    with (
        Board(Console(file=stream, force_terminal=True, width=200), in_bytes=True) as board,
        board.bar(NAME, len(DATA)) as bar,
    ):
        Transport(QUICK, board.say).fetch(download, [download.url], tmp_path / NAME, bar)
    assert NAME in stream.getvalue()
    assert 'broke off after' in stream.getvalue()
    assert_arrived(tmp_path)
