"""The documentation names files that are there and commands that the tools take."""

from __future__ import annotations

import json
import re
import runpy
import shlex
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
DOCUMENTS = [ROOT / 'README.md', ROOT / 'CONTRIBUTING.md', *sorted((ROOT / 'docs').rglob('*.md'))]
PATH = re.compile(r'(?<![\w./-])(?:sdp_plugin|tools|configs|tests|docs|requirements)/[\w./-]*\w')
LINK = re.compile(r'\]\((?!https?:|#)([^)#]+)')
COMMAND = re.compile(r'^ *(?:\.venv/bin/)?python (?:-W ignore )?(tools/[\w/]+\.py)(?!\S)(.*)$', re.MULTILINE)


def commands() -> list:
    found = []
    for document in DOCUMENTS:
        text = document.read_text().replace('\\\n', ' ')
        for match in COMMAND.finditer(text):
            words = shlex.split(match[2], comments=True)
            found.append(pytest.param(match[1], words, id=f'{document.name}: {match[1]} {" ".join(words)}'[:100]))
    return found


@pytest.mark.parametrize('document', DOCUMENTS, ids=lambda path: path.name)
def test_files_that_are_named_are_there(document):
    text = document.read_text()
    named = {ROOT / path for path in PATH.findall(text)} | {document.parent / path for path in LINK.findall(text)}
    missing = [path for path in named if not path.exists() and not path.with_suffix('.py').exists()]
    assert named
    assert not missing


@pytest.mark.parametrize(('tool', 'words'), commands())
def test_a_command_is_one_that_the_tool_takes(tool, words, monkeypatch):
    from sdp_plugin.shipped import get_config

    monkeypatch.setattr(sys, 'argv', [tool, *words])
    monkeypatch.syspath_prepend(str(ROOT / Path(tool).parent))
    monkeypatch.chdir(ROOT)
    if {'-h', '--help', '--version'} & set(words):
        return
    args = runpy.run_path(str(ROOT / tool), run_name='read')['parse_args']()
    config = str(getattr(args, 'config', None) or '')
    if config.startswith('configs/'):
        get_config(config, getattr(args, 'cfg_options', None))


def test_the_readme_is_short():
    assert len((ROOT / 'README.md').read_text().splitlines()) <= 150


def test_the_page_of_results_says_what_the_numbers_say():
    folder = ROOT / 'docs' / 'results'
    tool = runpy.run_path(str(ROOT / 'tools' / 'docs' / 'results_page.py'), run_name='read')
    page, numbers = (folder / 'README.md').read_text(), json.loads((folder / 'evidence.json').read_text())
    assert tool['fill'](page, numbers) == page
    spoilt = json.loads(json.dumps(numbers))
    spoilt['entries'][0]['metrics']['accuracy/top1']['mean'] += 1
    assert tool['fill'](page, spoilt) != page
