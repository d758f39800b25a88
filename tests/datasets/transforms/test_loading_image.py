from __future__ import annotations

import os

import cv2
import numpy as np
import pytest
from PIL import Image

from sdp_plugin.datasets.transforms import LoadImage
from sdp_plugin.errors import UserError

IMAGE = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 256, (90, 120, 3), np.uint8), (0, 0), 2)  # RGB
PILLOW_OPTIONS = {'.tif': {'compression': 'packbits'}, '.png': {}, '.jpg': {'quality': 95}}


@pytest.fixture(params=PILLOW_OPTIONS)
def path(request, tmp_path):
    path = tmp_path / f'image{request.param}'
    Image.fromarray(IMAGE).save(path, **PILLOW_OPTIONS[request.param])
    return path


def load(path):
    return LoadImage()({'img_path': str(path)})


def test_is_bgr(path):
    results = load(path)
    expected = np.asarray(Image.open(path))
    assert np.abs(results['img'][..., ::-1].astype(int) - expected).max() <= (2 if path.suffix == '.jpg' else 0)
    assert results['img'].dtype == np.uint8
    assert results['img_shape'] == results['ori_shape'] == (90, 120)


@pytest.mark.parametrize('kept', [0.0, 0.02, 0.5, 0.99])
def test_truncated_file_is_refused(path, kept):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(UserError, match=f'cannot be decoded(.|\n)*{path.name}'):
        load(path)


@pytest.mark.parametrize('length', [*range(40), 60])
def test_a_png_with_a_short_header_is_refused(tmp_path, length):
    Image.fromarray(IMAGE).save(tmp_path / 'image.png')
    (tmp_path / 'image.png').write_bytes((tmp_path / 'image.png').read_bytes()[:length])
    with pytest.raises(UserError, match='cannot be decoded'):
        load(tmp_path / 'image.png')


def as_pixels(array, **options):
    return lambda path: Image.fromarray(array).save(path, **options)


def with_alpha(alpha):
    return np.dstack([IMAGE, np.broadcast_to(np.uint8(alpha), IMAGE.shape[:2])])


DEEP = np.arange(90 * 120, dtype=np.uint16).reshape(90, 120)
STRANGE = {
    '16 bits a pixel.png': (as_pixels(DEEP), 'more than 8 bits'),
    '16 bits a pixel.tif': (as_pixels(DEEP), 'more than 8 bits'),
    '16 bits a colour.png': (lambda path: cv2.imwrite(str(path), IMAGE.astype(np.uint16) * 257), 'more than 8 bits'),
    'floats.tif': (as_pixels(DEEP.astype(np.float32)), 'more than 8 bits|floating-point numbers'),
    'half transparent.png': (as_pixels(with_alpha(128)), 'transparent'),
    'half transparent.tif': (as_pixels(with_alpha(128)), 'transparent'),
    'see-through colour.png': (as_pixels(IMAGE, transparency=tuple(IMAGE[0, 0].tolist())), 'transparent'),
    'a bomb.png': (as_pixels(np.broadcast_to(np.uint8(0), (9_000, 9_000))), 'too many pixels(.|\n)*9,000 x 9,000'),
    'a bomb.jpg': (as_pixels(np.broadcast_to(np.uint8(0), (9_000, 9_001))), 'too many pixels(.|\n)*9,001 x 9,000'),
    'a pipe.png': (os.mkfifo, 'no regular file'),
    'a folder.png': (os.mkdir, 'cannot be read(.|\n)*directory'),
}


@pytest.mark.parametrize('name', STRANGE)
def test_what_nobody_can_know_the_colours_of_is_refused(tmp_path, name):
    make, message = STRANGE[name]
    make(tmp_path / name)
    with pytest.raises(UserError, match=message):
        load(tmp_path / name)


def test_an_opaque_alpha_channel_is_left_out(tmp_path):
    Image.fromarray(with_alpha(255)).save(tmp_path / 'opaque.png')
    np.testing.assert_array_equal(load(tmp_path / 'opaque.png')['img'][..., ::-1], IMAGE)


def test_grey_and_palette_images_become_colours(tmp_path):
    for mode in ('L', 'P', '1'):
        Image.fromarray(IMAGE).convert(mode).save(tmp_path / 'image.png')
        expected = np.asarray(Image.open(tmp_path / 'image.png').convert('RGB'))
        np.testing.assert_array_equal(load(tmp_path / 'image.png')['img'][..., ::-1], expected)


@pytest.mark.skipif(os.geteuid() == 0, reason='root may read everything')
def test_a_file_that_may_not_be_read(path):
    path.chmod(0)
    with pytest.raises(UserError, match='cannot be read'):
        load(path)


def test_the_limit_of_pixels_can_be_changed(path):
    assert LoadImage(max_pixels=90 * 120)({'img_path': str(path)})['img'].shape == (90, 120, 3)
    with pytest.raises(UserError, match='max_pixels'):
        LoadImage(max_pixels=90 * 120 - 1)({'img_path': str(path)})


def test_text_file_is_refused(tmp_path):
    (tmp_path / 'page.jpg').write_text('<html>not found</html>')
    with pytest.raises(UserError, match='cannot be decoded'):
        load(tmp_path / 'page.jpg')


def test_missing_file(tmp_path):
    with pytest.raises(UserError, match=r'image is missing(.|\n)*gone\.jpg'):
        load(tmp_path / 'gone.jpg')


@pytest.mark.real_data
def test_original_crc_tiffs_decode_as_with_pillow(real_data):
    paths = sorted((real_data / 'Kather_texture_2016_image_tiles_5000').glob('*/*.tif'))
    assert paths
    for path in paths:
        np.testing.assert_array_equal(load(path)['img'][..., ::-1], np.asarray(Image.open(path).convert('RGB')))
