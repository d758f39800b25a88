"""Data cards: what is said of a public data set. Each card lies beside the code that reads the data set's files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from sdp_plugin.catalogue.downloads import Download

Colour = tuple[int, int, int]


@dataclass(frozen=True)
class DataCard:
    """What is known of a public data set before a file of it is opened.

    Args:
        name (str): The name as its authors write it.
        classes (tuple[str, ...]): Class names; the position is the class index.
        palette (tuple[Colour, ...]): One RGB colour a class, 0 to 255.
        sizes (Mapping[str, int]): Number of images in each split of the complete data set.
        image_size (tuple[int, int] | None): Height and width in pixels, or None where images differ.
        terms (str): Licence or terms of use.
        citation (str): What to cite.
        homepage (str): Where its authors describe it.
        downloads (tuple[Download, ...]): The published files; what each holds is fetched by ``sdp_plugin.prepare``.
        notes (tuple[str, ...]): What a user should know and the files do not tell.
        mpp (float | None): Micrometres a pixel, or None where images are not of one resolution.
    """

    name: str
    classes: tuple[str, ...]
    palette: tuple[Colour, ...]
    sizes: Mapping[str, int]
    image_size: tuple[int, int] | None
    terms: str
    citation: str
    homepage: str
    downloads: tuple[Download, ...] = ()
    notes: tuple[str, ...] = field(default=())
    mpp: float | None = None

    def __post_init__(self) -> None:
        if len(self.classes) != len(self.palette):
            raise ValueError(f'{self.name}: {len(self.classes)} classes but {len(self.palette)} colours')
        object.__setattr__(self, 'sizes', MappingProxyType(dict(self.sizes)))

    def metainfo(self) -> dict:
        """The ``METAINFO`` of an OpenMMLab data set: ``classes`` (tuple of str) and ``palette`` (list of RGB lists)."""
        return {'classes': self.classes, 'palette': [list(colour) for colour in self.palette]}
