"""Drawing strokes into an index mask.

"Width 3" is not one thing: on ScribbleSup's files OpenCV's thickness 3 labels 1.7 times the pixels of Pillow's width 3.
So the default mode defines a width geometrically, and the two libraries' drawings are modes of their own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
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
    height, width = size or (scribbles.height, scribbles.width)
    mask = np.full((height, width), ignore_index, dtype=np.uint8)
    strokes = scribbles.resized(width, height).strokes
    return DRAWING_MODES[mode](mask, strokes, line_width) if strokes else mask


def rasterise_window(
    scribbles: ScribbleSet,
    size: tuple[int, int],
    window: tuple[int, int, int, int],
    line_width: float = 3,
    mode: str = 'distance',
    ignore_index: int = 255,
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

    Returns:
        np.ndarray: uint8 mask of the window's shape.

    Raises:
        UserError: As :func:`rasterise`.
    """
    top, left, height, width = window
    if mode != 'distance':
        whole = rasterise(scribbles, line_width, mode, ignore_index, size)
        return np.ascontiguousarray(whole[top : top + height, left : left + width])
    on_image = scribbles.resized(size[1], size[0]).strokes
    corner = np.array([left, top])
    shifted = (
        replace(stroke, points=stroke.points - corner)
        for stroke in on_image
        if _reaches(stroke, window, (stroke.width or line_width) / 2)
    )
    return rasterise(ScribbleSet(tuple(shifted), width, height), line_width, mode, ignore_index)


def _reaches(stroke: Stroke, window: tuple[int, int, int, int], radius: float) -> bool:
    top, left, height, width = window
    (x0, y0), (x1, y1) = stroke.points.min(axis=0) - radius - 1, stroke.points.max(axis=0) + radius + 1
    return x0 <= left + width and x1 >= left and y0 <= top + height and y1 >= top


def _draw_by_distance(mask: np.ndarray, strokes: tuple[Stroke, ...], line_width: float) -> np.ndarray:
    # A stroke of one point is a segment of no length.
    starts = np.concatenate([stroke.points[: max(1, len(stroke.points) - 1)] for stroke in strokes])
    ends = np.concatenate([stroke.points[min(1, len(stroke.points) - 1) :] for stroke in strokes])
    segments = [max(1, len(stroke.points) - 1) for stroke in strokes]
    classes = np.repeat(np.array([stroke.class_index for stroke in strokes], dtype=np.uint8), segments)
    radii = np.repeat([(stroke.width or line_width) / 2 for stroke in strokes], segments)
    flat = mask.reshape(-1)
    for first in range(0, len(starts), _SEGMENTS_AT_ONCE):
        part = slice(first, first + _SEGMENTS_AT_ONCE)
        segment, row, left, right = segment_spans(starts[part], ends[part], radii[part], *mask.shape)
        lengths = right - left + 1
        run_starts = np.cumsum(lengths) - lengths
        pixels = np.arange(lengths.sum()) + np.repeat(row * mask.shape[1] + left - run_starts, lengths)
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
    downwards = (starts[:, 1] <= ends[:, 1])[:, None]
    upper, lower = np.where(downwards, starts, ends), np.where(downwards, ends, starts)
    (x0, y0), (x1, y1) = upper.T, lower.T
    radius = np.broadcast_to(np.asarray(radii, dtype=np.float64) + _TIE, x0.shape)
    top = np.maximum(np.ceil(y0 - radius), 0).astype(np.intp)
    bottom = np.minimum(np.floor(y1 + radius), height - 1).astype(np.intp)
    rows = np.maximum(bottom - top + 1, 0)
    segment = np.repeat(np.arange(len(rows)), rows)
    row = np.arange(len(segment)) + np.repeat(top - (np.cumsum(rows) - rows), rows)

    dx = x1 - x0
    dy = np.maximum(y1 - y0, 1e-12)  # a horizontal segment's quotient below then saturates at the right end
    lift = radius * dx / np.hypot(dx, dy)  # how far above its centre the rightward normal ends
    x0, dx, dy, lift, inverse, radius = np.stack([x0, dx, dy, lift, 1 / dy, radius])[:, segment]
    depth = row - y0[segment]

    def reach(lift: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        s = np.clip((depth + lift) * inverse, 0, 1)
        return x0 + s * dx, np.sqrt(np.maximum(radius**2 - (depth - s * dy) ** 2, 0))

    centre, half = reach(lift)
    right = np.minimum(np.floor(centre + half), width - 1).astype(np.intp)
    centre, half = reach(-lift)
    left = np.maximum(np.ceil(centre - half), 0).astype(np.intp)
    kept = left <= right
    return segment[kept], row[kept], left[kept], right[kept]


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
