from __future__ import annotations

import pytest

from sdp_plugin.catalogue.palette import voc_palette


@pytest.mark.parametrize(
    ('index', 'colour'),
    # From the VOC 2012 segmentation examples page.
    [
        (0, (0, 0, 0)),
        (1, (128, 0, 0)),
        (8, (64, 0, 0)),
        (15, (192, 128, 128)),
        (20, (0, 64, 128)),
        (255, (224, 224, 192)),
    ],
)
def test_published_colours(index, colour):
    assert tuple(voc_palette()[index]) == colour
