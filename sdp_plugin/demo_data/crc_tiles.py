"""Colorectal tiles of the eight tissue classes of Kather et al. (2016)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sdp_plugin.demo_data.drawing import blur
from sdp_plugin.demo_data.histology import (
    ACTIVATED,
    EPITHELIUM,
    LYMPHOCYTE,
    SPINDLE,
    TUMOUR,
    NucleusKind,
    Stain,
    Tissue,
)

SIZE = 150
# The tiles show tissue at about twice the magnification of PCam's.
MAGNIFICATION = 1.5
# How often a tile reaches into tissue of another class; most of it is always of its own.
NEIGHBOUR_SHARE = 0.4

Rng = np.random.RandomState


def _magnified(kind: NucleusKind) -> NucleusKind:
    low, high = kind.radius
    return NucleusKind(
        (low * MAGNIFICATION, high * MAGNIFICATION), kind.elongation, kind.density, kind.chromatin, kind.nucleolus
    )


_LYMPHOCYTE, _ACTIVATED, _SPINDLE, _TUMOUR, _EPITHELIUM = map(
    _magnified, (LYMPHOCYTE, ACTIVATED, SPINDLE, TUMOUR, EPITHELIUM)
)


def _tears(tissue: Tissue, share: float) -> None:
    """Cracks and holes of the section, in about ``share`` of the tiles of any class."""
    if tissue.rng.uniform() < share:
        tissue.clear(np.clip(8 * (tissue.noise(40, 3) - tissue.rng.uniform(0.6, 0.85)), 0, 1))


def _tumour(tissue: Tissue) -> None:
    tissue.ground(tissue.rng.uniform(0.35, 0.8), tissue.rng.uniform(0.2, 0.6))
    sheet = 0.95 - 0.9 * (tissue.noise(45) > tissue.rng.uniform(0.6, 1.0))
    tissue.nuclei(_TUMOUR, tissue.rng.uniform(11, 16), sheet)
    tissue.nuclei(_SPINDLE, 20, 0.6 * (sheet < 0.5))
    _tears(tissue, 0.4)


def _stroma(tissue: Tissue) -> None:
    angle = tissue.rng.uniform(0, np.pi)
    tissue.ground(tissue.rng.uniform(0.3, 0.8))
    tissue.fibres(angle, tissue.rng.uniform(9, 22), tissue.rng.uniform(0.3, 0.9))
    tissue.nuclei(_SPINDLE, tissue.rng.uniform(18, 32), angle=angle)
    tissue.nuclei(_LYMPHOCYTE, 20, 0.3 * tissue.noise(50) ** 2)
    _tears(tissue, 0.3)


def _complex(tissue: Tissue) -> None:
    angle = tissue.rng.uniform(0, np.pi)
    tissue.ground(tissue.rng.uniform(0.3, 0.8), tissue.rng.uniform(0.05, 0.3))
    tissue.fibres(angle, tissue.rng.uniform(9, 22), tissue.rng.uniform(0.1, 0.6))
    tissue.nuclei(_SPINDLE, tissue.rng.uniform(20, 30), angle=angle)
    tissue.nuclei(_LYMPHOCYTE, 12, tissue.rng.uniform(0.2, 0.7) * tissue.noise(40))
    tissue.nuclei(_TUMOUR, 16, tissue.rng.uniform(0.2, 0.8) * tissue.noise(40) ** 2)
    _tears(tissue, 0.4)


def _lympho(tissue: Tissue) -> None:
    tissue.ground(tissue.rng.uniform(0.1, 0.6), 0.15)
    tissue.nuclei(_LYMPHOCYTE, tissue.rng.uniform(9.5, 13), 0.6 + 0.5 * tissue.noise(40))
    tissue.nuclei(_ACTIVATED, 18, 0.5 * tissue.noise(40))
    _tears(tissue, 0.2)


def _debris(tissue: Tissue) -> None:
    _, gap = tissue.cells(tissue.rng.uniform(8, 15), 0.6)
    foam = np.exp(-gap / tissue.rng.uniform(1.5, 4))
    tissue.ground(tissue.rng.uniform(0.1, 0.7), tissue.rng.uniform(0.05, 0.3))
    tissue.haematoxylin += foam * tissue.rng.uniform(0.05, 0.5) * tissue.noise(30, 2)
    tissue.eosin += foam * tissue.rng.uniform(0.0, 0.4)
    if tissue.rng.uniform() < 0.4:
        tissue.fibres(tissue.rng.uniform(0, np.pi), tissue.rng.uniform(10, 20), tissue.rng.uniform(0.2, 0.6))
    tissue.nuclei(_LYMPHOCYTE, 18, tissue.rng.uniform(0.1, 0.6) * tissue.noise(40) ** 2)
    tissue.haematoxylin[:] = blur(tissue.haematoxylin, tissue.rng.uniform(0.5, 2))
    _tears(tissue, 0.5)


def _mucosa(tissue: Tissue) -> None:
    _, gap = tissue.cells(tissue.rng.uniform(24, 36), 0.25)
    tissue.ground(tissue.rng.uniform(0.3, 0.7), tissue.rng.uniform(0.1, 0.4))
    goblet = np.clip((gap - tissue.rng.uniform(4, 9)) / 4, 0, 1) * (tissue.noise(60) > tissue.rng.uniform(0.0, 0.4))
    tissue.nuclei(_EPITHELIUM, tissue.rng.uniform(10, 13), 0.9 * (goblet < 0.2))
    tissue.clear(goblet * tissue.rng.uniform(0.5, 0.85))
    tissue.haematoxylin += goblet * tissue.rng.uniform(0.05, 0.25) * tissue.noise(5)
    _tears(tissue, 0.3)


def _adipose(tissue: Tissue) -> None:
    _, gap = tissue.cells(tissue.rng.uniform(50, 95))
    tissue.ground(tissue.rng.uniform(0.2, 0.9), tissue.rng.uniform(0.02, 0.2))
    tissue.nuclei(_SPINDLE, 22, 0.3 * (gap < 6))
    tissue.clear(np.clip((gap - tissue.rng.uniform(2, 9)) / 3, 0, 1) * tissue.rng.uniform(0.93, 1))


def _empty(tissue: Tissue) -> None:
    tissue.eosin += tissue.rng.uniform(0, 0.1) * tissue.noise(20, 3)
    tissue.haematoxylin += tissue.rng.uniform(0, 0.08) * tissue.noise(12, 3)
    tissue.nuclei(_LYMPHOCYTE, 30, np.full((SIZE, SIZE), tissue.rng.uniform(0, 0.06)))
    if tissue.rng.uniform() < 0.25:
        _, gap = tissue.cells(120)
        tissue.eosin += np.exp(-gap / 3) * tissue.rng.uniform(0.05, 0.3)


CRC_CLASSES: dict[str, Callable[[Tissue], None]] = {
    '01_TUMOR': _tumour,
    '02_STROMA': _stroma,
    '03_COMPLEX': _complex,
    '04_LYMPHO': _lympho,
    '05_DEBRIS': _debris,
    '06_MUCOSA': _mucosa,
    '07_ADIPOSE': _adipose,
    '08_EMPTY': _empty,
}
"""The official folder names, and how a tile of each is drawn."""


def _let_in_neighbour(tissue: Tissue, class_name: str) -> None:
    """Give a corner or a strip of the tile to another class, less than half of it."""
    others = [name for name in CRC_CLASSES if name != class_name]
    neighbour = Tissue(tissue.rng, SIZE)
    CRC_CLASSES[others[tissue.rng.randint(len(others))]](neighbour)
    angle = tissue.rng.uniform(0, 2 * np.pi)
    rows, columns = np.mgrid[-1 : 1 : SIZE * 1j, -1 : 1 : SIZE * 1j]
    side = rows * np.sin(angle) + columns * np.cos(angle) + 0.5 * (tissue.noise(40, 2) - 0.5)
    share = np.clip((side - np.quantile(side, tissue.rng.uniform(0.6, 0.9))) * 25, 0, 1)
    tissue.haematoxylin += share * (neighbour.haematoxylin - tissue.haematoxylin)
    tissue.eosin += share * (neighbour.eosin - tissue.eosin)


def draw_crc_tile(rng: Rng, class_name: str, stain: Stain) -> np.ndarray:
    """A tile of one of the eight classes.

    Args:
        rng (RandomState): Decides every detail.
        class_name (str): A key of ``CRC_CLASSES``.
        stain (Stain): The colours of the source image that the tile comes from.

    Returns:
        np.ndarray: (150, 150, 3) uint8, RGB.
    """
    tissue = Tissue(rng, SIZE)
    CRC_CLASSES[class_name](tissue)
    if rng.uniform() < NEIGHBOUR_SHARE:
        _let_in_neighbour(tissue, class_name)
    return tissue.to_image(stain)
