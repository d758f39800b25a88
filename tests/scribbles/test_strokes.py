from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from sdp_plugin.scribbles.strokes import ScribbleSet, Stroke


@pytest.mark.parametrize(
    ('points', 'class_index', 'width'),
    [
        ([], 0, None),
        ([[1, 2, 3]], 0, None),
        ([1, 2], 0, None),
        ([[1, np.nan]], 0, None),
        ([[np.inf, 0]], 0, None),
        ([[2e6, 0]], 0, None),
        ([[1, 1]], -1, None),
        ([[1, 1]], 256, None),
        ([[1, 1]], 0, 0),
        ([[1, 1]], 0, float('nan')),
    ],
)
def test_impossible_strokes_are_refused(points, class_index, width):
    with pytest.raises(ValueError, match=r'points|stroke|class'):
        Stroke(points, class_index, width)


def test_an_image_without_pixels_is_refused():
    with pytest.raises(ValueError, match='0 x 5'):
        ScribbleSet((), 0, 5)


def test_equality_compares_every_field():
    stroke = Stroke([[1, 2], [3, 4]], 1, 2.0)
    assert stroke == Stroke(np.array([[1.0, 2.0], [3.0, 4.0]]), 1, 2.0)
    assert stroke != Stroke([[1, 2], [3, 5]], 1, 2.0)
    assert stroke != Stroke([[1, 2], [3, 4]], 2, 2.0)
    assert stroke != Stroke([[1, 2], [3, 4]], 1)
    assert ScribbleSet((stroke,), 4, 5) != ScribbleSet((stroke,), 5, 4)


def test_length():
    assert Stroke([[0, 0], [3, 4], [3, 14]], 0).length == 15
    assert Stroke([[2, 2]], 0).length == 0


def test_resizing_keeps_corners_at_corners():
    scribbles = ScribbleSet((Stroke([[-0.5, -0.5], [99.5, 49.5]], 1, 3.0),), 100, 50).resized(200, 25)
    assert scribbles.strokes[0].points.tolist() == [[-0.5, -0.5], [199.5, 24.5]]
    assert scribbles.strokes[0].width == pytest.approx(3.0)
    assert (scribbles.width, scribbles.height) == (200, 25)


def test_the_package_imports_no_torch():
    code = (
        'import sys, pkgutil, importlib, sdp_plugin.scribbles as package\n'
        'for module in pkgutil.walk_packages(package.__path__, package.__name__ + "."):\n'
        '    importlib.import_module(module.name)\n'
        'assert "sdp_plugin.scribbles.rasterise" in sys.modules\n'
        'print(sorted({"torch", "mmengine", "mmcv"} & set(sys.modules)))'
    )
    result = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == '[]'
