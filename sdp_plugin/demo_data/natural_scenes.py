"""Pictures of everyday scenes with VOC's objects in them, each with the mask and the boxes of what is visible."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sdp_plugin.demo_data.drawing import blob_points, blur, box_points, polygon_mask, smooth_noise, to_uint8
from sdp_plugin.demo_data.natural_objects import OBJECT_CLASSES, Colour, ObjectClass, Part, pick

IGNORE_INDEX = 255
# Drawing at twice the size and averaging gives smooth edges.
OVERSAMPLING = 2
# A smaller visible remainder cannot be named by its look: it becomes void, as VOC leaves out what is hidden.
MIN_VISIBLE = 0.004

Rng = np.random.RandomState


@dataclass(frozen=True)
class VisibleObject:
    """An object of a scene.

    Args:
        class_index (int): VOC class, 1 to 20.
        box (tuple[int, int, int, int]): First column, first row, last column, last row of its visible pixels, 0-based.
        truncated (bool): Whether it reaches the border of the picture.
    """

    class_index: int
    box: tuple[int, int, int, int]
    truncated: bool


@dataclass(frozen=True)
class Scene:
    """A picture and what is in it.

    Args:
        image (np.ndarray): (H, W, 3) uint8, RGB.
        mask (np.ndarray): (H, W) uint8, 0 background, 1 to 20 objects, 255 their borders.
        objects (tuple[VisibleObject, ...]): The visible objects from back to front.
    """

    image: np.ndarray
    mask: np.ndarray
    objects: tuple[VisibleObject, ...]


def _plain(rng: Rng, shape: tuple[int, int]) -> np.ndarray:
    return 0.92 + 0.16 * smooth_noise(rng, shape, 14)


def _fur(rng: Rng, shape: tuple[int, int]) -> np.ndarray:
    return 0.7 + 0.55 * smooth_noise(rng, shape, 3, 2, stretch=3)


def _wool(rng: Rng, shape: tuple[int, int]) -> np.ndarray:
    return 0.55 + 0.7 * smooth_noise(rng, shape, 6, 2)


def _stripes(rng: Rng, shape: tuple[int, int]) -> np.ndarray:
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    angle, period = rng.uniform(-0.5, 0.5), rng.uniform(7, 13)
    phase = (columns * np.cos(angle) + rows * np.sin(angle)) / period + 1.5 * smooth_noise(rng, shape, 16)
    return 0.8 + 0.3 * np.tanh(3 * np.sin(2 * np.pi * phase))


def _patches(rng: Rng, shape: tuple[int, int]) -> np.ndarray:
    return np.where(smooth_noise(rng, shape, 24, 2) > rng.uniform(0.4, 0.6), 1.05, rng.uniform(0.2, 0.5))


def _metal(rng: Rng, shape: tuple[int, int]) -> np.ndarray:
    shine = np.linspace(rng.uniform(1.1, 1.4), rng.uniform(0.6, 0.9), shape[0])[:, None]
    return shine * (0.9 + 0.2 * smooth_noise(rng, shape, 30, stretch=3))


def _glass(rng: Rng, shape: tuple[int, int]) -> np.ndarray:
    return 0.7 + 0.8 * smooth_noise(rng, shape, 18) ** 2


def _wood(rng: Rng, shape: tuple[int, int]) -> np.ndarray:
    return 0.75 + 0.4 * smooth_noise(rng, shape, 4, 2, stretch=8)


def _cloth(rng: Rng, shape: tuple[int, int]) -> np.ndarray:
    return 0.7 + 0.4 * smooth_noise(rng, shape, 16, 2) + 0.12 * rng.uniform(-1, 1, shape)


def _leaf(rng: Rng, shape: tuple[int, int]) -> np.ndarray:
    return 0.7 + 0.6 * smooth_noise(rng, shape, 5)


TEXTURES: dict[str, Callable[[Rng, tuple[int, int]], np.ndarray]] = {
    'plain': _plain,
    'fur': _fur,
    'wool': _wool,
    'stripes': _stripes,
    'patches': _patches,
    'metal': _metal,
    'glass': _glass,
    'wood': _wood,
    'cloth': _cloth,
    'leaf': _leaf,
}


@dataclass(frozen=True)
class Place:
    """The two surfaces of a kind of scene: RGB colours to choose from, and the grain and strength of their texture."""

    upper: tuple[Colour, ...]
    lower: tuple[Colour, ...]
    upper_texture: tuple[float, float, float]
    lower_texture: tuple[float, float, float]
    horizon: tuple[float, float]


# Textures: size of the features in pixels, stretch, strength.
PLACES = {
    'sky': Place(
        ((0.45, 0.62, 0.88), (0.7, 0.75, 0.82), (0.85, 0.6, 0.45)),
        ((0.3, 0.4, 0.22), (0.4, 0.36, 0.3)),
        (60, 2, 0.35),
        (10, 2, 0.4),
        (0.75, 0.97),
    ),
    'street': Place(
        ((0.62, 0.6, 0.56), (0.6, 0.42, 0.34), (0.7, 0.74, 0.78)),
        ((0.4, 0.4, 0.41), (0.52, 0.5, 0.46)),
        (26, 1, 0.35),
        (5, 3, 0.25),
        (0.35, 0.6),
    ),
    'meadow': Place(
        ((0.55, 0.7, 0.88), (0.28, 0.4, 0.22), (0.78, 0.8, 0.8)),
        ((0.35, 0.5, 0.2), (0.5, 0.5, 0.25), (0.55, 0.45, 0.3)),
        (34, 1.5, 0.5),
        (7, 1.5, 0.5),
        (0.25, 0.5),
    ),
    'water': Place(
        ((0.55, 0.7, 0.88), (0.75, 0.75, 0.75), (0.4, 0.48, 0.42)),
        ((0.2, 0.38, 0.5), (0.35, 0.45, 0.45), (0.4, 0.5, 0.65)),
        (44, 2, 0.35),
        (6, 6, 0.45),
        (0.3, 0.5),
    ),
    'room': Place(
        ((0.8, 0.75, 0.66), (0.6, 0.66, 0.6), (0.66, 0.52, 0.48), (0.5, 0.52, 0.6)),
        ((0.5, 0.36, 0.24), (0.55, 0.52, 0.5), (0.45, 0.25, 0.24)),
        (50, 1, 0.18),
        (4, 9, 0.3),
        (0.45, 0.7),
    ),
}


def _surface(
    rng: Rng, shape: tuple[int, int], colours: tuple[Colour, ...], texture: tuple[float, float, float]
) -> np.ndarray:
    cell, stretch, strength = texture
    colour = np.array(colours[rng.randint(len(colours))]) * rng.uniform(0.8, 1.2) + rng.uniform(-0.07, 0.07, 3)
    noise = smooth_noise(rng, shape, cell * rng.uniform(0.7, 1.5), 3, stretch)
    tint = smooth_noise(rng, shape, 40, 2)[..., None] * rng.uniform(-0.08, 0.08, 3)
    return colour * (1 - strength / 2 + strength * noise)[..., None] + tint


def _paint_clutter(rng: Rng, canvas: np.ndarray, horizon: int) -> None:
    """Things that are no VOC object: stones, posts, bushes, boxes, frames on a wall."""
    height, width = canvas.shape[:2]
    for _ in range(rng.randint(2, 8)):
        x, y, size = rng.uniform(0, width), rng.normal(horizon, height * 0.2), height * rng.uniform(0.04, 0.22)
        kind = rng.randint(3)
        if kind == 0:
            points = blob_points(rng, x, y, size, 0.35)
        elif kind == 1:
            points = box_points(x, y - size, x + size * rng.uniform(0.6, 2.0), y)
        else:
            points = box_points(x, y - size * 3, x + size * rng.uniform(0.15, 0.4), y)
        part = Part(
            points,
            pick(rng, 'leaf', 'grey', 'brown', 'cloth', 'sand'),
            ('leaf', 'plain', 'wood', 'fur')[rng.randint(4)],
        )
        _paint(rng, canvas, part.points, part)


def _paint(rng: Rng, canvas: np.ndarray, points: np.ndarray, part: Part) -> tuple[slice, slice, np.ndarray] | None:
    """Paint a part at pixel coordinates ``points``; return its window and pixels, or None if it is outside."""
    height, width = canvas.shape[:2]
    left, top = np.maximum(np.floor(points.min(axis=0)).astype(int) - 1, 0)
    right, bottom = np.minimum(np.ceil(points.max(axis=0)).astype(int) + 2, (width, height))
    if right <= left or bottom <= top:
        return None
    window = slice(top, bottom), slice(left, right)
    shape = (bottom - top, right - left)
    inside = polygon_mask(points - (left, top), shape)
    painted = np.array(part.colour) * TEXTURES[part.texture](rng, shape)[..., None]
    canvas[window][inside] = painted[inside]
    return *window, inside


def _place_object(
    rng: Rng, kind: ObjectClass, shape: tuple[int, int], horizon: int, scale: float
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where an object goes: its centre, its half size, and the 2x2 matrix that turns and mirrors it."""
    height, width = shape
    half_height = height * scale / 2
    half_width = half_height * rng.uniform(*kind.aspect)
    if half_width > width * 0.48:
        half_height, half_width = half_height * width * 0.48 / half_width, width * 0.48
    x = rng.uniform(half_width * 0.75, width - half_width * 0.75)
    foot = rng.uniform(max(horizon, half_height * 1.6), max(height * 1.04, half_height * 1.7))
    if kind.airborne and rng.uniform() < 0.7:
        foot = rng.uniform(half_height * 2, max(horizon, half_height * 2.2))
    angle = rng.normal(0, 0.12)
    turn = np.array([(np.cos(angle), -np.sin(angle)), (np.sin(angle), np.cos(angle))])
    shear = np.array([(1, rng.normal(0, 0.08)), (0, 1)])
    mirror = np.diag([rng.choice([-1.0, 1.0]), 1.0])
    return np.array([x, foot - half_height]), np.array([half_width, half_height]), turn @ shear @ mirror


