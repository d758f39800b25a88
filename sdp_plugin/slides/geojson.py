"""GeoJSON for QuPath: tiles as detections with measurements, and outlines of a class as annotations.

https://qupath.readthedocs.io (importing objects). Positions are pixels of the full resolution, as QuPath counts them.
"""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Iterable, Iterator

import numpy as np

from sdp_plugin.errors import UserError
from sdp_plugin.files import atomic_path
from sdp_plugin.scribbles.formats.qupath import read_features
from sdp_plugin.scribbles.formats.reading import check_numbers
from sdp_plugin.slides.classes import qupath_name
from sdp_plugin.slides.predictions import Predictions

_FAR = 1e7
_NAMESPACE = uuid.UUID('6f5b54b5-5f0c-4e0f-9a41-3f1f0a4cf0a7')


def write_detections(predictions: Predictions, path: str | os.PathLike) -> None:
    """Write each tile's cell as a detection of its class, with the probabilities as measurements."""
    _write(_detections(predictions), path)


def write_outlines(predictions: Predictions, path: str | os.PathLike) -> int:
    """Write the outlines of where the target class reaches the threshold, one annotation for each connected area.

    Returns:
        int: How many there are.
    """
    polygons = outlines(predictions)
    _write(_annotations(predictions, polygons), path)
    return len(polygons)


def outlines(predictions: Predictions) -> list:
    """The areas in which the target class reaches the threshold, as shapely polygons in pixels of level 0.

    Cells that only share a corner belong to two areas.
    """
    shapely = shapely_library()
    chosen = predictions.target_probability >= predictions.classes.threshold
    boxes = np.array([_edges(predictions, index) for index in predictions.indices[chosen].tolist()]).reshape(-1, 4)
    union = shapely.union_all(shapely.box(*boxes.T))
    # Along an edge of many cells only its ends are corners. This moves nothing.
    parts = [shapely.remove_repeated_points(part.simplify(0)) for part in shapely.get_parts(union)]
    return sorted((part for part in parts if not part.is_empty), key=lambda part: (part.bounds[1], part.bounds[0]))


def read_geometries(path: str | os.PathLike) -> list:
    """The geometries of what :func:`~sdp_plugin.scribbles.formats.qupath.read_features` reads.

    Returns:
        list: Of shapely, in pixels of level 0.

    Raises:
        UserError: If it cannot be read, is no GeoJSON, or holds positions that are none of a slide.
    """
    shapely = shapely_library()
    features = read_features(path)  # without NaN, which the bounds of a geometry pass over
    wrong = (ValueError, AttributeError, KeyError, TypeError, IndexError, ArithmeticError, RecursionError)
    try:
        check_numbers([feature.geometry.get('coordinates') for feature in features if feature.geometry])
        found = [shapely.geometry.shape(feature.geometry) for feature in features if feature.geometry]
    except (*wrong, shapely.errors.ShapelyError) as error:
        raise UserError(f'The GeoJSON {path} holds a geometry that is none.', found=str(error)[:300]) from None
    found = [geometry for geometry in found if not geometry.is_empty]
    if not all(-_FAR < edge < _FAR for geometry in found for edge in geometry.bounds):
        raise UserError(f'{path} holds positions that are no numbers, or far outside of any slide.')
    return found


def _edges(predictions: Predictions, index: int) -> tuple[int, int, int, int]:
    cell = predictions.grid.cell(index)
    return cell.x, cell.y, cell.x + cell.width, cell.y + cell.height


def _detections(predictions: Predictions) -> Iterator[dict]:
    names = [qupath_name(name) for name in predictions.classes.names]
    for indices, _, probabilities in predictions.parts():
        for index, row in zip(indices.tolist(), probabilities.tolist(), strict=True):
            x0, y0, x1, y1 = _edges(predictions, index)
            ring = [[x0, y0], [x1, y0], [x1, y1], [x0, y1], [x0, y0]]
            measurements = {f'Probability: {name}': round(value, 6) for name, value in zip(names, row, strict=True)}
            yield _feature(
                predictions,
                f'tile {index}',
                'detection',
                {'type': 'Polygon', 'coordinates': [ring]},
                row.index(max(row)),
                measurements,
            )


def _annotations(predictions: Predictions, polygons: Iterable) -> Iterator[dict]:
    shapely = shapely_library()
    classes = predictions.classes
    mm2 = predictions.mpp[0] * predictions.mpp[1] / 1e6
    for number, polygon in enumerate(polygons):
        geometry = json.loads(shapely.to_geojson(polygon))
        measurements = {'Area mm^2': round(polygon.area * mm2, 6)}
        yield _feature(
            predictions,
            f'{classes.target_name} from {classes.threshold:g}, area {number}',
            'annotation',
            geometry,
            classes.target,
            measurements,
        )


def _feature(
    predictions: Predictions, name: str, kind: str, geometry: dict, class_index: int, measurements: dict[str, float]
) -> dict:
    return {
        'type': 'Feature',
        # The same object has the same name in every export of the same slide.
        'id': str(uuid.uuid5(_NAMESPACE, f'{predictions.fingerprint} {predictions.grid} {name}')),
        'geometry': geometry,
        'properties': {
            'objectType': kind,
            'classification': {
                'name': qupath_name(predictions.classes.names[class_index]),
                'color': list(predictions.classes.colours[class_index]),
            },
            'measurements': measurements,
        },
    }


def _write(features: Iterable[dict], path: str | os.PathLike) -> None:
    """Write a FeatureCollection, feature by feature."""
    with atomic_path(path) as temporary, open(temporary, 'w', encoding='utf-8') as file:
        file.write('{"type": "FeatureCollection", "features": [')
        for number, feature in enumerate(features):
            file.write(',\n' if number else '\n')
            json.dump(feature, file)
        file.write('\n]}\n')


def shapely_library() -> object:
    """The package shapely; UserError where it is missing."""
    try:
        import shapely
        import shapely.geometry
    except ImportError as error:
        raise UserError('Outlines need shapely.', found=error, remedy="pip install '.[slides]'") from None
    return shapely
