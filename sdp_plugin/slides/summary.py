"""A slide's result in a few numbers: areas by class in mm2, and how it was looked at."""

from __future__ import annotations

from sdp_plugin import __version__
from sdp_plugin.slides.predictions import Predictions


def summarise(predictions: Predictions) -> dict:
    """Areas and settings as plain values, for JSON.

    Areas are those of the classified cells, cut at the slide's edge: ``percent`` is of them, not of the whole slide.
    """
    grid, classes = predictions.grid, predictions.classes
    total = predictions.square_millimetres(slice(None))
    areas = {
        name: _area(predictions.square_millimetres(predictions.predicted == index), total)
        for index, name in enumerate(classes.names)
    }
    above = predictions.square_millimetres(predictions.target_probability >= classes.threshold)
    return {
        'slide': predictions.slide.name,
        'slide_size': list(grid.slide_size),
        'slide_mpp': list(predictions.mpp),
        'tiles': len(predictions.indices),
        'tile_side': list(grid.side),
        'tile_step': list(grid.step),
        'classified_mm2': round(total, 6),
        'classes': areas,
        'target': {'class': classes.target_name, 'threshold': classes.threshold, **_area(above, total)},
        'sdp_plugin_version': __version__,
    }


def _area(mm2: float, total: float) -> dict[str, float]:
    return {'mm2': round(mm2, 6), 'percent': round(100 * mm2 / total, 3) if total else 0.0}
