from __future__ import annotations

import json

import pytest
from PIL import Image

from sdp_plugin.report import samples
from sdp_plugin.report.samples import read_samples


@pytest.fixture
def folder(tmp_path):
    (tmp_path / 'samples').mkdir()
    for name in ('b.png', 'a.jpg'):
        Image.new('RGB', (4, 4)).save(tmp_path / 'samples' / name)
    return tmp_path


def index(folder, *entries):
    (folder / 'samples' / 'samples.json').write_text(json.dumps({'format': 1, 'samples': entries}))


def test_no_folder_is_no_problem(tmp_path):
    assert read_samples(tmp_path) == ([], [])


def test_pictures_without_an_index_have_their_names(folder):
    found, problems = read_samples(folder)
    assert [(sample.file, sample.caption) for sample in found] == [('a.jpg', 'a'), ('b.png', 'b')]
    assert problems == []


def test_an_index_gives_order_captions_and_groups(folder):
    index(folder, {'file': 'b.png', 'caption': 'x', 'group': 'g'}, {'file': 'a.jpg'})
    found, _ = read_samples(folder)
    assert [(s.file, s.caption, s.group) for s in found] == [('b.png', 'x', 'g'), ('a.jpg', '', '')]


@pytest.mark.parametrize('name', ['missing.png', '../grid.png', 'b.svg'])
def test_only_pictures_of_the_folder_are_taken(folder, name):
    index(folder, {'file': name}, {'file': 'b.png'})
    found, problems = read_samples(folder)
    assert [sample.file for sample in found] == ['b.png']
    assert name in problems[0]


def test_what_is_no_picture_is_left_out(folder):
    (folder / 'samples' / 'b.png').write_text('<script>')
    assert 'is no png' in read_samples(folder)[1][0]


def test_the_page_stays_small(folder, monkeypatch):
    monkeypatch.setattr(samples, 'MAX_BYTES', 10)
    assert 'more than 10' in read_samples(folder)[1][0]


@pytest.mark.parametrize('text', ['', '[]', '{"samples": 3}', '{"samples": [{"caption": "x"}]}'])
def test_a_spoilt_index_is_named(folder, text):
    (folder / 'samples' / 'samples.json').write_text(text)
    assert read_samples(folder)[0] == []
    assert 'samples.json' in read_samples(folder)[1][0]


def test_a_name_that_is_too_long_is_no_picture(folder):
    name = f'{"a" * 5000}.png'
    (folder / 'samples' / 'samples.json').write_text(json.dumps({'samples': [{'file': name}]}))
    assert 'no such PNG' in read_samples(folder)[1][0]
