"""Strokes from masks that look like people's, for data sets that nobody has scribbled on.

What people draw, on the four real ScribbleSup samples that this was measured against: one stroke for each object, along
its long axis and about in its middle, from one end nearly to the other; one long stroke for the background that goes
round the objects and leaves the ring open; ends that stop short, and a hand that wanders without leaving the region.

So each region's stroke is a path between its two geodesically farthest places, drawn towards the middle by the cost of
coming near the border, smoothed, pushed sideways by slow noise, and cut back to where all of its pixels lie inside.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from sdp_plugin.errors import UserError
from sdp_plugin.scribbles.rasterise import rasterise, segment_spans
from sdp_plugin.scribbles.strokes import ScribbleSet, Stroke

# The longer side of a region's path-finding grid, in cells: finer costs time and follows every bump of the outline.
_GRID_CELLS = 64
# Share of the path between a region's ends that a stroke keeps on average, and how far it strays from that.
# Together they give the labelled share of the real samples (tests/scribbles/test_synthesis.py).
_KEPT = 0.95
_KEPT_SPREAD = 0.05
# The hand wanders sideways by up to this share of the room that is left to the border, over waves of this length.
_WOBBLE = 0.3
_WAVE_PIXELS = 160
# People's points lie some pixels apart (2 to 6 in the samples).
_POINT_SPACING = 4
# How strongly a path avoids the border, and how much an end prefers a broad place to a far one.
_BORDER_COST = 1.5
_BROAD_ENDS = 0.8
# Holes smaller than this share of the region are drawn past, not around.
_LEAST_HOLE = 0.01
# What is tried in turn until the stroke fits: its wobble (as a share of the full one) and its points' distance.
_ATTEMPTS = ((1.0, _POINT_SPACING), (0.5, _POINT_SPACING), (0.0, 2), (0.0, 1))
_MARGIN = 4


def synthesise_scribbles(
    mask: np.ndarray,
    seed: int,
    image_id: str,
    amount: float = 1.0,
    line_width: float = 3,
    min_area: int = 100,
    ignore_index: int = 255,
) -> ScribbleSet:
    """Draw one stroke, or more, into each connected region of each class, the background among them.

    No pixel of a stroke, drawn with ``line_width`` in the mode ``distance``, lies outside its region. Regions that
    are nowhere as broad as the line get no stroke. Nothing is drawn in ``ignore_index``.

    Args:
        mask (np.ndarray): uint8 class indices of shape (H, W).
        seed (int): Seed of the whole data set's scribbles.
        image_id (str): Name of the image; with the seed it decides everything, whatever the order of the images.
        amount (float): Strokes a region, 1 as people draw: a fraction is a stroke of that part of its length, more
            adds strokes apart from the earlier ones, where there is room. Defaults to 1.
        line_width (float): Width in pixels that the strokes will be drawn with. Defaults to 3.
        min_area (int): Regions of fewer pixels are left out, but never the largest one of a class.
        ignore_index (int): The mask's void. Defaults to 255.

    Returns:
        ScribbleSet: Strokes with whole-number points: objects in the order of their classes, the background last.

    Raises:
        UserError: If the mask is no uint8 array of two dimensions, or the amount is not positive.
    """
    _check(mask, amount)
    generator = _generator(seed, image_id)
    strokes = [
        Stroke(points + offset, class_index)
        for class_index, region, offset in _regions(mask, min_area, ignore_index)
        for points in _draw_region(region, generator, amount, line_width / 2)
    ]
    return ScribbleSet(tuple(strokes), mask.shape[1], mask.shape[0])


def synthesise_points(
    mask: np.ndarray, seed: int, image_id: str, min_area: int = 100, ignore_index: int = 255
) -> ScribbleSet:
    """One click in each connected region: the extreme of sparse annotation.

    Args:
        mask (np.ndarray): As for :func:`synthesise_scribbles`, as are the other arguments.
        seed (int): Seed of the data set.
        image_id (str): Name of the image.
        min_area (int): Regions of fewer pixels are left out, but never the largest one of a class.
        ignore_index (int): The mask's void.

    Returns:
        ScribbleSet: Strokes of one point each, somewhere in the inner half of the region: people click well inside.
    """
    _check(mask)
    generator = _generator(seed, image_id)
    strokes = []
    for class_index, region, offset in _regions(mask, min_area, ignore_index):
        room = _room(region)
        inner = np.argwhere(room >= room.max() / 2)
        strokes.append(Stroke(generator.choice(inner)[None, ::-1] + offset, class_index))
    return ScribbleSet(tuple(strokes), mask.shape[1], mask.shape[0])


def _check(mask: np.ndarray, amount: float = 1.0) -> None:
    if mask.ndim != 2 or mask.dtype != np.uint8 or not mask.size:
        raise UserError(
            'scribbles are made from a mask of class indices',
            looked_for='a uint8 array of shape (H, W)',
            found=f'{mask.dtype} of shape {mask.shape}',
        )
    if not 0 < amount <= 100:
        raise UserError('the amount of scribbles is not a positive factor', found=amount)


def _generator(seed: int, image_id: str) -> np.random.Generator:
    digest = hashlib.blake2b(f'{seed}/{image_id}'.encode(), digest_size=16).digest()
    return np.random.default_rng(int.from_bytes(digest, 'big'))


def _regions(mask: np.ndarray, min_area: int, ignore_index: int) -> Iterator[tuple[int, np.ndarray, np.ndarray]]:
    """Class, bool mask and (x, y) offset of each region, cut out with a margin that ends at the image's border."""
    classes = sorted(set(np.unique(mask).tolist()) - {ignore_index}, key=lambda index: (index == 0, index))
    for class_index in classes:
        _, labels, boxes, _ = cv2.connectedComponentsWithStats((mask == class_index).view(np.uint8), connectivity=8)
        areas = boxes[1:, cv2.CC_STAT_AREA]
        for label in np.flatnonzero((areas >= min_area) | (areas == areas.max())) + 1:
            x, y, width, height, _ = boxes[label].tolist()
            left, top = max(x - _MARGIN, 0), max(y - _MARGIN, 0)
            cut = labels[top : y + height + _MARGIN, left : x + width + _MARGIN]
            yield class_index, cut == label, np.array([left, top])


