"""Damaged image files: an image, or one error, whatever was done to them."""

from __future__ import annotations

import io
import resource
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from small_disk import largest_file

from sdp_plugin.errors import UserError
from sdp_plugin.image_files import read_image, write_image

MAX_PIXELS = 10_000


def encoded(suffix: str, mode: str, **options) -> bytes:
    pixels = np.random.default_rng(0).integers(0, 256, (12, 9, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, format=suffix, **options)
    return buffer.getvalue()


SEEDS = [
    encoded('JPEG', 'RGB'),
    encoded('JPEG', 'L', progressive=True),
    encoded('PNG', 'RGB'),
    encoded('PNG', 'P'),
    encoded('PNG', 'RGBA'),
    encoded('TIFF', 'RGB', compression='packbits'),
    encoded('TIFF', 'RGB', compression='tiff_lzw'),
    encoded('BMP', 'RGB'),
]


@st.composite
def damaged(draw) -> bytes:
    content = bytearray(draw(st.sampled_from(SEEDS)))
    for _ in range(draw(st.integers(1, 4))):
        # Headers are short, and where sizes and types stand.
        at = draw(st.one_of(st.integers(0, min(40, len(content) - 1)), st.integers(0, len(content) - 1)))
        kind = draw(st.sampled_from(('set', 'insert', 'delete', 'cut')))
        if kind == 'set':
            content[at : at + 4] = draw(st.binary(min_size=1, max_size=4))
        elif kind == 'insert':
            content[at:at] = draw(st.binary(max_size=8))
        elif kind == 'delete':
            del content[at : at + draw(st.integers(1, 8))]
        else:
            del content[at:]
        if not content:
            break
    return bytes(content)


@pytest.fixture(scope='module')
def path(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp('damaged') / 'image'


def test_what_a_chunk_of_a_png_claims_takes_no_memory(path):
    """OpenCV makes room for it before it reads: 400 bytes would take 3 GB."""
    for at in (8, encoded('PNG', 'RGB').index(b'IDAT') - 4):
        content = bytearray(encoded('PNG', 'RGB'))
        content[at : at + 4] = b'\x7f\xff\xff\xf0'
        path.write_bytes(content)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        with pytest.raises(UserError, match='cannot be decoded'):
            read_image(path)
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # kB


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'TIFF'])
def test_a_disk_that_takes_half_an_image_leaves_none(tmp_path, kind):
    image = Image.fromarray(np.random.default_rng(0).integers(0, 256, (50, 50, 3), np.uint8))
    with pytest.raises(OSError, match='File too large') as caught, largest_file(1000):
        write_image(image, tmp_path / 'a', kind)
    assert caught.value.filename == str(tmp_path / 'a')
    assert list(tmp_path.iterdir()) == []


def test_opencv_says_nothing_of_its_own(path, capfd):
    path.write_bytes(encoded('PNG', 'RGB').replace(b'IDAT', b'IDAX'))
    with pytest.raises(UserError, match='cannot be decoded'):
        read_image(path)
    assert capfd.readouterr() == ('', '')


def test_what_follows_the_image_is_passed_over(path):
    for suffix in ('PNG', 'JPEG'):
        path.write_bytes(encoded(suffix, 'RGB') + b'notes of another program')
        assert read_image(path).shape == (12, 9, 3)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
@given(content=damaged() | st.binary(max_size=64))
def test_a_damaged_file_is_an_image_or_one_error(path, content):
    path.write_bytes(content)
    try:
        image = read_image(path, MAX_PIXELS)
    except UserError:
        return
    assert image.dtype == np.uint8
    assert image.ndim == 3
    assert image.shape[2] == 3
    assert 0 < image.shape[0] * image.shape[1] <= MAX_PIXELS
