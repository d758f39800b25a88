"""Simple pictures of everyday scenes: seven of VOC's classes, drawn with polygons, each with its mask.

A class has a shape and colours of its own, so that a small network learns it within a minute; size, place, colour,
light and background differ from picture to picture. Nothing in the scenes resembles tissue, and no initialisation is
favoured.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from sdp_plugin.catalogue.voc import VOC_CLASSES

IGNORE_INDEX = 255
MAX_OBJECTS = 3
# A smaller visible remainder cannot be named by its look: it becomes void.
MIN_VISIBLE = 0.01
# Lengths of borders and grains in pixels are for pictures of this height.
USUAL_HEIGHT = 120

Colour = tuple[float, float, float]


@dataclass(frozen=True)
class Shape:
    """A part of an object.

    Args:
        points (np.ndarray): Corners, (N, 2) x and y, in a box from 0 to 1, y downwards.
        colour (Colour): RGB, 0 to 255.
        grain (float): Strength of the part's texture; 0 is smooth.
    """

    points: np.ndarray
    colour: Colour
    grain: float = 0.1


@dataclass(frozen=True)
class SceneObject:
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
        objects (tuple[SceneObject, ...]): The visible objects from back to front.
    """

    image: np.ndarray
    mask: np.ndarray
    objects: tuple[SceneObject, ...]


def random_state(seed: int, *names: object) -> np.random.RandomState:
    """A random stream of its own for each item, so that an item depends neither on its order nor on how many there are.

    ``RandomState`` because NumPy promises its streams never to change; those of ``Generator`` may.

    Args:
        seed (int): The seed of the whole data set.
        *names (object): What the stream is for, for example ``'val', 17``.
    """
    key = '/'.join(str(name) for name in (seed, *names))
    return np.random.RandomState(np.frombuffer(hashlib.sha256(key.encode()).digest(), dtype='<u4').astype(np.uint32))


# --- Objects -----------------------------------------------------------------------------------------------------


def _box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)])


def _ellipse(x: float, y: float, width: float, height: float, waves: int = 0) -> np.ndarray:
    angles = np.linspace(0, 2 * np.pi, 48, endpoint=False)
    radius = 1 + 0.08 * np.sin(waves * angles)
    return np.stack([x + width / 2 * radius * np.cos(angles), y + height / 2 * radius * np.sin(angles)], axis=1)


def _pick(rng: np.random.RandomState, *colours: Colour) -> Colour:
    return tuple(np.array(colours[rng.randint(len(colours))]) + rng.uniform(-15, 15, 3))


def _aeroplane(rng: np.random.RandomState) -> list[Shape]:
    body, wing = _pick(rng, (225, 228, 235), (205, 210, 220)), _pick(rng, (150, 155, 170), (170, 60, 60))
    return [
        Shape(np.array([(0.45, 0.45), (0.6, 0.45), (0.4, 0.95), (0.28, 0.95)]), wing),
        Shape(_ellipse(0.5, 0.45, 1.0, 0.22), body),
        Shape(np.array([(0.03, 0.05), (0.14, 0.05), (0.28, 0.42), (0.1, 0.42)]), wing),
    ]


def _boat(rng: np.random.RandomState) -> list[Shape]:
    hull, sail = _pick(rng, (110, 45, 30), (60, 40, 35), (140, 30, 40)), _pick(rng, (245, 240, 225), (235, 220, 190))
    return [
        Shape(np.array([(0.45, 0.0), (0.9, 0.68), (0.45, 0.68)]), sail, 0.03),
        Shape(np.array([(0.4, 0.1), (0.4, 0.68), (0.1, 0.68)]), sail, 0.03),
        Shape(np.array([(0.0, 0.72), (1.0, 0.72), (0.82, 1.0), (0.15, 1.0)]), hull),
    ]


