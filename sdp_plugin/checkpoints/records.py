"""What checkpoints say in words."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Len
from pydantic import Field, field_validator

from sdp_plugin.errors import UserError
from sdp_plugin.records import Record, as_record

Name = Annotated[str, Field(min_length=1, max_length=200)]
Side = Annotated[int, Field(ge=1, le=2**14)]


class ModelCard(Record):
    """What it takes to apply a classifier to new images.

    Args:
        classes (tuple[str, ...]): The names of its outputs, all different.
        input_size (tuple[int, int]): Height and width of the tiles that it was tested on, in pixels.
        mpp (float | None): Micrometres a pixel of these tiles.
    """

    classes: Annotated[tuple[Name, ...], Len(1, 10_000)]
    input_size: tuple[Side, Side]
    mpp: Annotated[float, Field(gt=0, lt=1000)] | None = None

    @field_validator('classes')
    @classmethod
    def _all_different(cls, classes: tuple[str, ...]) -> tuple[str, ...]:
        twice = [name for name, count in Counter(classes).items() if count > 1]
        if twice:
            raise ValueError(f'names that occur more than once: {", ".join(twice[:8])}')
        return classes


def model_card_of(checkpoint: Mapping[str, Any], path: str | os.PathLike) -> ModelCard:
    """The model card of a classifier's checkpoint.

    Raises:
        UserError: If it has none, or one with a field that is missing or of another type or range.
    """
    meta = checkpoint.get('meta')
    card = meta.get('model_card') if isinstance(meta, Mapping) else None
    if not card:
        raise UserError(
            f'{path} does not say how to apply it.',
            looked_for="meta['model_card'], which a fine-tuning with one of our configs writes",
            found='a checkpoint without one',
            remedy='name a checkpoint of tools/train.py configs/finetune/...',
        )
    return as_record(ModelCard, card, f"meta['model_card'] of {path}")