def _draw_object(rng: Rng, canvas: np.ndarray, kind: ObjectClass, horizon: int, scale: float) -> np.ndarray:
    """Draw one object and return its pixels as a (H, W) bool array."""
    shape = canvas.shape[:2]
    centre, half, matrix = _place_object(rng, kind, shape, horizon, scale)
    if not kind.airborne:
        _cast_shadow(rng, canvas, centre, half)
    silhouette = np.zeros(shape, dtype=bool)
    for part in kind.draw(rng):
        wobble = rng.normal(0, 0.012, part.points.shape)
        points = ((part.points + wobble) * half) @ matrix.T + centre
        painted = _paint(rng, canvas, points, part)
        if painted is not None:
            rows, columns, inside = painted
            silhouette[rows, columns] |= inside
    _round_off(canvas, silhouette, centre, half)
    return silhouette


def _cast_shadow(rng: Rng, canvas: np.ndarray, centre: np.ndarray, half: np.ndarray) -> None:
    foot, depth, breadth = centre[1] + half[1], max(half[1] * 0.2, 2), half[0] * 1.1
    top, bottom = (int(np.clip(foot + side * 3 * depth, 0, canvas.shape[0])) for side in (-1, 1))
    rows, columns = np.ogrid[top:bottom, : canvas.shape[1]]
    distance = ((columns - centre[0]) / breadth) ** 2 + ((rows - foot) / depth) ** 2
    canvas[top:bottom] *= (1 - rng.uniform(0.2, 0.55) * np.exp(-distance))[..., None]


