from __future__ import annotations

import numpy as np
import pytest
import torch
from reference_augmentation import SHIPPED, tissue

from sdp_plugin.engine.in_memory.augmentation import (
    AugmentationSettings,
    BatchAugmentation,
    batched,
    draw_parameters,
    opencv,
    settings_from_pipeline,
)


@pytest.fixture(scope='module')
def settings() -> AugmentationSettings:
    return settings_from_pipeline(SHIPPED)[1]


@pytest.mark.parametrize('threads', [1, 2])
def test_a_cpu_takes_opencv(settings, threads):
    images = tissue(5, 96, 96)
    parameters = draw_parameters(settings, 5, 96, 96, seed=0, epoch=0)
    augmented = BatchAugmentation(settings, threads)(torch.from_numpy(images), parameters)
    np.testing.assert_array_equal(augmented.numpy(), opencv.augment(images, parameters, settings))
    assert augmented.permute(0, 3, 1, 2).is_contiguous(memory_format=torch.channels_last)


def test_another_device_takes_the_batched_one(settings, monkeypatch):
    images = torch.empty(5, 96, 96, 3, dtype=torch.uint8, device='meta')
    seen = []
    monkeypatch.setattr(batched, 'augment', lambda *arguments: seen.append(arguments))
    BatchAugmentation(settings, chunk=3)(images, parameters := draw_parameters(settings, 5, 96, 96, 0, 0))
    assert seen == [(images, parameters, settings, 3)]


def test_a_sample_does_not_depend_on_its_batch(settings):
    images = torch.from_numpy(tissue(8, 96, 96))
    parameters = draw_parameters(settings, 8, 96, 96, seed=0, epoch=0)
    augment = BatchAugmentation(settings)
    whole = augment(images, parameters)
    some = np.array([6, 1, 3])
    assert torch.equal(augment(images[some], parameters[some]), whole[some])


def test_images_that_stay_as_they_are_are_not_copied():
    images = torch.from_numpy(tissue(2, 20, 20))
    settings = AugmentationSettings()
    parameters = draw_parameters(settings, 2, 20, 20, seed=0, epoch=0)
    assert BatchAugmentation(settings)(images, parameters) is images


def test_another_size_comes_out():
    _, settings = settings_from_pipeline([dict(type='RandomCrop', crop_size=(8, 12))])
    images = torch.from_numpy(tissue(3, 20, 30))
    parameters = draw_parameters(settings, 3, 20, 30, seed=0, epoch=0)
    assert BatchAugmentation(settings)(images, parameters).shape == (3, 8, 12, 3)
    assert batched.augment(images, parameters, settings).shape == (3, 8, 12, 3)


def test_repr_names_the_settings(settings):
    assert 'rotation_degrees=(-180.0, 180.0)' in repr(BatchAugmentation(settings, threads=2))
