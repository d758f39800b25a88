from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from reference_augmentation import CASES, reference, tissue
from torch.utils._python_dispatch import TorchDispatchMode

from sdp_plugin.engine.in_memory.augmentation import batched, draw_parameters, opencv, settings_from_pipeline

COUNT = 24
# OpenCV 5 interpolates in floats; OpenCV 4 rounds coordinates to 1/32 pixels first. The jitter amplifies what differs.
OPENCV_ROUNDS_COORDINATES = int(cv2.__version__.split('.')[0]) < 5
# Quantile of the pixels, and by how many grey levels they may differ.
TOLERANCES = {0.5: 0, 0.999: 8} if OPENCV_ROUNDS_COORDINATES else {0.999: 0, 1: 8}
ROTATION_TOLERANCES = {0.5: 0, 0.999: 4} if OPENCV_ROUNDS_COORDINATES else {0.999: 0, 1: 1}


def run(name: str, chunk: int = 256):
    pipeline, (height, width) = CASES[name]
    _, settings = settings_from_pipeline(pipeline)
    images = tissue(COUNT, height, width)
    parameters = draw_parameters(settings, COUNT, height, width, seed=3, epoch=1)
    augmented = batched.augment(torch.from_numpy(images), parameters, settings, chunk)
    expected = [reference(images[index], pipeline, parameters, index, settings) for index in range(COUNT)]
    return augmented.numpy(), np.stack(expected)


def rotates(name: str) -> bool:
    return any('RandomRotate' in transform['type'] for transform in CASES[name][0])


@pytest.mark.parametrize('name', [name for name in CASES if not rotates(name)])
def test_without_rotation_every_pixel_is_that_of_the_reference(name):
    augmented, expected = run(name)
    np.testing.assert_array_equal(augmented, expected)


@pytest.mark.parametrize('name', [name for name in CASES if rotates(name)])
def test_rotation_is_close_to_the_reference(name):
    augmented, expected = run(name)
    differences = np.abs(augmented.astype(int) - expected)
    jitters = any('ColorJitter' in transform['type'] for transform in CASES[name][0])
    for quantile, levels in (TOLERANCES if jitters else ROTATION_TOLERANCES).items():
        assert np.quantile(differences, quantile) <= levels


def test_hue_of_many_colours():
    red, green, blue = torch.meshgrid(torch.arange(0, 256, 25), torch.arange(256), torch.arange(256), indexing='ij')
    colours = torch.stack([blue, green, red]).flatten(1).float()[None]
    for shift in (0, 31, 200):
        expected = np.ascontiguousarray(colours[0].T.reshape(256, -1, 3).byte())
        expected = opencv.shift_hue(expected[None], np.array([shift]))[0]
        shifted = batched._hue(colours, torch.full((1, 1), float(shift)))
        np.testing.assert_array_equal(shifted[0].T.reshape(expected.shape).byte().numpy(), expected)


def test_chunks_do_not_matter():
    whole, _ = run('shipped for PCam')
    chunked, _ = run('shipped for PCam', chunk=7)
    np.testing.assert_array_equal(chunked, whole)


class _NoReadBack(TorchDispatchMode):
    """Refuses what makes a host wait for a GPU: reading a value, or a shape that depends on one."""

    REFUSED = ('_local_scalar_dense', 'item', 'nonzero', 'masked_select', 'equal', 'is_nonzero', 'unique', 'bincount')

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.__name__.split('.')[0]
        assert name not in self.REFUSED, f'{name} reads from the device'
        for arg in args:
            indices = arg if isinstance(arg, (list, tuple)) else [arg]
            masks = [each for each in indices if isinstance(each, torch.Tensor) and each.dtype == torch.bool]
            assert not (name.startswith('index') and masks), 'a mask as an index has a shape that the device decides'
        return func(*args, **(kwargs or {}))


def test_the_guard_refuses():
    with _NoReadBack(), pytest.raises(AssertionError, match='reads from the device'):
        torch.ones(1).item()
    with _NoReadBack(), pytest.raises(AssertionError, match='shape'):
        torch.ones(3)[torch.ones(3) > 0]


@pytest.mark.parametrize('name', ['shipped for PCam', 'padding of mmpretrain'])
def test_nothing_is_read_back(name):
    pipeline, (height, width) = CASES[name]
    _, settings = settings_from_pipeline(pipeline)
    images = torch.from_numpy(tissue(COUNT, height, width))
    parameters = draw_parameters(settings, COUNT, height, width, seed=0, epoch=0)
    with _NoReadBack():
        batched.augment(images, parameters, settings)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason='there is no CUDA device')
def test_a_gpu_computes_the_same_and_does_not_make_the_host_wait():
    pipeline, (height, width) = CASES['shipped for PCam']
    _, settings = settings_from_pipeline(pipeline)
    images = torch.from_numpy(tissue(COUNT, height, width))
    parameters = draw_parameters(settings, COUNT, height, width, seed=0, epoch=0)
    expected = batched.augment(images, parameters, settings).int()
    on_gpu = images.cuda()
    batched.augment(on_gpu, parameters, settings)  # fills the caches of tables
    torch.cuda.set_sync_debug_mode('error')
    try:
        augmented = batched.augment(on_gpu, parameters, settings)
    finally:
        torch.cuda.set_sync_debug_mode('default')
    differences = (augmented.cpu().int() - expected).abs().float()
    assert differences.quantile(0.999) == 0
