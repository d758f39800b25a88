"""A short round of spoilt files for every parser; the long one is ``run.py``."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mutations import mutated
from targets import TARGETS, Harm, Target, harmless

ROUND = settings(
    max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@pytest.fixture(params=TARGETS)
def target(request) -> Target:
    return TARGETS[request.param]


@ROUND
@given(number=st.integers(0, 99), chance=st.randoms(use_true_random=False))
def test_spoilt_files_are_one_error(target, tmp_path_factory, number, chance):
    folder = tmp_path_factory.getbasetemp() / 'spoilt'
    folder.mkdir(exist_ok=True)
    seeds = target.seeds()
    target.takes(seeds[0], folder)
    target.run(mutated(seeds[number % len(seeds)], target.words, chance), folder)


@ROUND
@given(data=st.binary(max_size=300))
def test_any_bytes_are_one_error(target, tmp_path_factory, data):
    folder = tmp_path_factory.getbasetemp() / 'spoilt'
    folder.mkdir(exist_ok=True)
    target.takes(target.seeds()[0], folder)
    target.run(data, folder)


def test_every_parser_takes_what_it_should(target, tmp_path):
    taken = [target.takes(seed, tmp_path) for seed in target.seeds()]
    assert any(taken)


@pytest.mark.parametrize(
    'harm',
    [lambda path: os.system('true'), lambda path: path.with_name('x').write_text('x'), lambda path: path.unlink()],
)
def test_harm_is_seen(tmp_path, harm):
    with pytest.raises(Harm):
        Target(harm, '.txt', list).run(b'', tmp_path)
    with harmless():
        assert not Path(tmp_path / 'x').exists()


# What fuzzing found, each in another way than the one error: parser, what to replace, by what.
FINDINGS = {
    'a zip archive of the future': ('checkpoint', b'PK\x01\x02\x00\x00\x00\x00', b'PK\x01\x02\x00\x00\x40\x00'),
    'a damaged directory of a zip archive': ('checkpoint', b'PK\x05\x06', b'PK\x05\x07'),
    'a position without numbers': ('qupath', b'[[1, 2], [3, 4.5]]', b'[[]]'),
    'a geometry of a list': ('qupath', b'"LineString"', b'["LineString"]'),
    'a coordinate beyond all numbers': ('labelme', b'[3.5, 4]', b'[1' + b'0' * 400 + b', 4]'),
    'a corner beyond all numbers': ('tissue', b'[5, 26]', b'[5' + b'0' * 400 + b', 26]'),
    'a corner that is no number': ('tissue', b'[5, 26]', b'[5, NaN]'),
    'a corner that is true': ('tissue', b'[5, 26]', b'[5, true]'),
    'annotations that are none': ('label_studio', b'"annotations": [', b'"annotations": null, "x": ['),
    'results that are a flag': ('label_studio', b'"result": [', b'"result": true, "x": ['),
    'labels that are a number': ('label_studio', b'["plane"]', b'0.5'),
    'a header that is too short': ('index_png', b'\x00\x00\x00\rIHDR', b'\x00\x00\x00\x03IHDR'),
    'a list of arrays that is damaged': ('hdf5', b'SNOD', b'SNOE'),
    'names of arrays that are damaged': ('hdf5', b'HEAP', b'HEAQ'),
    'lists in lists without end': ('tissue', b'{', b'[' * 100_000),
    'lists in lists in a model card': ('model_card', b'{', b'[' * 100_000),
}


@pytest.mark.parametrize('name', FINDINGS)
def test_what_was_found_is_one_error(name, tmp_path):
    parser, sound, spoilt = FINDINGS[name]
    target = TARGETS[parser]
    seed = target.seeds()[0]
    assert target.takes(seed, tmp_path)
    assert sound in seed
    was_taken = target.run(seed.replace(sound, spoilt), tmp_path)
    assert not was_taken or (b'NaN' not in spoilt and b'true]' not in spoilt)
