"""Which samples of a data set are meant: by position or by id."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmengine.dataset import BaseDataset

from sdp_plugin.errors import UserError


def id_of(record: dict, position: int) -> str:
    """The id of a data set's record: that of our data sets, else its file's name, else its position."""
    for key in ('image_id', 'tile_id'):
        if key in record:
            return str(record[key])
    return Path(record['img_path']).stem if record.get('img_path') else str(position)


def digest_of_keys(keys: Iterable[str]) -> str:
    """Twelve hexadecimal digits of the SHA-256 of the sorted keys."""
    return hashlib.sha256('\n'.join(sorted(keys)).encode()).hexdigest()[:12]


def positions_of(dataset: BaseDataset, wanted: Sequence[int | str]) -> list[int]:
    """Where samples are in a data set.

    Args:
        dataset (BaseDataset): The data set.
        wanted (Sequence[int | str]): Positions from 0, or ids.

    Returns:
        list[int]: Positions in the order of ``wanted``.

    Raises:
        UserError: If there is no such position or id.
    """
    ids = [item for item in wanted if isinstance(item, str)]
    places = _places_of_ids(dataset, set(ids)) if ids else {}
    missing = [item for item in wanted if (item not in places if item in ids else not 0 <= item < len(dataset))]
    if missing:
        raise UserError(
            'The data set has no such sample.',
            looked_for=', '.join(map(str, missing[:5])),
            found=f'{len(dataset)} samples, the first is {id_of(dataset.get_data_info(0), 0)}'
            if len(dataset)
            else 'an empty data set',
        )
    return [places.get(item, item) for item in wanted]


def _places_of_ids(dataset: BaseDataset, ids: set[str]) -> dict[str, int]:
    every_id = ((id_of(dataset.get_data_info(position), position), position) for position in range(len(dataset)))
    return {sample_id: position for sample_id, position in every_id if sample_id in ids}
