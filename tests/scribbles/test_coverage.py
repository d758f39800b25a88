from __future__ import annotations

import numpy as np
import pytest

from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.coverage import image_statistics, summarise, table
from sdp_plugin.scribbles.formats.reading import ImageAnnotation
from sdp_plugin.scribbles.strokes import ScribbleSet, Stroke

# Two horizontal strokes at width 1: 11 pixels of class 1 in row 2, 6 pixels of class 0 in row 5.
SCRIBBLES = ScribbleSet((Stroke([[0, 2], [10, 2]], 1), Stroke([[0, 5], [5, 5]], 0)), 20, 10)
NAMES = ('background', 'cow')


def truth():
    mask = np.zeros((10, 20), np.uint8)
    mask[2, :8] = 1
    mask[2, 8:10] = 255
    return mask


def test_counts_by_hand():
    image = image_statistics(ImageAnnotation('a', SCRIBBLES), truth(), line_width=1)
    cow, background = image.classes[1], image.classes[0]
    assert (cow.images, cow.strokes, cow.length) == (1, 1, 10)
    # Eight right, two in void, one wrong.
    assert (cow.labelled, cow.right, cow.void, cow.compared) == (11, 8, 2, 11)
    assert cow.agreement == 10 / 11
    assert (background.labelled, background.agreement) == (6, 1.0)
    assert image.labelled_share == 17 / 200


def test_a_raster_annotation_has_pixels_but_no_strokes():
    drawn = np.full((10, 20), 255, np.uint8)
    drawn[2, :11] = 1
    cow = image_statistics(ImageAnnotation('a', drawn), truth()).classes[1]
    assert (cow.strokes, cow.labelled, cow.right, cow.void) == (0, 11, 8, 2)


def test_without_a_mask_there_is_no_agreement():
    assert image_statistics(ImageAnnotation('a', SCRIBBLES)).classes[1].agreement is None


def test_another_size_is_an_error_unless_asked_for():
    annotation = ImageAnnotation('a', SCRIBBLES)
    with pytest.raises(UserError, match='another size'):
        image_statistics(annotation, np.zeros((5, 10), np.uint8))
    scaled = image_statistics(annotation, np.zeros((5, 10), np.uint8), line_width=1, size_mismatch='rescale')
    assert scaled.labelled_share < 0.5


def test_images_together():
    images = [
        image_statistics(ImageAnnotation('a', SCRIBBLES), truth(), line_width=1),
        image_statistics(ImageAnnotation('b', SCRIBBLES), line_width=1),
        image_statistics(ImageAnnotation('c', ScribbleSet((), 20, 10))),
    ]
    summary = summarise(images, NAMES)
    assert summary['images'] == 3
    assert summary['images_without_stroke'] == ['c']
    assert summary['labelled_share'] == pytest.approx(2 * 17 / 200 / 3)
    assert summary['classes']['cow']['images'] == 2
    assert summary['classes']['cow']['mean_length'] == 10
    # Only the image with a mask counts.
    assert summary['total']['agreement'] == 16 / 17
    assert summary['total']['strokes'] == 4
    text = table(summary)
    assert 'cow' in text
    assert '1 images without any stroke' in text
    assert summary['images_without_mask'] == ['b', 'c']
    assert '2 images without a mask to compare with: b, c' in text


def test_without_any_masks_none_is_missing():
    summary = summarise([image_statistics(ImageAnnotation('a', SCRIBBLES))], NAMES)
    assert summary['images_without_mask'] == []
    assert 'mask to compare' not in table(summary)


def test_nothing_at_all():
    assert summarise([], NAMES)['labelled_share'] == 0
    assert '0 images' in table(summarise([], NAMES))
