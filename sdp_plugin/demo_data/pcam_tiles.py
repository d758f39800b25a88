"""Lymph-node tiles as PCam has them: the label says whether tumour touches the central 32x32 pixels."""

from __future__ import annotations

import numpy as np

from sdp_plugin.demo_data.drawing import blob_points, blur, polygon_mask
from sdp_plugin.demo_data.histology import ACTIVATED, LYMPHOCYTE, SPINDLE, TUMOUR, Tissue, draw_stain

SIZE = 96
CENTRE = slice(32, 64)
# A nest that only grazes the centre, or only just misses it, could not be told even by eye.
MIN_OVERLAP = 0.12
MARGIN = 4

Rng = np.random.RandomState


def touches_centre(nests: np.ndarray) -> bool:
    """PCam's rule: at least one pixel of tumour in the central 32x32 pixels of a (96, 96) bool mask."""
    return bool(nests[CENTRE, CENTRE].any())


def _one_nest(rng: Rng, x: float, y: float) -> np.ndarray:
    return polygon_mask(blob_points(rng, x, y, rng.uniform(14, 46), 0.4), (SIZE, SIZE))


def _central_nests(rng: Rng) -> np.ndarray:
    while True:
        nests = _one_nest(rng, *rng.uniform(22, 74, 2))
        if rng.uniform() < 0.3:
            nests |= _one_nest(rng, *rng.uniform(0, SIZE, 2))
        if nests[CENTRE, CENTRE].mean() >= MIN_OVERLAP:
            return nests


def _peripheral_nests(rng: Rng) -> np.ndarray:
    kept_free = slice(CENTRE.start - MARGIN, CENTRE.stop + MARGIN)
    while True:
        nests = _one_nest(rng, *rng.uniform(-8, SIZE + 8, 2))
        if nests.any() and not nests[kept_free, kept_free].any():
            return nests


def _nests(rng: Rng, tumour: bool) -> np.ndarray:
    if tumour:
        return _central_nests(rng)
    if rng.uniform() < 0.2:
        return _peripheral_nests(rng)
    return np.zeros((SIZE, SIZE), dtype=bool)


def _lymphoid(tissue: Tissue) -> None:
    tissue.ground(tissue.rng.uniform(0.15, 0.45), 0.15)
    follicle = (tissue.noise(50) > tissue.rng.uniform(0.5, 1.0)).astype(np.float32)
    tissue.nuclei(LYMPHOCYTE, tissue.rng.uniform(6.5, 9.5), 0.95 - 0.75 * follicle)
    tissue.nuclei(ACTIVATED, tissue.rng.uniform(9, 12), 0.85 * follicle)


def _stroma(tissue: Tissue) -> None:
    angle = tissue.rng.uniform(0, np.pi)
    tissue.ground(tissue.rng.uniform(0.2, 0.5))
    tissue.fibres(angle, tissue.rng.uniform(7, 15), tissue.rng.uniform(0.3, 0.7))
    tissue.nuclei(SPINDLE, tissue.rng.uniform(15, 24), angle=angle)
    tissue.nuclei(LYMPHOCYTE, 12, 0.5 * tissue.noise(30) ** 2)


def _fat(tissue: Tissue) -> None:
    _, gap = tissue.cells(tissue.rng.uniform(30, 48))
    tissue.ground(tissue.rng.uniform(0.4, 0.8))
    tissue.nuclei(LYMPHOCYTE, 9, 0.9 * (gap < 4) * tissue.noise(25))
    tissue.clear(np.clip((gap - tissue.rng.uniform(1.5, 5)) / 2, 0, 1))


def _sinus(tissue: Tissue) -> None:
    tissue.ground(tissue.rng.uniform(0.2, 0.5))
    tissue.nuclei(ACTIVATED, tissue.rng.uniform(10, 14), 0.6 + 0.4 * tissue.noise(30))
    tissue.nuclei(LYMPHOCYTE, 9, 0.6 * tissue.noise(20))
    tissue.clear(np.clip(6 * (tissue.noise(16, 2) - tissue.rng.uniform(0.5, 0.75)), 0, 1))


BACKGROUNDS = ((_lymphoid, 0.5), (_stroma, 0.2), (_fat, 0.12), (_sinus, 0.18))


def _fill_nests(tissue: Tissue, nests: np.ndarray) -> None:
    soft = blur(nests.astype(np.float32), 1.5)
    tissue.haematoxylin *= 1 - 0.95 * soft
    tissue.eosin *= 1 - 0.9 * soft
    tissue.eosin += soft * tissue.rng.uniform(0.2, 0.6) * (0.6 + 0.8 * tissue.noise(12, 2))
    tissue.haematoxylin += soft * tissue.rng.uniform(0.05, 0.35)
    tissue.nuclei(TUMOUR, tissue.rng.uniform(8.5, 12.5), 0.95 * soft)
    tissue.nuclei(LYMPHOCYTE, 11, tissue.rng.uniform(0, 0.3) * soft)


def draw_pcam_tile(rng: Rng, tumour: bool) -> tuple[np.ndarray, np.ndarray]:
    """A lymph-node tile.

    One in five tiles without tumour in the centre has some at its border, which PCam counts as normal.

    Args:
        rng (RandomState): Decides everything else.
        tumour (bool): Whether tumour touches the centre.

    Returns:
        tuple[np.ndarray, np.ndarray]: (96, 96, 3) uint8 RGB, and the (96, 96) bool mask of the tumour.
    """
    tissue = Tissue(rng, SIZE)
    draws, shares = zip(*BACKGROUNDS, strict=True)
    draws[rng.choice(len(draws), p=shares)](tissue)
    nests = _nests(rng, tumour)
    if nests.any():
        _fill_nests(tissue, nests)
    return tissue.to_image(draw_stain(rng)), nests
