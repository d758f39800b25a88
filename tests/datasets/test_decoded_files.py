"""Images decoded once, in memory or in files."""

from __future__ import annotations

import pickle
from multiprocessing import get_context
from pathlib import Path

import cv2
import numpy as np
import pytest

from sdp_plugin.datasets import cache_files, decoded_files
from sdp_plugin.datasets.decoded_files import DecodedFiles
from sdp_plugin.errors import UserError

NUM = 7


class Decoder:
    """Reads a PNG, and counts how often."""

    def __init__(self) -> None:
        self.calls: list[str] = []

    def __call__(self, path: str) -> np.ndarray:
        self.calls.append(path)
        image = cv2.imread(path, cv2.IMREAD_UNCHANGED)
        if image is None:
            raise UserError('An image cannot be decoded.', found=path)
        return image


@pytest.fixture(params=['colour', 'index'])
def stored(request, tmp_path) -> tuple[list[str], list[np.ndarray]]:
    """Images of different sizes, and where they are."""
    rng = np.random.default_rng(0)
    channels = (3,) if request.param == 'colour' else ()
    images = [rng.integers(0, 256, (5 + i, 9 - i, *channels), dtype=np.uint8) for i in range(NUM)]
    paths = [str(tmp_path / 'images' / f'{i}.png') for i in range(NUM)]
    Path(paths[0]).parent.mkdir()
    for path, image in zip(paths, images, strict=True):
        cv2.imwrite(path, image)
    return paths, images


@pytest.fixture
def in_files(monkeypatch):
    """As if memory were too small, three images a file."""
    monkeypatch.setattr(decoded_files, 'available_memory', lambda: 0)
    monkeypatch.setattr(decoded_files, '_IMAGES_A_FILE', 3)


def prepared(paths: list[str], decode: Decoder | None = None, **options) -> DecodedFiles:
    files = DecodedFiles(paths, decode or Decoder(), channels=3, **options)
    files.prepare()
    return files


def assert_gives(files: DecodedFiles, paths: list[str], images: list[np.ndarray]) -> None:
    for path, image in zip(reversed(paths), reversed(images), strict=True):
        np.testing.assert_array_equal(files.get(path), image)
        assert files.get(path).shape == image.shape


def test_memory_gives_what_the_files_hold_and_decodes_each_once(stored):
    paths, images = stored
    decode = Decoder()
    files = prepared(paths, decode)
    assert_gives(files, paths, images)
    assert_gives(files, paths, images)
    assert sorted(decode.calls) == sorted(paths)
    assert not files.get(paths[0]).flags.writeable


def test_files_give_the_same(stored, in_files, tmp_path):
    paths, images = stored
    said = []
    files = prepared(paths, report=said.append)
    assert_gives(files, paths, images)
    assert not files.get(paths[0]).flags.writeable
    assert len(list((tmp_path / 'decoded').glob('images.*.npy'))) == 3
    assert str(tmp_path / 'decoded') in said[-1]


def test_files_are_used_again(stored, in_files):
    paths, images = stored
    prepared(paths)
    decode = Decoder()
    assert_gives(prepared(paths, decode), paths, images)
    assert decode.calls == []


def test_an_interrupted_pass_goes_on(stored, in_files):
    paths, images = stored

    class Interrupted(Decoder):
        def __call__(self, path: str) -> np.ndarray:
            if path == paths[4]:
                raise KeyboardInterrupt
            return super().__call__(path)

    with pytest.raises(KeyboardInterrupt):
        prepared(paths, Interrupted())
    decode = Decoder()
    assert_gives(prepared(paths, decode), paths, images)
    assert sorted(decode.calls) == sorted(paths[3:])


def test_a_changed_image_is_decoded_anew(stored, in_files):
    paths, images = stored
    prepared(paths)
    images[5] = 255 - images[5]
    cv2.imwrite(paths[5], images[5])
    Path(paths[5]).touch()
    decode = Decoder()
    assert_gives(prepared(paths, decode), paths, images)
    assert sorted(decode.calls) == sorted(paths[3:6])


def test_the_folder_may_be_chosen(stored, in_files, tmp_path):
    paths, images = stored
    assert_gives(prepared(paths, cache_dir=tmp_path / 'chosen'), paths, images)
    assert len(list((tmp_path / 'chosen' / 'decoded').glob('*.npy'))) == 3


def test_processes_of_one_run_share_files(stored, monkeypatch, tmp_path):
    monkeypatch.setenv('LOCAL_WORLD_SIZE', '2')
    prepared(stored[0])
    assert len(list((tmp_path / 'decoded').glob('*.npy'))) == 1


def test_without_room_images_are_decoded_each_time(stored, in_files, monkeypatch):
    monkeypatch.setattr(cache_files.shutil, 'disk_usage', lambda folder: type('', (), dict(free=10))())
    paths, images = stored
    said = []
    assert_gives(prepared(paths, report=said.append), paths, images)
    assert '10 bytes are free' in said[-1]


@pytest.mark.usefixtures('in_files')
def test_a_broken_image_is_one_error_and_leaves_no_file(stored, tmp_path):
    paths, _ = stored
    Path(paths[1]).write_bytes(b'no image')
    with pytest.raises(UserError, match='cannot be decoded'):
        prepared(paths)
    assert list((tmp_path / 'decoded').glob('*.npy')) == []


@pytest.mark.parametrize('memory', [0, 10**12])
def test_other_processes_read_the_same(stored, monkeypatch, memory):
    monkeypatch.setattr(decoded_files, 'available_memory', lambda: memory)
    paths, images = stored
    files = prepared(paths)
    with get_context('fork').Pool(2) as pool:
        for read, image in zip(pool.map(files.get, paths), images, strict=True):
            np.testing.assert_array_equal(read, image)
    assert_gives(pickle.loads(pickle.dumps(files)), paths, images)