def _room(region: np.ndarray, beyond: int = cv2.BORDER_CONSTANT) -> np.ndarray:
    """Distance in pixels from each pixel's centre to the nearest one outside the region or the image."""
    padded = cv2.copyMakeBorder(region.view(np.uint8), *[_MARGIN] * 4, beyond)
    room = cv2.distanceTransform(padded, cv2.DIST_L2, cv2.DIST_MASK_PRECISE)[_MARGIN:-_MARGIN, _MARGIN:-_MARGIN]
    # Squares of distances between pixels are whole numbers; releases of OpenCV differ in the last digits.
    return np.sqrt(np.rint(room**2))


def _draw_region(
    region: np.ndarray, generator: np.random.Generator, amount: float, radius: float
) -> Iterator[np.ndarray]:
    """Strokes of one region, each an (N, 2) array of whole x and y in the cut-out."""
    free, room = region, _room(region)
    if room.max() <= radius:
        # A strip along the image's border has room for a line that the border clips.
        room = _room(region, cv2.BORDER_REPLICATE)
    # Whole strokes first, then the fraction that is left.
    shares = [1.0] * int(amount) + [amount % 1] * (amount % 1 > 0)
    for number, share in enumerate(shares, start=1):
        path = _middle_path(free, room if free is region else _room(free), generator, radius)
        if path is None:
            return
        kept = share * np.clip(_KEPT + _KEPT_SPREAD * generator.standard_normal(), 0.5, 1)
        points = _draw_along(path, kept * _length(path), region, room, generator, radius)
        if points is None:
            return
        yield points
        if number < len(shares):
            free = _away_from(free, points, room.max())


def _length(points: np.ndarray) -> float:
    return float(np.hypot(*np.diff(points, axis=0).T).sum())


def _away_from(region: np.ndarray, points: np.ndarray, broadest: float) -> np.ndarray:
    """The largest part of the region that a further stroke has to itself."""
    drawn = np.ones(region.shape, np.uint8)
    cv2.polylines(drawn, [points.astype(np.int32)], isClosed=True, color=0)
    spread = cv2.distanceTransform(drawn, cv2.DIST_L2, 3)
    apart = region & (spread > max(8, broadest / 2))
    _, labels, boxes, _ = cv2.connectedComponentsWithStats(apart.view(np.uint8), connectivity=8)
    return (labels == 1 + boxes[1:, cv2.CC_STAT_AREA].argmax()) if len(boxes) > 1 else np.zeros_like(region)


