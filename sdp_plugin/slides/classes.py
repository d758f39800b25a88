"""Names, colours and numbers of a classifier's classes as they appear on a slide."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from sdp_plugin.catalogue.cards import Colour
from sdp_plugin.catalogue.data_checks import COLLECTIONS
from sdp_plugin.catalogue.palette import voc_palette
from sdp_plugin.errors import UserError

TILE_CARDS = tuple(card for kind in COLLECTIONS.values() if (card := getattr(kind, 'CARD', None)))
"""The data sets of tiles whose classes, colours and resolution are known."""

TAKEN_STEMS = ('tiles',)
"""Of the other GeoJSON files of a slide."""

# The classes that QuPath starts with, by our data sets' spelling.
_QUPATH_NAMES = {
    **dict.fromkeys(('tumour', 'tumor', 'tum'), 'Tumor'),
    **dict.fromkeys(('lympho', 'lym'), 'Immune cells'),
    **dict.fromkeys(('stroma', 'str'), 'Stroma'),
}


@dataclass(frozen=True)
class SlideClasses:
    """The classes of a classifier.

    Args:
        names (tuple[str, ...]): As the checkpoint says; the position is the class index.
        colours (tuple[Colour, ...]): RGB, 0 to 255.
        target (int): The class that is mapped and outlined.
        threshold (float): Probability of the target from which on a place counts as such.
    """

    names: tuple[str, ...]
    colours: tuple[Colour, ...]
    target: int
    threshold: float = 0.5

    @property
    def target_name(self) -> str:
        """As the checkpoint says."""
        return self.names[self.target]

    @property
    def outlines_file(self) -> str:
        """Where the target is outlined."""
        return outlines_file_of(self.target_name)


def slide_classes(names: Sequence[str], target: str | None = None, threshold: float = 0.5) -> SlideClasses:
    """Colours from the data card of these classes, else VOC's; the target is a tumour if none is named.

    Args:
        names (Sequence[str]): Class names.
        target (str | None): One of them, or None for the one whose name begins with "tum", else the last.
        threshold (float): Between 0 and 1.

    Raises:
        UserError: If there is no such class, or the threshold is no probability.
    """
    names = tuple(names)
    if target is not None and target not in names:
        raise UserError('There is no such class.', looked_for=', '.join(names), found=target)
    if not 0 < threshold < 1:
        raise UserError('The threshold is no probability.', looked_for='between 0 and 1', found=threshold)
    of_card = next((card.palette for card in TILE_CARDS if card.classes == names), None)
    colours = of_card or tuple(tuple(colour) for colour in voc_palette()[1 : len(names) + 1].tolist())
    tumour = next((name for name in names if name.lower().startswith('tum')), names[-1])
    return SlideClasses(names, colours, names.index(target or tumour), threshold)


def outlines_file_of(name: str) -> str:
    """Where a class is outlined: its name, as far as a file of a folder may be called that."""
    stem = re.sub(r'[^\w -]', '_', name)[:60]
    return f'{stem}_.geojson' if stem in TAKEN_STEMS else f'{stem}.geojson'


def qupath_name(name: str) -> str:
    """A class name as QuPath spells it: one of its own classes, or with a capital."""
    known = _QUPATH_NAMES.get(name.lower())
    return known or (name[:1].upper() + (name[1:].lower() if name.isupper() else name[1:]))
