"""Slides of every kind of resolution and levels: the pixels of a region are those of the file."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from pyramids import write_pyramid_file

from sdp_plugin.errors import UserError
from sdp_plugin.slides import reading
from sdp_plugin.slides.reading import open_slide

OME = (
    '<?xml version="1.0" encoding="UTF-8"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image '
    'ID="Image:0"><Pixels DimensionOrder="XYCZT" ID="Pixels:0" SizeC="3" SizeT="1" SizeX="301" SizeY="203" SizeZ="1" '
    'Type="uint8" PhysicalSizeX="{value}" PhysicalSizeY="{value}"{unit}/></Image></OME>'
)


@pytest.fixture(scope='module')
def image() -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (203, 301, 3), dtype=np.uint8)


@pytest.mark.parametrize('unit', ['CENTIMETER', 'INCH'])
@pytest.mark.parametrize('mpp', [0.25, 0.2431, 0.499, 1.0])
def test_resolution_of_tiff_tags(tmp_path, image, unit, mpp):
    with open_slide(write_pyramid_file(tmp_path / 'a.tif', image, mpp=mpp, unit=unit)) as slide:
        assert [float(value) for value in slide.mpp] == pytest.approx([mpp, mpp], rel=1e-6)


@pytest.mark.parametrize(
    ('value', 'unit'), [('0.25', None), ('0.25', 'µm'), ('250', 'nm'), ('0.00025', 'mm'), ('2.5E-7', 'm')]
)
def test_resolution_of_ome_xml(tmp_path, image, value, unit):
    units = f' PhysicalSizeXUnit="{unit}" PhysicalSizeYUnit="{unit}"' if unit else ''
    description = OME.format(value=value, unit=units.replace('µ', '&#181;'))
    with open_slide(write_pyramid_file(tmp_path / 'a.tif', image, description=description)) as slide:
        assert slide.mpp == (0.25, 0.25)


@pytest.mark.parametrize(
    ('tags', 'found'),
    [
        (dict(), 'nothing of it'),
        (dict(mpp=25_400 / 72, unit='INCH'), '352.778 x 352.778 micrometres, which no slide has'),
        (dict(description=OME.format(value='1', unit=' PhysicalSizeXUnit="pixel"')), 'nothing of it'),
    ],
)
def test_an_unknown_resolution_is_asked_for(tmp_path, image, tags, found):
    path = write_pyramid_file(tmp_path / 'a.tif', image, **tags)
    with pytest.raises(UserError, match='--mpp') as error:
        open_slide(path)
    assert found in str(error.value)
    with open_slide(path, 0.25) as slide:
        assert slide.mpp == (0.25, 0.25)
    with pytest.raises(UserError, match='no resolution of a slide'):
        open_slide(path, 400)


def test_magnification_is_no_resolution():
    with pytest.raises(UserError, match='objective of 40x'):
        reading._resolution_of('slide.ndpi', {'openslide.objective-power': '40'})


def test_a_region_of_the_full_resolution_is_the_files(tmp_path, image):
    with open_slide(write_pyramid_file(tmp_path / 'a.tif', image, (1, 2), 0.5)) as slide:
        region = slide.read(17, 101, 60, 40, (60, 40))
    np.testing.assert_array_equal(region, image[101:141, 17:77])


def test_outside_of_the_slide_all_is_white(tmp_path, image):
    with open_slide(write_pyramid_file(tmp_path / 'a.tif', image, mpp=0.5)) as slide:
        corner = slide.read(-10, -20, 30, 30, (30, 30))
        edge = slide.read(290, 195, 30, 30, (30, 30))
        far = slide.read(1000, 1000, 30, 30, (10, 10))
    expected = np.full((30, 30, 3), 255, np.uint8)
    expected[20:, 10:] = image[:10, :20]
    np.testing.assert_array_equal(corner, expected)
    expected[:] = 255
    expected[:8, :11] = image[195:, 290:]
    np.testing.assert_array_equal(edge, expected)
    assert (far == 255).all()


@pytest.mark.parametrize(
    ('factors', 'scale', 'level'),
    [((1,), 7.9, 0), ((1, 2, 4), 1.9, 0), ((1, 2, 4), 1.99, 1), ((1, 2, 4), 3.9, 1), ((1, 2, 4), 9, 2), ((1, 3), 3, 1)],
)
def test_the_next_finer_level_is_read(tmp_path, image, factors, scale, level):
    with open_slide(write_pyramid_file(tmp_path / 'a.tif', image, factors, 0.5)) as slide:
        assert slide.level_for(scale).number == level
        assert [level.downsample for level in slide.levels] == [(factor, factor) for factor in factors]


@pytest.mark.parametrize('factor', [2, 3, 4])
def test_a_region_of_a_coarser_level_is_that_levels(tmp_path, image, factor):
    """Where its edges are the level's, nothing is resampled: the coordinates' error is 0."""
    width, height = 301 // factor, 203 // factor
    level = np.asarray(Image.fromarray(image[: height * factor, : width * factor]).reduce(factor))
    with open_slide(
        write_pyramid_file(tmp_path / 'a.tif', image[: height * factor, : width * factor], (1, factor), 0.5)
    ) as slide:
        region = slide.read(5 * factor, 7 * factor, 31 * factor, 29 * factor, (31, 29))
    np.testing.assert_array_equal(region, level[7:36, 5:36])


def test_resampling_is_antialiased_and_lies_in_place(tmp_path):
    """A smooth slide, read at any scale and from any level, has at each place the colour of that place."""
    y, x = np.mgrid[:600, :800]
    smooth = np.stack([x / 800 * 255, y / 600 * 255, (x + y) / 1400 * 255], axis=-1).round().astype(np.uint8)
    with open_slide(write_pyramid_file(tmp_path / 'a.tif', smooth, (1, 2, 5), 0.5)) as slide:
        for width, size in [(100, 96), (150, 60), (187, 96), (333, 48), (96, 150)]:
            region = slide.read(41, 29, width, width, (size, size)).astype(float)
            centres = (np.arange(size) + 0.5) * width / size
            np.testing.assert_allclose(region[size // 2, 3:-3, 0], (41 + centres[3:-3] - 0.5) / 800 * 255, atol=1.2)
            np.testing.assert_allclose(region[3:-3, size // 2, 1], (29 + centres[3:-3] - 0.5) / 600 * 255, atol=1.2)


@pytest.mark.parametrize('scale', [1, 3, 8])
def test_an_overview_in_blocks_is_the_same_as_in_one(tmp_path, image, monkeypatch, scale):
    with open_slide(write_pyramid_file(tmp_path / 'a.tif', image, (1, 2), 0.5)) as slide:
        whole = slide.overview(scale)
        monkeypatch.setattr(reading, 'OVERVIEW_BLOCK', 64)
        blocks = slide.overview(scale)
    assert whole.shape == (-(-203 // scale), -(-301 // scale), 3)
    # A triangle filter is cut at a block's edge.
    assert np.abs(whole.astype(int) - blocks).mean() < 8
    if scale == 1:
        np.testing.assert_array_equal(whole, image)
        np.testing.assert_array_equal(blocks, image)


@pytest.mark.parametrize('suffix', ['.png', '.jpg', '.bmp', '.tif'])
def test_plain_images(tmp_path, image, suffix):
    path = tmp_path / f'plain{suffix}'
    Image.fromarray(image).save(path)
    with pytest.raises(UserError, match='--mpp'):
        open_slide(path)
    with open_slide(path, 0.7) as slide:
        region = slide.read(-5, 10, 50, 30, (50, 30))
        assert slide.mpp[0] * 10 == 7
        assert len(slide.levels) == 1
    np.testing.assert_array_equal(region[:, 5:], np.asarray(Image.open(path))[10:40, :45])
    assert (region[:, :5] == 255).all()


def test_what_is_transparent_is_white(tmp_path):
    Image.new('RGBA', (40, 30), (200, 10, 10, 0)).save(tmp_path / 'clear.png')
    with open_slide(tmp_path / 'clear.png', 0.5) as slide:
        assert (slide.read(0, 0, 40, 30, (40, 30)) == 255).all()


@pytest.mark.parametrize(
    ('name', 'content'), [('a.svs', b'no slide'), ('a.png', b'no image'), ('a.tif', b''), ('a', b'')]
)
def test_what_is_no_slide(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(UserError, match=r'cannot be read as an image|no slide that can be read'):
        open_slide(tmp_path / name, 0.5)


def test_plain_images_of_a_slides_size_are_refused(tmp_path, image, monkeypatch):
    monkeypatch.setattr(reading, 'MAX_PIXELS_OF_PLAIN_IMAGES', 301 * 203 - 1)
    Image.fromarray(image).save(tmp_path / 'a.png')
    with pytest.raises(UserError, match='vips'):
        open_slide(tmp_path / 'a.png', 0.5)


@pytest.mark.real_data
def test_the_real_slide_beside_openslide_itself(real_data):
    import openslide

    path = real_data / 'slides' / 'CMU-1-Small-Region.svs'
    theirs = openslide.OpenSlide(str(path))
    with open_slide(path) as ours:
        assert (ours.width, ours.height) == theirs.dimensions
        assert [float(value) for value in ours.mpp] == [0.499, 0.499]
        for x, y, side, size in [(0, 0, 187, 96), (1011, 733, 187, 96), (640, 2000, 150, 150), (7, 11, 373, 96)]:
            direct = theirs.read_region((x, y), 0, (side, side)).convert('RGB')
            if size != side:
                direct = direct.resize((size, size), Image.Resampling.BILINEAR)
            np.testing.assert_array_equal(ours.read(x, y, side, side, (size, size)), np.asarray(direct))


@pytest.mark.real_data
def test_the_truncated_slide(real_data):
    with pytest.raises(UserError, match=r'broken\.svs is no slide that can be read'):
        open_slide(real_data / 'slides' / 'broken.svs')
