"""Drawing tissue as it is stained: amounts of haematoxylin and eosin in each pixel, turned to colour at the end.

Beer and Lambert's law gives the colour of two dyes that lie over each other, so nuclei darken the pink below them as
they do on a slide. Nothing here is shared with the natural pictures (:mod:`.natural_scenes`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.spatial import cKDTree

from sdp_plugin.demo_data.drawing import blur, smooth_noise, to_uint8

Rng = np.random.RandomState

# Optical densities of the dyes in red, green and blue, after Ruifrok and Johnston (2001).
HAEMATOXYLIN = np.array([0.65, 0.70, 0.29])
EOSIN = np.array([0.07, 0.99, 0.11])


@dataclass(frozen=True)
class Stain:
    """What one slide's staining and scanning does to colours.

    Args:
        haematoxylin (np.ndarray): (3,) optical density of a unit of haematoxylin.
        eosin (np.ndarray): (3,) optical density of a unit of eosin.
        light (np.ndarray): (3,) what an empty spot looks like, in [0, 1].
    """

    haematoxylin: np.ndarray
    eosin: np.ndarray
    light: np.ndarray


def draw_stain(rng: Rng) -> Stain:
    """A slide of its own: hues, strengths and light vary as they do between laboratories."""
    haematoxylin = (HAEMATOXYLIN + rng.uniform(-0.1, 0.1, 3)) * rng.uniform(0.75, 1.35)
    eosin = (EOSIN + rng.uniform((0, -0.2, 0), (0.22, 0.05, 0.3))) * rng.uniform(0.6, 1.25)
    return Stain(haematoxylin, eosin, rng.uniform(0.88, 0.98) + rng.uniform(-0.025, 0.025, 3))


@dataclass(frozen=True)
class NucleusKind:
    """The look of a kind of nucleus, as ranges.

    Args:
        radius (tuple[float, float]): Mean radius in pixels.
        elongation (tuple[float, float]): Long axis over short axis.
        density (tuple[float, float]): Amount of haematoxylin.
        chromatin (float): How uneven it is inside.
        nucleolus (float): How often there is a dark spot in it.
    """

    radius: tuple[float, float]
    elongation: tuple[float, float]
    density: tuple[float, float]
    chromatin: float
    nucleolus: float


class Tissue:
    """The dyes of a tile while it is drawn.

    Args:
        rng (RandomState): Decides every detail.
        size (int): Height and width in pixels.
    """

    def __init__(self, rng: Rng, size: int) -> None:
        self.rng = rng
        self.size = size
        self._pixels = np.arange(size, dtype=np.float32)
        self.haematoxylin = np.zeros((size, size), dtype=np.float32)
        self.eosin = np.zeros((size, size), dtype=np.float32)

    def noise(self, cell: float, octaves: int = 1) -> np.ndarray:
        """Smooth noise over the whole tile, in [0, 1]."""
        return smooth_noise(self.rng, (self.size, self.size), cell, octaves)

    def ground(self, eosin: float, haematoxylin: float = 0.05) -> None:
        """Fill the tile with cytoplasm and matrix."""
        self.eosin += eosin * (0.6 + 0.8 * self.noise(16, 3))
        self.haematoxylin += haematoxylin * (0.4 + 1.2 * self.noise(24, 2))

    def fibres(self, angle: float, period: float, strength: float, where: np.ndarray | float = 1.0) -> None:
        """Wavy bundles that run along ``angle`` (radians)."""
        rows, columns = np.mgrid[: self.size, : self.size]
        across = rows * np.cos(angle) - columns * np.sin(angle) + 14 * self.noise(self.size / 3, 2)
        wave = np.sin(2 * np.pi * across / period) + 0.6 * np.sin(
            2 * np.pi * across / (period * 0.43) + 6 * self.noise(30)
        )
        self.eosin += strength * where * np.clip(0.35 + 0.4 * wave, 0, 1.2) * (0.6 + 0.7 * self.noise(9, 2))

    def clear(self, where: np.ndarray) -> None:
        """Wash out both dyes where ``where`` is 1: lumina, fat, tears."""
        self.eosin *= 1 - where
        self.haematoxylin *= 1 - where

    def nuclei(
        self, kind: NucleusKind, spacing: float, where: np.ndarray | None = None, angle: float | None = None
    ) -> None:
        """Set nuclei about ``spacing`` pixels apart.

        Args:
            kind (NucleusKind): What they look like.
            spacing (float): Mean distance of neighbours in pixels.
            where (np.ndarray | None): (H, W) share of places that are taken, in [0, 1]; everywhere if None.
            angle (float | None): Direction of their long axes; any if None.
        """
        centres = self._spread(spacing, where)
        count = len(centres)
        radius = self.rng.uniform(*kind.radius, count)
        stretch = np.sqrt(self.rng.uniform(*kind.elongation, count))
        angles = self.rng.uniform(0, np.pi, count) if angle is None else angle + self.rng.normal(0, 0.2, count)
        density = self.rng.uniform(*kind.density, count)
        spotted = self.rng.uniform(size=count) < kind.nucleolus
        chromatin = 1 + kind.chromatin * (self.noise(3) - 0.5)
        for index, (x, y) in enumerate(centres):
            self._nucleus(x, y, radius[index], stretch[index], angles[index], density[index], spotted[index], chromatin)

    def _spread(self, spacing: float, where: np.ndarray | None) -> np.ndarray:
        """Points of a jittered hexagonal grid, thinned out by ``where``."""
        steps = np.arange(-1, self.size / spacing + 2)
        columns, rows = np.meshgrid(steps, np.arange(-1, self.size / (spacing * 0.87) + 2))
        x = (columns + 0.5 * (rows % 2)).ravel() * spacing
        y = rows.ravel() * spacing * 0.87
        points = np.stack([x, y], axis=1) + self.rng.uniform(-0.38, 0.38, (x.size, 2)) * spacing
        chance = self.rng.uniform(size=len(points))
        if where is not None:
            column, row = np.clip(np.rint(points).astype(int), 0, self.size - 1).T
            points = points[chance < where[row, column]]
        return points

    def _nucleus(
        self,
        x: float,
        y: float,
        radius: float,
        stretch: float,
        angle: float,
        density: float,
        spotted: bool,
        chromatin: np.ndarray,
    ) -> None:
        reach = int(radius * stretch) + 2
        top, bottom = max(int(y) - reach, 0), min(int(y) + reach + 2, self.size)
        left, right = max(int(x) - reach, 0), min(int(x) + reach + 2, self.size)
        if top >= bottom or left >= right:
            return
        down = self._pixels[top:bottom, None] - np.float32(y)
        across = self._pixels[None, left:right] - np.float32(x)
        cos, sin = np.cos(angle), np.sin(angle)
        long = (across * cos + down * sin) / (radius * stretch)
        short = (down * cos - across * sin) / (radius / stretch)
        distance = np.sqrt(long * long + short * short)
        # The edge is about a pixel wide; the rim is denser than the middle.
        cover = np.minimum(np.maximum((1 - distance) * radius + 0.5, 0), 1)
        amount = density * (0.75 + 0.35 * np.minimum(distance, 1) ** 3) * chromatin[top:bottom, left:right]
        if spotted:
            amount = amount + density * 0.6 * np.exp(-(((long - 0.2) ** 2 + short**2) / 0.05))
        window = slice(top, bottom), slice(left, right)
        self.haematoxylin[window] += cover * (amount - self.haematoxylin[window] * 0.7)
        self.eosin[window] *= 1 - 0.5 * cover

    def cells(self, spacing: float, jitter: float = 0.4) -> tuple[np.ndarray, np.ndarray]:
        """Cut the tile into cells around spread points.

        Returns:
            tuple[np.ndarray, np.ndarray]: (H, W) distance to the nearest point, and how much farther the second nearest
            is (0 on the border of two cells), both in pixels.
        """
        steps = np.arange(-1, self.size / spacing + 2)
        columns, rows = np.meshgrid(steps, steps)
        points = np.stack([(columns + 0.5 * (rows % 2)).ravel(), rows.ravel()], axis=1)
        points = (points + self.rng.uniform(-jitter, jitter, points.shape)) * spacing
        columns, rows = np.meshgrid(np.arange(self.size), np.arange(self.size))
        nearest, _ = cKDTree(points).query(np.stack([columns, rows], axis=-1), k=2)
        return nearest[..., 0], nearest[..., 1] - nearest[..., 0]

    def to_image(self, stain: Stain) -> np.ndarray:
        """The tile as a scanner sees it.

        Returns:
            np.ndarray: (H, W, 3) uint8, RGB.
        """
        strength = self.rng.uniform(0.8, 1.25, 2)
        density = self.haematoxylin[..., None] * stain.haematoxylin * strength[0]
        density += self.eosin[..., None] * stain.eosin * strength[1]
        image = stain.light * np.exp(-np.maximum(density, 0)) * self.rng.uniform(0.95, 1.03)
        image = blur(image, self.rng.uniform(0.25, 0.9))
        return to_uint8(image + self.rng.normal(0, self.rng.uniform(0.006, 0.022), image.shape))


LYMPHOCYTE = NucleusKind((2.4, 3.4), (1.0, 1.3), (1.3, 2.1), 0.7, 0.0)
# Larger and paler than lymphocytes, and yet no tumour: germinal centres, histiocytes, endothelium.
ACTIVATED = NucleusKind((3.2, 4.8), (1.0, 1.6), (0.7, 1.4), 0.9, 0.3)
SPINDLE = NucleusKind((2.2, 3.4), (2.5, 5.0), (0.9, 1.7), 0.6, 0.0)
TUMOUR = NucleusKind((3.4, 6.2), (1.0, 1.9), (0.7, 1.7), 1.2, 0.5)
EPITHELIUM = NucleusKind((3.0, 4.2), (1.3, 2.2), (1.1, 1.7), 0.7, 0.1)
