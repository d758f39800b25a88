"""Random numbers and drawing operations that every generated picture is made with."""

from __future__ import annotations

import hashlib

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage


def random_state(seed: int, *names: object) -> np.random.RandomState:
    """A random stream of its own for each item, so that an item depends neither on its order nor on how many there are.

    ``RandomState`` because NumPy promises its streams never to change; those of ``Generator`` may.

    Args:
        seed (int): The seed of the whole data set.
        *names (object): What the stream is for, for example ``'pcam', 'train', 17``.
    """
    key = '/'.join(str(name) for name in (seed, *names))
    return np.random.RandomState(np.frombuffer(hashlib.sha256(key.encode()).digest(), dtype='<u4').astype(np.uint32))


def smooth_noise(
    rng: np.random.RandomState, shape: tuple[int, int], cell: float, octaves: int = 1, stretch: float = 1.0
) -> np.ndarray:
    """Noise that changes over about ``cell`` pixels.

    Args:
        rng (RandomState): Where the noise comes from.
        shape (tuple[int, int]): Height and width.
        cell (float): Distance of the random values in pixels; each further octave halves it.
        octaves (int): How many layers are added, each with 0.6 of the weight of the one before.
        stretch (float): How much longer than high the features are.

    Returns:
        np.ndarray: (H, W) float32 in [0, 1].
    """
    height, width = shape
    total = np.zeros(shape, dtype=np.float32)
    weight = 1.0
    for octave in range(octaves):
        step = max(cell / 2**octave, 1.0)
        grid = rng.uniform(size=(int(height / step) + 3, int(width / (step * stretch)) + 3)).astype(np.float32)
        layer = Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)
        total += weight * np.asarray(layer)
        weight *= 0.6
    low, high = total.min(), total.max()
    return (total - low) / max(high - low, 1e-6)


def polygon_mask(points: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """The pixels inside a closed polygon.

    Args:
        points (np.ndarray): (N, 2) x and y in pixels.
        shape (tuple[int, int]): Height and width.

    Returns:
        np.ndarray: (H, W) bool.
    """
    image = Image.new('L', (shape[1], shape[0]), 0)
    ImageDraw.Draw(image).polygon([(float(x), float(y)) for x, y in points], fill=1)
    return np.asarray(image).astype(bool)


def ellipse_points(
    x: float, y: float, radius_x: float, radius_y: float, angle: float = 0.0, count: int = 28
) -> np.ndarray:
    """The outline of an ellipse, turned by ``angle`` radians, as (count, 2) points."""
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    along, across = radius_x * np.cos(turn), radius_y * np.sin(turn)
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([x + along * cos - across * sin, y + along * sin + across * cos], axis=1)


def blob_points(
    rng: np.random.RandomState, x: float, y: float, radius: float, roughness: float = 0.25, count: int = 40
) -> np.ndarray:
    """The outline of an irregular blob as (count, 2) points: a circle whose radius waves in four frequencies."""
    turn = np.linspace(0, 2 * np.pi, count, endpoint=False)
    wave = np.ones(count)
    for frequency in (1, 2, 3, 5):
        wave += roughness / frequency * rng.uniform(-1, 1) * np.cos(frequency * turn + rng.uniform(0, 2 * np.pi))
    return np.stack([x + radius * wave * np.cos(turn), y + radius * wave * np.sin(turn)], axis=1)


def box_points(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """A rectangle as (4, 2) points."""
    return np.array([(left, top), (right, top), (right, bottom), (left, bottom)], dtype=float)


def bar_points(start: tuple[float, float], end: tuple[float, float], width: float) -> np.ndarray:
    """A straight bar of the given width between two points, as (4, 2) points."""
    first, last = np.asarray(start, float), np.asarray(end, float)
    direction = (last - first) / max(np.hypot(*(last - first)), 1e-9)
    side = np.array([-direction[1], direction[0]]) * width / 2
    return np.stack([first + side, last + side, last - side, first - side])


def blur(image: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian blur of (H, W) or (H, W, C) by ``sigma`` pixels, channels apart."""
    return ndimage.gaussian_filter(image, sigma=(sigma, sigma) + (0,) * (image.ndim - 2))


def to_uint8(image: np.ndarray) -> np.ndarray:
    """Values in [0, 1] to uint8 in [0, 255], clipped."""
    return np.rint(np.clip(image, 0, 1) * 255).astype(np.uint8)
