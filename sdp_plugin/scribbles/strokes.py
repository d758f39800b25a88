"""The one model of a scribble annotation: classed polylines on an image of a known size."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

# Coordinates beyond this are no pixel positions on any image, and would overflow the drawing libraries' integers.
MAX_COORDINATE = 1e6


@dataclass(frozen=True, eq=False)
class Stroke:
    """One stroke: an open polyline of one class.

    Args:
        points (np.ndarray): Float array of shape (N, 2), N >= 1, of x (column) and y (row) in pixels. Pixel centres
            lie at whole numbers, 0-based. Points may lie outside the image. A stroke of one point is a dot.
        class_index (int): Class of every pixel under the stroke, 0 to 255.
        width (float | None): Width in pixels of the annotated image, or None where the annotation does not say.

    Raises:
        ValueError: If the points are not such an array, not finite or beyond ``MAX_COORDINATE``, if the class does
            not fit into a byte, or if the width is not positive.
    """

    points: np.ndarray
    class_index: int
    width: float | None = None

    def __post_init__(self) -> None:
        points = np.asarray(self.points, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 2 or not len(points):
            raise ValueError(f'points form an (N, 2) array with N >= 1, not one of shape {points.shape}')
        # One comparison finds NaN, infinity and far-away points.
        if not np.abs(points).max() <= MAX_COORDINATE:
            raise ValueError(f'a point of a stroke is not a number, or beyond {MAX_COORDINATE:.0f} pixels')
        if not 0 <= self.class_index <= 255:
            raise ValueError(f'class index {self.class_index} is outside 0..255')
        if self.width is not None and not 0 < self.width <= MAX_COORDINATE:
            raise ValueError(f'a stroke cannot be {self.width} pixels wide')
        object.__setattr__(self, 'points', points)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Stroke):
            return NotImplemented
        return (
            self.class_index == other.class_index
            and self.width == other.width
            and np.array_equal(self.points, other.points)
        )

    __hash__ = None

    @property
    def length(self) -> float:
        """Length of the polyline in pixels; 0 for a dot."""
        return float(np.hypot(*np.diff(self.points, axis=0).T).sum())


@dataclass(frozen=True)
class ScribbleSet:
    """All strokes on one image.

    Args:
        strokes (tuple[Stroke, ...]): In drawing order: later strokes lie over earlier ones.
        width (int): Width of the annotated image in pixels.
        height (int): Height of the annotated image in pixels.

    Raises:
        ValueError: If the image has no pixels.
    """

    strokes: tuple[Stroke, ...]
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1:
            raise ValueError(f'an image of {self.width} x {self.height} pixels has no place for strokes')
        object.__setattr__(self, 'strokes', tuple(self.strokes))

    def resized(self, width: int, height: int) -> ScribbleSet:
        """The same strokes on the image resized to ``width`` x ``height``.

        Pixels are areas, as for image resizing: the image spans -0.5 to width - 0.5 before and after. A stroke's own
        width is scaled by the square root of the change in area.
        """
        if (width, height) == (self.width, self.height):
            return self
        scale = np.array([width / self.width, height / self.height])
        strokes = [
            replace(
                stroke,
                points=(stroke.points + 0.5) * scale - 0.5,
                width=None if stroke.width is None else stroke.width * float(np.sqrt(scale.prod())),
            )
            for stroke in self.strokes
        ]
        return ScribbleSet(tuple(strokes), width, height)