def _round_off(canvas: np.ndarray, silhouette: np.ndarray, centre: np.ndarray, half: np.ndarray) -> None:
    """Make the flat parts look round by light from above and a darker rim."""
    if not silhouette.any():
        return
    rows, columns = (np.flatnonzero(silhouette.any(axis=axis)) for axis in (1, 0))
    window = slice(rows[0], rows[-1] + 1), slice(columns[0], columns[-1] + 1)
    inside = silhouette[window]
    # One row of nothing around it, so that the blur sees the outside also where the window ends.
    depth = blur(np.pad(inside, 1).astype(np.float32), max(2.0, half.min() * 0.15))[1:-1, 1:-1]
    height = np.arange(rows[0], rows[-1] + 1, dtype=np.float32)[:, None]
    light = 1.08 - 0.22 * np.clip((height - centre[1]) / half[1], -1, 1)
    canvas[window] *= np.where(inside, (0.55 + 0.5 * depth) * light, 1)[..., None].astype(np.float32)


def _light(rng: Rng, canvas: np.ndarray) -> np.ndarray:
    """Exposure, colour of the light, a gradient over the picture, focus, and the noise of the sensor."""
    height, width = canvas.shape[:2]
    angle = rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    gradient = 1 + rng.uniform(0, 0.25) * (rows * np.sin(angle) + columns * np.cos(angle))
    warm = rng.uniform(-0.1, 0.1)
    lit = canvas * gradient[..., None] * np.array([1 + warm, 1, 1 - warm]) * rng.uniform(0.7, 1.2)
    lit = blur(np.clip(lit, 0, 1), rng.uniform(0.0, 0.5))
    return lit + rng.normal(0, rng.uniform(0.005, 0.018), lit.shape)


