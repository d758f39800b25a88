from __future__ import annotations

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
@pytest.mark.parametrize('backend', ['cv2', 'pillow'])
def test_truncated_file_is_refused(path, kept, backend):
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(UserError, match=f'cannot be decoded(.|\n)*{path.name}'):
        LoadImage(imdecode_backend=backend)({'img_path': str(path)})


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
