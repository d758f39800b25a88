"""Files that are written whole or not at all."""

from __future__ import annotations

import pytest

from sdp_plugin.files import atomic_path, write_text_atomically


def test_writes_into_a_new_folder(tmp_path):
    write_text_atomically(tmp_path / 'new' / 'deeper' / 'a.txt', 'naïve\n')
    assert (tmp_path / 'new' / 'deeper' / 'a.txt').read_bytes() == 'naïve\n'.encode()


def test_the_old_file_stays_until_the_new_one_is_complete(tmp_path):
    path = tmp_path / 'a.txt'
    path.write_text('old')
    with atomic_path(path) as temporary:
        temporary.write_text('new')
        assert path.read_text() == 'old'
    assert path.read_text() == 'new'
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize('before', [None, 'old'])
def test_a_failure_leaves_things_as_they_were(tmp_path, before):
    path = tmp_path / 'a.txt'
    if before is not None:
        path.write_text(before)

    def fail() -> None:
        with atomic_path(path) as temporary:
            temporary.write_text('half of')
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert list(tmp_path.iterdir()) == ([path] if before else [])
    assert before is None or path.read_text() == before


def test_the_temporary_file_has_the_suffix_and_the_folder_of_the_final_one(tmp_path):
    with atomic_path(tmp_path / 'a.tar.png') as first, atomic_path(tmp_path / 'a.tar.png') as second:
        assert first.suffix == '.png'
        assert first.parent == tmp_path
        assert first != second
        for temporary in (first, second):
            temporary.touch()
