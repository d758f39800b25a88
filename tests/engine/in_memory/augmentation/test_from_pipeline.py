from __future__ import annotations

from pathlib import Path

import pytest
from mmengine.config import Config
from reference_augmentation import CROP, FLIP, JITTER, ROTATION, SHIPPED

from sdp_plugin.engine.in_memory.augmentation import AugmentationSettings, settings_from_pipeline
from sdp_plugin.errors import UserError

DATASETS = Path(__file__).resolve().parents[4] / 'configs/_base_/datasets'
LOADING = [dict(type='sdp_plugin.LoadPatch'), dict(type='Resize', scale=96)]
PACKING = [dict(type='PackInputs')]


@pytest.mark.parametrize(('name', 'size', 'padding'), [('pcam', 96, 12), ('crc', 150, 19), ('tile_folder', 224, 28)])
def test_shipped_pipelines_are_understood(name, size, padding):
    cfg = Config.fromfile(DATASETS / f'{name}.py')
    loading, settings = settings_from_pipeline(cfg.train_dataloader.dataset.pipeline)
    assert [each['type'] for each in loading] == [cfg.train_pipeline[0]['type'], 'Resize']
    assert loading[1]['scale'] == size
    assert settings.crop_size == (size, size)
    assert (settings.padding, settings.padding_mode) == ((padding,) * 4, 'reflect')
    assert settings.flips == (('horizontal', 0.5),)
    assert (settings.rotation_probability, settings.rotation_degrees) == (1.0, (-180.0, 180.0))
    assert settings.brightness == settings.contrast == settings.saturation == (0.6, 1.4)
    assert settings.hue == (-0.4, 0.4)


@pytest.mark.parametrize('name', ['pcam', 'crc', 'tile_folder'])
def test_shipped_test_pipelines_change_nothing_at_random(name):
    cfg = Config.fromfile(DATASETS / f'{name}.py')
    loading, settings = settings_from_pipeline(cfg.test_dataloader.dataset.pipeline)
    assert len(loading) == 2
    assert settings.is_identity


def test_what_is_done_once_may_crop_the_centre():
    loading, settings = settings_from_pipeline([*LOADING, dict(type='CenterCrop', crop_size=64), *PACKING])
    assert len(loading) == 3
    assert settings.is_identity


VALUES = {
    'our crop': (CROP, dict(crop_size=(96, 96), padding=(12, 12, 12, 12), padding_mode='reflect')),
    'padding of two sides': (CROP | dict(padding=(1, 2)), dict(padding=(1, 2, 1, 2))),
    'padding of four sides': (CROP | dict(padding=(1, 2, 3, 4)), dict(padding=(1, 2, 3, 4))),
    'crop without padding': (dict(type='RandomCrop', crop_size=(8, 9)), dict(crop_size=(8, 9), padding=(0, 0, 0, 0))),
    'a crop that ignores its padding mode': (CROP | dict(type='RandomCrop'), dict(padding_mode='constant')),
    'a flip with directions': (
        FLIP | dict(direction=['horizontal', 'vertical']),
        dict(flips=(('horizontal', 0.25), ('vertical', 0.25))),
    ),
    'a flip with probabilities': (
        FLIP | dict(prob=[0.1, 0.2], direction=['vertical', 'diagonal']),
        dict(flips=(('vertical', 0.1), ('diagonal', 0.2))),
    ),
    'a range of angles': (ROTATION | dict(degree=(90.0, -10.0), prob=0.3), dict(rotation_degrees=(-10.0, 90.0))),
    'a colour': (ROTATION | dict(pad_val=(1, 2, 3)), dict(rotation_colour=(1.0, 2.0, 3.0))),
    'a number, which OpenCV takes for blue': (ROTATION | dict(pad_val=7), dict(rotation_colour=(7.0, 0.0, 0.0))),
    'a range of factors': (JITTER | dict(contrast=(0.9, 1.3)), dict(contrast=(0.9, 1.3), brightness=(0.6, 1.4))),
    'a factor that is left out': (JITTER | dict(saturation=0.0), dict(saturation=None)),
    'a factor that cannot be negative': (JITTER | dict(brightness=1.5), dict(brightness=(0.0, 2.5))),
}


@pytest.mark.parametrize('name', VALUES)
def test_arguments_are_read_as_the_transform_reads_them(name):
    config, expected = VALUES[name]
    _, settings = settings_from_pipeline([*LOADING, config, *PACKING])
    assert {key: getattr(settings, key) for key in expected} == expected


REFUSED = {
    'an unknown transform': ([dict(type='RandomGrayscale', prob=0.1)], 'RandomGrayscale'),
    'a transform that is in no registry': ([dict(type='Sharpn')], 'Sharpn'),
    'an unknown argument': ([ROTATION | dict(angle=3)], 'RandomRotate'),
    'an argument of the wrong value': ([FLIP | dict(prob=2.0)], 'RandomFlip'),
    'another centre': ([ROTATION | dict(center=(3.0, 3.0))], r'center=\(3.0, 3.0\)'),
    'a rotation that grows the image': ([ROTATION | dict(auto_bound=True)], 'auto_bound=True'),
    'padding where it is needed': ([CROP | dict(type='RandomCrop', pad_if_needed=True)], 'pad_if_needed=True'),
    'the colours of OpenCV': ([JITTER | dict(backend='cv2')], "backend='cv2'"),
    'another order': ([JITTER, CROP], 'order'),
    'a transform twice': ([FLIP, FLIP], 'order'),
    'resizing after what is random': ([FLIP, dict(type='Resize', scale=32)], 'order'),
}


@pytest.mark.parametrize('name', REFUSED)
def test_what_is_not_understood_is_refused_by_name(name):
    transforms, words = REFUSED[name]
    with pytest.raises(UserError, match=words):
        settings_from_pipeline([*LOADING, *transforms, *PACKING])


def test_refusals_name_the_way_out():
    with pytest.raises(UserError, match='reference loop'):
        settings_from_pipeline([*LOADING, dict(type='RandomGrayscale', prob=0.1)])


def test_output_size():
    assert AugmentationSettings().output_size(10, 20) == (10, 20)
    assert settings_from_pipeline(SHIPPED)[1].output_size(120, 120) == (96, 96)
