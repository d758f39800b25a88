"""Drawing strokes into an index mask.

"Width 3" is not one thing: on ScribbleSup's files OpenCV's thickness 3 labels 1.7 times the pixels of Pillow's width 3.
So the default mode defines a width geometrically, and the two libraries' drawings are modes of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import cv2
import numpy as np
from PIL import Image, ImageDraw

from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.strokes import ScribbleSet, Stroke

# Added to the radius in pixels, so that a pixel at exactly half the width counts as inside whatever the rounding.
_TIE = 1e-9
# Bounds the memory for absurdly many strokes; a ScribbleSup file has some hundred segments.
_SEGMENTS_AT_ONCE = 4096


def rasterise(
    scribbles: ScribbleSet,
    line_width: float = 3,
    mode: str = 'distance',
    ignore_index: int = 255,
    size: tuple[int, int] | None = None,
) -> np.ndarray:
    """Draw strokes into a mask that is ``ignore_index`` elsewhere; later strokes lie over earlier ones.

    Strokes are clipped at the border, however far outside their points are. Consecutive segments are joined without
    a gap in the modes ``distance`` and ``opencv``; ``pillow`` joins them as Pillow does. A stroke whose points are all
    the same is a dot: the disc of the line width, in every mode.

    Args:
        scribbles (ScribbleSet): The strokes and the size of the image they were drawn on.
        line_width (float): Width in pixels of the mask. A stroke that has a width of its own, in pixels of its
            image, is drawn with that instead.
        mode (str): ``distance`` draws the pixels whose centre lies within half the width of the polyline.
            ``opencv`` draws what ``cv2.polylines`` draws with that thickness, ``pillow`` what ``ImageDraw.line``
            draws with that width; both round points and widths to whole pixels.
        ignore_index (int): Value of unlabelled pixels, 0 to 255.
        size (tuple[int, int] | None): (height, width) of the mask; None for the image's own. Strokes are scaled,
            ``line_width`` is not.

    Returns:
        np.ndarray: uint8 mask of shape (height, width).

    Raises:
        UserError: If the mode is unknown, the width is not positive, the ignore index does not fit into a byte or is
            also the class of a stroke.
    """
    _check(scribbles, line_width, mode, ignore_index)
    height, width = size or (scribbles.height, scribbles.width)
    mask = np.full((height, width), ignore_index, dtype=np.uint8)
    strokes = scribbles.resized(width, height).strokes
    return DRAWING_MODES[mode](mask, strokes, line_width) if strokes else mask


def labels_nothing(scribbles: ScribbleSet, line_width: float = 3, mode: str = 'distance') -> bool:
    """Whether there are strokes, and all of them lie outside of the image.

    Args:
        scribbles (ScribbleSet): The strokes and the size of the image.
        line_width (float): As of :func:`rasterise`.
        mode (str): As of :func:`rasterise`.
    """
    if not scribbles.strokes:
        return False
    points = np.concatenate([stroke.points for stroke in scribbles.strokes])
    if ((points >= 0) & (points <= (scribbles.width - 1, scribbles.height - 1))).all(axis=1).any():
        return False
    # A line may cross the image between two points outside of it.
    strokes = tuple(replace(stroke, class_index=0) for stroke in scribbles.strokes)
    return bool((rasterise(replace(scribbles, strokes=strokes), line_width, mode) == 255).all())


def _check(scribbles: ScribbleSet, line_width: float, mode: str, ignore_index: int) -> None:
    if mode not in DRAWING_MODES:
        raise UserError('unknown drawing mode', looked_for=', '.join(DRAWING_MODES), found=mode)
    if not 0 < line_width < 1e4:
        raise UserError('the line width is not a positive number of pixels', found=line_width)
    if not 0 <= ignore_index <= 255:
        raise UserError('the ignore index does not fit into a byte', looked_for='0 to 255', found=ignore_index)
    if any(stroke.class_index == ignore_index for stroke in scribbles.strokes):
        raise UserError(
            f'the ignore index {ignore_index} is also the class of a stroke',
            remedy='choose an ignore index that is no class',
        )


def rasterise_window(
    scribbles: ScribbleSet,
    size: tuple[int, int],
    window: tuple[int, int, int, int],
    line_width: float = 3,
    mode: str = 'distance',
    ignore_index: int = 255,
    segments: Segments | None = None,
) -> np.ndarray:
    """Draw strokes into a window of the re-scaled image: what :func:`rasterise` draws on all of it, then cut out.

    In the mode ``distance`` only the strokes that reach the window are drawn. The other modes round points to whole
    pixels, ties to even, which a shift by an odd number of pixels would change; they draw all and cut.

    Args:
        scribbles (ScribbleSet): The strokes and the size of the image they were drawn on.
        size (tuple[int, int]): (height, width) of the re-scaled image.
        window (tuple[int, int, int, int]): Top, left, height and width of the window, inside the image.
        line_width (float): As in :func:`rasterise`.
        mode (str): As in :func:`rasterise`.
        ignore_index (int): As in :func:`rasterise`.
        segments (Segments | None): Of these scribbles, where they are drawn many times. Defaults to None.

    Returns:
        np.ndarray: uint8 mask of the window's shape.

    Raises:
        UserError: As :func:`rasterise`.
    """
    top, left, height, width = window
    if mode != 'distance':
        whole = rasterise(scribbles, line_width, mode, ignore_index, size)
        return np.ascontiguousarray(whole[top : top + height, left : left + width])
    _check(scribbles, line_width, mode, ignore_index)
    segments = segments_of(scribbles) if segments is None else segments
    return segments.draw(np.full((height, width), ignore_index, np.uint8), line_width, size, (top, left))


@dataclass(frozen=True)
class Segments:
    """The segments of all strokes on an image, in drawing order, as arrays: for drawing the same strokes many times.

    Args:
        starts (np.ndarray): (N, 2) float array of x and y.
        ends (np.ndarray): (N, 2) float array of x and y.
        classes (np.ndarray): (N,) uint8.
        widths (np.ndarray): (N,) float; NaN where a stroke has no width of its own.
        shape (tuple[int, int]): Height and width of the image.
    """

    starts: np.ndarray
    ends: np.ndarray
    classes: np.ndarray
    widths: np.ndarray
    shape: tuple[int, int]

    def draw(
        self, mask: np.ndarray, line_width: float, size: tuple[int, int] | None = None, corner: tuple[int, int] = (0, 0)
    ) -> np.ndarray:
        """Draw into a mask that shows a window of the re-scaled image.

        Args:
            mask (np.ndarray): The window, uint8.
            line_width (float): Width of segments that have none of their own, in pixels of the mask.
            size (tuple[int, int] | None): Height and width of the re-scaled image; None for the image's own.
            corner (tuple[int, int]): Top and left of the window. Defaults to (0, 0).

        Returns:
            np.ndarray: The mask.
        """
        height, width = size or self.shape
        scale = np.array([width / self.shape[1], height / self.shape[0]])
        shift = 0.5 * scale - 0.5 - corner[::-1]
        starts, ends = self.starts * scale + shift, self.ends * scale + shift
        radii = np.where(np.isnan(self.widths), line_width, self.widths * np.sqrt(scale.prod())) / 2
        # Columns one by one: NumPy reduces axes of two slowly.
        lowest, highest, margin = np.minimum(starts, ends), np.maximum(starts, ends), radii + 1
        reaching = np.flatnonzero(
            (lowest[:, 0] <= mask.shape[1] + margin)
            & (lowest[:, 1] <= mask.shape[0] + margin)
            & (highest[:, 0] >= -margin)
            & (highest[:, 1] >= -margin)
        )
        classes = self.classes
        if len(reaching) < len(starts):
            starts, ends, classes, radii = (part[reaching] for part in (starts, ends, classes, radii))
        return _draw_segments(mask, starts, ends, classes, radii)


def segments_of(scribbles: ScribbleSet) -> Segments:
    """The segments of all strokes; a stroke of one point is a segment of no length."""
    strokes = scribbles.strokes
    numbers = [max(1, len(stroke.points) - 1) for stroke in strokes]
    none = np.empty((0, 2))
    return Segments(
        starts=np.concatenate(
            [none, *(stroke.points[:number] for stroke, number in zip(strokes, numbers, strict=True))]
        ),
        ends=np.concatenate([none, *(stroke.points[min(1, len(stroke.points) - 1) :] for stroke in strokes)]),
        classes=np.repeat(np.array([stroke.class_index for stroke in strokes], dtype=np.uint8), numbers),
        widths=np.repeat(np.array([stroke.width or np.nan for stroke in strokes], dtype=np.float64), numbers),
        shape=(scribbles.height, scribbles.width),
    )


def without_idle_points(scribbles: ScribbleSet) -> ScribbleSet:
    """The same strokes without points that repeat the one before or lie on the straight way from it to the next.

    They cover the same pixels. Strokes that were traced from pixel to pixel lose almost half of their points.
    """
    strokes = (replace(stroke, points=_without_idle_points(stroke.points)) for stroke in scribbles.strokes)
    return replace(scribbles, strokes=tuple(strokes))


def _without_idle_points(points: np.ndarray) -> np.ndarray:
    points = points[np.r_[True, np.any(points[1:] != points[:-1], axis=1)]]
    steps = np.diff(points, axis=0)
    before, after = steps[:-1], steps[1:]
    straight = before[:, 0] * after[:, 1] == before[:, 1] * after[:, 0]
    onwards = (before * after).sum(axis=1) > 0
    ends = [True] * min(1, len(steps))
    return points[np.r_[True, ~(straight & onwards), ends].astype(bool)]


def _draw_by_distance(mask: np.ndarray, strokes: tuple[Stroke, ...], line_width: float) -> np.ndarray:
    return segments_of(ScribbleSet(strokes, *mask.shape[::-1])).draw(mask, line_width)


def _draw_segments(
    mask: np.ndarray, starts: np.ndarray, ends: np.ndarray, classes: np.ndarray, radii: np.ndarray
) -> np.ndarray:
    flat = mask.reshape(-1)
    for first in range(0, len(starts), _SEGMENTS_AT_ONCE):
        part = slice(first, first + _SEGMENTS_AT_ONCE)
        segment, row, left, right = _runs(starts[part], ends[part], radii[part], *mask.shape)
        lengths = np.maximum(right - left + 1, 0).astype(np.intp)
        first_pixels = (row * mask.shape[1] + left).astype(np.intp)
        pixels = np.repeat(first_pixels - (np.cumsum(lengths) - lengths), lengths)
        pixels += np.arange(len(pixels))
        # Of repeated indices NumPy keeps the last value: later strokes lie over earlier ones.
        flat[pixels] = np.repeat(classes[part][segment], lengths)
    return mask


def segment_spans(
    starts: np.ndarray, ends: np.ndarray, radii: np.ndarray | float, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Horizontal runs of pixels whose centres lie within a radius of line segments, clipped to an image.

    The points within ``radius`` of a segment form a convex body, so a pixel row meets it in one run. The body's
    rightmost point in a row lies on the disc around the segment's point at ``s`` in [0, 1] whose rightward normal
    ends in that row, or around the nearer end; the leftmost one likewise. One such pair of ends for each segment and
    row, computed for all at once, is what makes this cheaper than decoding the JPEG.

    Args:
        starts (np.ndarray): (N, 2) float array of x and y.
        ends (np.ndarray): (N, 2) float array of x and y.
        radii (np.ndarray | float): One for each segment, or one for all, in pixels.
        height (int): Of the image, in pixels.
        width (int): Of the image, in pixels.

    Returns:
        tuple[np.ndarray, ...]: Four int arrays of one length: index of the segment (ascending), row, first column and
        last column of each run that is not empty.
    """
    runs = _runs(starts, ends, np.broadcast_to(radii, len(starts)), height, width)
    kept = runs[2] <= runs[3]
    segment, row, left, right = (part[kept].astype(np.intp) for part in runs)
    return segment, row, left, right