def _bus(rng: np.random.RandomState) -> list[Shape]:
    body = _pick(rng, (215, 45, 35), (235, 175, 25))
    windows = [Shape(_box(x, 0.12, x + 0.14, 0.45), (55, 65, 80), 0.05) for x in (0.05, 0.22, 0.39, 0.56, 0.73)]
    wheels = [Shape(_ellipse(x, 0.9, 0.16, 0.2), (25, 25, 28), 0.05) for x in (0.2, 0.78)]
    return [Shape(_box(0, 0, 1, 0.9), body, 0.04), *windows, *wheels]


def _car(rng: np.random.RandomState) -> list[Shape]:
    body = _pick(rng, (40, 80, 185), (30, 130, 160), (90, 60, 150))
    wheels = [Shape(_ellipse(x, 0.85, 0.2, 0.3), (25, 25, 28), 0.05) for x in (0.22, 0.76)]
    return [
        Shape(np.array([(0.2, 0.42), (0.32, 0.05), (0.68, 0.05), (0.85, 0.42)]), (70, 85, 100), 0.05),
        Shape(np.array([(0, 0.45), (0.12, 0.38), (0.9, 0.38), (1, 0.5), (1, 0.85), (0, 0.85)]), body, 0.04),
        *wheels,
    ]


def _plant(rng: np.random.RandomState) -> list[Shape]:
    leaf = _pick(rng, (40, 125, 45), (75, 150, 40), (25, 100, 60))
    leaves = [
        Shape(_ellipse(0.5 + rng.uniform(-0.3, 0.3), rng.uniform(0.12, 0.5), 0.45, 0.35, 5), leaf, 0.35)
        for _ in range(6)
    ]
    return [*leaves, Shape(np.array([(0.25, 0.62), (0.75, 0.62), (0.66, 1.0), (0.34, 1.0)]), (185, 95, 55), 0.06)]


def _sheep(rng: np.random.RandomState) -> list[Shape]:
    wool, face = _pick(rng, (235, 230, 215), (215, 205, 185)), _pick(rng, (45, 40, 38), (80, 65, 55))
    legs = [Shape(_box(x, 0.65, x + 0.07, 1.0), face, 0.05) for x in (0.2, 0.34, 0.6, 0.74)]
    return [*legs, Shape(_ellipse(0.48, 0.42, 0.8, 0.6, 12), wool, 0.4), Shape(_ellipse(0.9, 0.32, 0.22, 0.34), face)]


def _monitor(rng: np.random.RandomState) -> list[Shape]:
    screen = _pick(rng, (70, 190, 225), (120, 215, 190))
    return [
        Shape(_box(0.3, 0.88, 0.7, 1.0), (30, 30, 32), 0.03),
        Shape(_box(0.45, 0.75, 0.55, 0.9), (30, 30, 32), 0.03),
        Shape(_box(0, 0, 1, 0.78), (22, 22, 25), 0.03),
        Shape(_box(0.06, 0.07, 0.94, 0.7), screen, 0.08),
    ]


# Class name: how it is drawn, and its width by its height.
OBJECTS: dict[str, tuple[Callable[[np.random.RandomState], Sequence[Shape]], float]] = {
    'aeroplane': (_aeroplane, 2.0),
    'boat': (_boat, 1.0),
    'bus': (_bus, 1.7),
    'car': (_car, 2.0),
    'pottedplant': (_plant, 0.75),
    'sheep': (_sheep, 1.3),
    'tvmonitor': (_monitor, 1.25),
}
CLASS_INDICES = tuple(VOC_CLASSES.index(name) for name in OBJECTS)

# Colours of the upper and the lower half of a background.
PLACES: tuple[tuple[Colour, Colour], ...] = (
    ((150, 190, 230), (105, 140, 70)),
    ((170, 185, 200), (70, 110, 140)),
    ((190, 195, 200), (120, 118, 115)),
    ((205, 185, 155), (125, 90, 60)),
)


# --- Scenes ------------------------------------------------------------------------------------------------------