def _average_down(canvas: np.ndarray) -> np.ndarray:
    height, width = canvas.shape[0] // OVERSAMPLING, canvas.shape[1] // OVERSAMPLING
    return canvas.reshape(height, OVERSAMPLING, width, OVERSAMPLING, 3).mean(axis=(1, 3))


def _mask_of(instances: np.ndarray, classes: list[int]) -> tuple[np.ndarray, tuple[VisibleObject, ...]]:
    """The semantic mask with void borders, and the visible objects, from a map of instance numbers (0 = none)."""
    height, width = instances.shape
    mask = np.array([0, *classes], dtype=np.uint8)[instances]
    objects = []
    for number, class_index in enumerate(classes, start=1):
        rows, columns = np.nonzero(instances == number)
        if len(rows) < MIN_VISIBLE * instances.size:
            mask[instances == number] = IGNORE_INDEX
            continue
        box = (int(columns.min()), int(rows.min()), int(columns.max()), int(rows.max()))
        truncated = box[0] == 0 or box[1] == 0 or box[2] == width - 1 or box[3] == height - 1
        objects.append(VisibleObject(class_index, box, truncated))
    below, beside = instances[1:] != instances[:-1], instances[:, 1:] != instances[:, :-1]
    border = np.zeros(instances.shape, dtype=bool)
    border[1:] |= below
    border[:-1] |= below
    border[:, 1:] |= beside
    border[:, :-1] |= beside
    mask[border] = IGNORE_INDEX
    return mask, tuple(objects)


def draw_scene(rng: Rng, class_index: int, size: tuple[int, int]) -> Scene:
    """A scene whose largest object in the foreground is of the given class.

    Args:
        rng (RandomState): Decides everything else.
        class_index (int): VOC class, 1 to 20.
        size (tuple[int, int]): Width and height in pixels.

    Returns:
        Scene: The picture, its mask and the objects.
    """
    width, height = size[0] * OVERSAMPLING, size[1] * OVERSAMPLING
    main = OBJECT_CLASSES[class_index - 1]
    name = (
        main.places[rng.randint(len(main.places))] if rng.uniform() < 0.8 else sorted(PLACES)[rng.randint(len(PLACES))]
    )
    place = PLACES[name]
    horizon = int(height * rng.uniform(*place.horizon))
    canvas = _surface(rng, (height, width), place.upper, place.upper_texture).astype(np.float32)
    canvas[horizon:] = _surface(rng, (height - horizon, width), place.lower, place.lower_texture)
    _paint_clutter(rng, canvas, horizon)

    companions = [index for index, kind in enumerate(OBJECT_CLASSES, start=1) if name in kind.places]
    drawn = [
        companions[rng.randint(len(companions))] for _ in range(rng.choice([0, 1, 2, 3], p=[0.35, 0.3, 0.2, 0.15]))
    ]
    classes, instances = [*drawn, class_index], np.zeros((height, width), dtype=np.uint8)
    for number, index in enumerate(classes, start=1):
        scale = rng.uniform(0.5, 0.9) if number == len(classes) else rng.uniform(0.2, 0.55)
        instances[_draw_object(rng, canvas, OBJECT_CLASSES[index - 1], horizon, scale)] = number

    mask, objects = _mask_of(instances[::OVERSAMPLING, ::OVERSAMPLING], classes)
    return Scene(to_uint8(_light(rng, _average_down(canvas))), mask, objects)