def _runs(
    starts: np.ndarray, ends: np.ndarray, radii: np.ndarray, height: int, width: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """As :func:`segment_spans`, in floats and with the empty runs, whose last column lies before the first.

    A hot path of short arrays, in which every call of NumPy counts: both ends of a run are computed at once, in place.
    """
    downwards = (starts[:, 1] <= ends[:, 1])[:, None]
    upper, along = np.where(downwards, starts, ends), np.where(downwards, ends - starts, starts - ends)
    radius = radii + _TIE
    top = np.maximum(np.ceil(upper[:, 1] - radius), 0)
    bottom = np.minimum(np.floor(upper[:, 1] + along[:, 1] + radius), height - 1)
    rows = np.maximum(bottom - top + 1, 0).astype(np.intp)
    segment = np.repeat(np.arange(len(rows)), rows)

    of_segment = np.empty((7, len(rows)))
    of_segment[0], of_segment[1] = upper.T
    of_segment[2] = along[:, 0]
    of_segment[3] = np.maximum(along[:, 1], 1e-12)  # a horizontal segment's quotient below then saturates at its end
    # How far above its centre the rightward normal ends.
    of_segment[4] = radius * of_segment[2] / np.hypot(of_segment[2], of_segment[3])
    of_segment[5] = radius * radius
    of_segment[6] = top - (np.cumsum(rows) - rows)
    x0, y0, dx, dy, lift, squared, row = np.take(of_segment, segment, axis=1)
    row += np.arange(len(segment))
    depth = row - y0

    place = np.empty((2, len(segment)))  # along the segment, of the disc whose rim is the run's right and left end
    np.add(depth, lift, out=place[0])
    np.subtract(depth, lift, out=place[1])
    place /= dy
    np.minimum(np.maximum(place, 0, out=place), 1, out=place)
    half = depth - place * dy
    half *= half
    np.subtract(squared, half, out=half)
    np.sqrt(np.maximum(half, 0, out=half), out=half)
    place *= dx
    place += x0
    right = np.minimum(np.floor(place[0] + half[0]), width - 1)
    left = np.maximum(np.ceil(place[1] - half[1]), 0)
    return segment, row, left, right


def _draw_one_by_one(draw_line: Callable, mask: np.ndarray, strokes: tuple[Stroke, ...], line_width: float):
    for stroke in strokes:
        if (stroke.points == stroke.points[0]).all():
            _draw_by_distance(mask, (Stroke(stroke.points[:1], stroke.class_index, stroke.width),), line_width)
            continue
        points = np.rint(stroke.points).astype(np.int32)
        mask = draw_line(mask, points, stroke.class_index, max(1, round(stroke.width or line_width)))
    return mask


def _opencv_line(mask: np.ndarray, points: np.ndarray, class_index: int, width: int) -> np.ndarray:
    return cv2.polylines(mask, [points[:, None]], isClosed=False, color=class_index, thickness=width)


def _pillow_line(mask: np.ndarray, points: np.ndarray, class_index: int, width: int) -> np.ndarray:
    image = Image.fromarray(mask)
    ImageDraw.Draw(image).line(points.ravel().tolist(), fill=class_index, width=width)
    return np.array(image)


DRAWING_MODES: dict[str, Callable[[np.ndarray, tuple[Stroke, ...], float], np.ndarray]] = {
    'distance': _draw_by_distance,
    'opencv': partial(_draw_one_by_one, _opencv_line),
    'pillow': partial(_draw_one_by_one, _pillow_line),
}