def draw_scene(rng: np.random.RandomState, main_class: int, size: tuple[int, int]) -> Scene:
    """Draw a picture with an object of one class, and at times others behind it.

    Args:
        rng (RandomState): Decides everything.
        main_class (int): Index of the class of the foremost object, one of ``CLASS_INDICES``.
        size (tuple[int, int]): Width and height in pixels.

    Returns:
        Scene: The picture, its mask and its objects.
    """
    width, height = size
    image = _background(rng, width, height)
    mask = np.zeros((height, width), np.uint8)
    owner = np.zeros((height, width), np.uint8)
    others = [CLASS_INDICES[rng.randint(len(CLASS_INDICES))] for _ in range(rng.randint(MAX_OBJECTS))]
    for number, class_index in enumerate([*others, main_class], start=1):
        _draw_object(rng, class_index, number, image, mask, owner)
    image *= rng.uniform(0.8, 1.15)
    image += rng.normal(0, 4, image.shape)
    classes = [*others, main_class]
    objects = []
    for number, class_index in enumerate(classes, start=1):
        visible = owner == number
        if visible.mean() < MIN_VISIBLE:
            mask[visible] = IGNORE_INDEX
            continue
        rows, columns = np.flatnonzero(visible.any(axis=1)), np.flatnonzero(visible.any(axis=0))
        box = (int(columns[0]), int(rows[0]), int(columns[-1]), int(rows[-1]))
        truncated = box[0] == 0 or box[1] == 0 or box[2] == width - 1 or box[3] == height - 1
        objects.append(SceneObject(class_index, box, truncated))
    mask[_borders(owner)] = IGNORE_INDEX
    return Scene(np.clip(image, 0, 255).astype(np.uint8), mask, tuple(objects))


def _background(rng: np.random.RandomState, width: int, height: int) -> np.ndarray:
    upper, lower = PLACES[rng.randint(len(PLACES))]
    horizon = int(height * rng.uniform(0.35, 0.6))
    image = np.empty((height, width, 3), np.float32)
    image[:horizon], image[horizon:] = upper, lower
    return image * _noise(rng, width, height, 0.25, cell=10)[..., None]


def _noise(rng: np.random.RandomState, width: int, height: int, strength: float, cell: float) -> np.ndarray:
    step = cell * height / USUAL_HEIGHT
    grid = rng.uniform(1 - strength, 1 + strength, (int(height / step) + 2, int(width / step) + 2))
    return cv2.resize(grid.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)


def _draw_object(
    rng: np.random.RandomState, class_index: int, number: int, image: np.ndarray, mask: np.ndarray, owner: np.ndarray
) -> None:
    height, width = mask.shape
    draw, aspect = OBJECTS[VOC_CLASSES[class_index]]
    tall = height * rng.uniform(0.35, 0.75)
    wide = min(tall * aspect, 0.9 * width)
    left, top = rng.uniform(-0.1 * wide, width - 0.9 * wide), rng.uniform(0, height - 0.9 * tall)
    mirrored = rng.uniform() < 0.5
    for shape in draw(rng):
        x = 1 - shape.points[:, 0] if mirrored else shape.points[:, 0]
        corners = np.stack([left + x * wide, top + shape.points[:, 1] * tall], axis=1)
        inside = np.zeros((height, width), np.uint8)
        cv2.fillPoly(inside, [np.round(corners).astype(np.int32)], 1)
        where = inside.astype(bool)
        texture = _noise(rng, width, height, shape.grain, cell=4)
        image[where] = np.float32(shape.colour) * texture[where, None]
        mask[where] = class_index
        owner[where] = number


def _borders(owner: np.ndarray) -> np.ndarray:
    """Pixels of two objects' borders, and of those beside them, as VOC leaves them void."""
    width = max(round(3 * owner.shape[0] / USUAL_HEIGHT), 3) | 1
    kernel = np.ones((width, width), np.uint8)
    return cv2.dilate(owner, kernel) != cv2.erode(owner, kernel)