def _middle_path(
    region: np.ndarray, room: np.ndarray, generator: np.random.Generator, radius: float
) -> np.ndarray | None:
    """Points (x, y) from one end of the region to the other through its middle; None where the line fits nowhere."""
    allowed = _slit(region, generator) if region.any() else region
    places, room_at, graphs = _grid(np.where(allowed, room, 0), generator, radius)
    if not len(places):
        return None
    lengths, hindrances = graphs
    broad = _BROAD_ENDS * room_at

    def farthest(start: int) -> int:
        distance = dijkstra(lengths, indices=start)
        return int(np.where(np.isfinite(distance), distance + broad, -1).argmax())

    first = farthest(int(room_at.argmax()))
    last = farthest(first)
    _, previous = dijkstra(hindrances, indices=first, return_predecessors=True)
    steps = [last]
    while steps[-1] != first:
        steps.append(int(previous[steps[-1]]))
    return places[steps].astype(np.float64)


def _slit(region: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """The region cut open from each large hole outwards: a stroke round a hole is an open ring."""
    outside = cv2.copyMakeBorder((~region).view(np.uint8), 1, 1, 1, 1, cv2.BORDER_CONSTANT, value=1)
    _, labels, boxes, centres = cv2.connectedComponentsWithStats(outside, connectivity=4)
    height, width = region.shape
    opened = region.copy()
    area = region.sum()
    for hole in np.argsort(-boxes[:, cv2.CC_STAT_AREA]):
        # Label 0 is the region itself; the part round the corner is no hole.
        if hole in (0, labels[0, 0]) or boxes[hole, cv2.CC_STAT_AREA] < _LEAST_HOLE * area:
            continue
        angle = generator.uniform(0, 2 * np.pi)
        start = centres[hole] - 1
        end = start + 2 * sum(region.shape) * np.array([np.cos(angle), np.sin(angle)])
        # So broad that every way across leads through a blocked cell of the grid.
        breadth = 3 * _cell_side(region) + 1
        cut = ScribbleSet((Stroke(np.stack([start, end]), 0),), width, height)
        opened &= rasterise(cut, breadth) != 0
    return opened


def _cell_side(region: np.ndarray) -> int:
    return -(-max(region.shape) // _GRID_CELLS)


def _grid(
    room: np.ndarray, generator: np.random.Generator, radius: float
) -> tuple[np.ndarray, np.ndarray, tuple[csr_array, csr_array] | None]:
    """A coarse graph over the region; each cell is represented by its roomiest pixel.

    Returns the pixels (x, y), the room at each, and two graphs over neighbouring cells: plain lengths, and lengths
    that grow towards the border.
    """
    height, width = room.shape
    cell = _cell_side(room)
    rows, columns = -(-height // cell), -(-width // cell)
    padded = np.zeros((rows * cell, columns * cell), room.dtype)
    padded[:height, :width] = room
    cells = padded.reshape(rows, cell, columns, cell).swapaxes(1, 2).reshape(rows, columns, cell * cell)
    best = cells.argmax(axis=2)
    best_room = np.take_along_axis(cells, best[..., None], axis=2)[..., 0]
    # The line fits where all pixels within its radius of the centre lie inside.
    used = best_room > radius
    if not used.any():
        return np.empty((0, 2)), np.empty(0), None
    row, column = np.nonzero(used)
    places = np.stack([column * cell + best[used] % cell, row * cell + best[used] // cell], axis=1)
    room_at = best_room[used].astype(np.float64)
    number = np.full((rows + 1, columns + 2), -1)
    number[:rows, 1:-1][used] = np.arange(len(places))
    # Half of the eight neighbours; the graph has no direction.
    here = np.arange(len(places))
    pairs = [(here, number[row + down, column + 1 + right]) for down, right in ((0, 1), (1, -1), (1, 0), (1, 1))]
    source, target = (np.concatenate(ends) for ends in zip(*pairs, strict=True))
    source, target = source[target >= 0], target[target >= 0]
    # Of equally short paths the libraries' releases choose different ones: let no two be equally short.
    length = np.hypot(*(places[source] - places[target]).T) * generator.uniform(1, 1.01, len(source))
    narrow = room_at.max() * 2 / (room_at[source] + room_at[target])
    both = np.concatenate([source, target]), np.concatenate([target, source])
    graphs = tuple(
        csr_array((np.tile(weight, 2), both), shape=(len(places),) * 2)
        for weight in (length, length * narrow**_BORDER_COST)
    )
    return places, room_at, graphs


def _draw_along(
    path: np.ndarray,
    wanted: float,
    region: np.ndarray,
    room: np.ndarray,
    generator: np.random.Generator,
    radius: float,
) -> np.ndarray | None:
    """The stroke that a hand makes of a path, of about the wanted length; None where nothing fits."""
    fine = _resample(path, 1.0)
    surplus = max(len(fine) - 1 - round(wanted), 0)
    begin = round(surplus * generator.uniform(0.2, 0.8))
    fine = fine[begin : len(fine) - (surplus - begin)]
    noise = generator.standard_normal(len(fine) + 4 * _WAVE_PIXELS)
    best = None
    for wobble, spacing in _ATTEMPTS:
        points = _wander(fine, wobble * _WOBBLE, noise, room, smooth=spacing > 1)
        points = np.rint(_resample(points, spacing))
        points = points[np.r_[True, (np.diff(points, axis=0) != 0).any(axis=1)]]
        points = _longest_inside(points, region, radius)
        if points is not None and (best is None or _length(points) > 1.1 * _length(best)):
            best = points
        if best is not None and _length(best) >= 0.9 * (len(fine) - 1):
            break
    return best


def _resample(points: np.ndarray, spacing: float) -> np.ndarray:
    along = np.r_[0, np.cumsum(np.hypot(*np.diff(points, axis=0).T))]
    at = np.linspace(0, along[-1], max(2, round(along[-1] / spacing) + 1)) if along[-1] else np.zeros(1)
    return np.stack([np.interp(at, along, coordinate) for coordinate in points.T], axis=1)


def _wander(points: np.ndarray, wobble: float, noise: np.ndarray, room: np.ndarray, smooth: bool) -> np.ndarray:
    """Smooth a path of points one pixel apart and push it sideways by slow noise, within the room around it."""
    if len(points) < 3 or not smooth:
        return points
    points = gaussian_filter1d(points, min(12.0, len(points) / 8), axis=0, mode='nearest')
    slow = gaussian_filter1d(noise, _WAVE_PIXELS / 4)[2 * _WAVE_PIXELS :][: len(points)]
    slow *= np.sqrt(_WAVE_PIXELS / 4 * 2 * np.sqrt(np.pi))  # back to unit variance
    column, row = np.rint(points).astype(int).T
    space = room[row.clip(0, room.shape[0] - 1), column.clip(0, room.shape[1] - 1)].astype(np.float64)
    space = gaussian_filter1d(space, 8, mode='nearest')
    tangent = np.gradient(points, axis=0)
    normal = tangent[:, ::-1] * (-1, 1) / np.maximum(np.hypot(*tangent.T), 1e-6)[:, None]
    return points + normal * (wobble * np.tanh(slow) * space)[:, None]


def _longest_inside(points: np.ndarray, region: np.ndarray, radius: float) -> np.ndarray | None:
    """The longest part of a polyline all of whose pixels lie in the region."""
    height, width = region.shape
    starts, ends = (points[:-1], points[1:]) if len(points) > 1 else (points, points)
    segment, row, left, right = segment_spans(starts, ends, radius, height, width)
    outside = np.zeros((height, width + 1), np.int32)
    np.cumsum(~region, axis=1, out=outside[:, 1:])
    leaves = np.zeros(len(starts), bool)
    leaves[segment[outside[row, right + 1] > outside[row, left]]] = True
    edges = np.flatnonzero(np.diff(np.r_[True, leaves, True].astype(np.int8)))
    if not len(edges):
        return None
    runs = edges.reshape(-1, 2)
    along = np.r_[0, np.cumsum(np.hypot(*(ends - starts).T))]
    first, last = runs[(along[runs[:, 1]] - along[runs[:, 0]]).argmax()]
    return points[first : last + 1] if len(points) > 1 else points
