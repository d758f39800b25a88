"""A classifier as slides need it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sdp_plugin.apis.class_activation import ClassActivation
from sdp_plugin.apis.predict import Classifier
from sdp_plugin.errors import UserError
from sdp_plugin.files import sha256_of
from sdp_plugin.slides.classes import TILE_CARDS
from sdp_plugin.slides.reading import GREATEST_MPP, LEAST_MPP


@dataclass(frozen=True)
class SlideModel:
    """A network and the tiles that it wants.

    Args:
        network (Callable): (N, H, W, 3) uint8 RGB to float32 logits (N, C).
        input_size (tuple[int, int]): Height and width of its tiles.
        mpp (float): Micrometres a pixel of its tiles.
        identity (str): What tells its weights from others': a hash of the checkpoint.
        activation (Callable | None): A tile and a class index to a map from 0 to 1, for the contact sheet.
    """

    network: Callable[[np.ndarray], np.ndarray]
    input_size: tuple[int, int]
    mpp: float
    identity: str
    activation: Callable[[np.ndarray, int], np.ndarray] | None = None


def slide_model(
    classifier: Classifier, checkpoint: str | Path, mpp: float | None = None, with_activation: bool = False
) -> SlideModel:
    """The classifier of a checkpoint for slides.

    Args:
        classifier (Classifier): The classifier.
        checkpoint (str | Path): The file that it came from.
        mpp (float | None): Micrometres a pixel of its tiles, instead of what the checkpoint says.
        with_activation (bool): Whether the contact sheet shows where the network looks. Defaults to False.

    Raises:
        UserError: If neither says the resolution, it is none, or the network has no maps to show.
    """
    if mpp is not None and not LEAST_MPP <= mpp <= GREATEST_MPP:
        raise UserError(
            f'{mpp} micrometres a pixel is no resolution of tiles.',
            looked_for=f'{float(LEAST_MPP)} to {float(GREATEST_MPP)}',
        )
    mpp = classifier.mpp if mpp is None else mpp
    if not mpp:
        known = ', '.join(f'{card.mpp:g} for {card.name}' for card in TILE_CARDS if card.mpp)
        raise UserError(
            f'{checkpoint} does not say at which resolution it was trained.',
            looked_for="'mpp' in its meta['model_card'], which a fine-tuning with our configs writes",
            remedy=f'give it with --model-mpp, in micrometres a pixel of a tile ({known}, at their own size)',
        )
    return SlideModel(
        lambda tiles: classifier.logits(tiles[..., ::-1]),
        classifier.input_size,
        mpp,
        sha256_of(checkpoint),
        ClassActivation(classifier) if with_activation else None,
    )
