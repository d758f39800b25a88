"""What checkpoints say in words, as typed records: each field is checked, and a wrong one is named."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping
from typing import Annotated, Any

from annotated_types import Len
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from sdp_plugin.errors import UserError

Name = Annotated[str, Field(min_length=1, max_length=200)]
Side = Annotated[int, Field(ge=1, le=2**14)]


class ModelCard(BaseModel):
    """What it takes to apply a classifier to new images.

    Args:
        classes (tuple[str, ...]): The names of its outputs, all different.
        input_size (tuple[int, int]): Height and width of the tiles that it was tested on, in pixels.
        mpp (float | None): Micrometres a pixel of these tiles.
    """

    model_config = ConfigDict(extra='ignore', frozen=True)

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
    try:
        return ModelCard.model_validate(card)
    except ValidationError as error:
        raise invalid_record(error, f"meta['model_card'] of {path}") from None


def invalid_record(error: ValidationError, where: str) -> UserError:
    """The fields that are not as they have to be, in one error.

    Args:
        error (ValidationError): Of pydantic.
        where (str): The file, and the part of it.
    """
    fields = [
        f'{".".join(map(str, fault["loc"])) or "it"}: {fault["msg"]} ({fault["input"]!r:.60})'
        for fault in error.errors(include_url=False, include_context=False)
    ]
    return UserError(
        f'{where} is not as it has to be.',
        found='\n              '.join(fields[:8]),
        remedy='the file was written by something else, or is damaged: fetch or write it again',
    )
